"""From a trained and scored run to a model that others can load."""

from .pipeline import create_pipeline

__all__ = ["create_pipeline"]
