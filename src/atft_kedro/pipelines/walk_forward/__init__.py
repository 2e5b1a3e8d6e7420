"""The folds of a walk through the history."""

from .pipeline import create_pipeline

__all__ = ["create_pipeline"]
