"""From returns to daily graphs."""

from .pipeline import create_pipeline as create_pipeline
