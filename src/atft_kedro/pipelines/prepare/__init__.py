"""From the guarded ML dataset to the panel."""

from .pipeline import create_pipeline as create_pipeline
