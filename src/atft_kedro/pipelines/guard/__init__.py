"""From the ML dataset to the guard's verdict."""

from .pipeline import create_pipeline

__all__ = ["create_pipeline"]
