"""From the ML dataset to the guard's verdict."""

from .pipeline import create_pipeline as create_pipeline
