"""From prices to the ML dataset."""

from .pipeline import create_pipeline as create_pipeline
