"""From returns to daily graphs."""

from .pipeline import create_pipeline

__all__ = ["create_pipeline"]
