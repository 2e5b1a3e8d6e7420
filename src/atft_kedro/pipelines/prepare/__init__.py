"""From the guarded ML dataset to the panel."""

from .pipeline import create_pipeline

__all__ = ["create_pipeline"]
