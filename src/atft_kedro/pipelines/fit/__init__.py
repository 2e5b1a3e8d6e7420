"""From the panel and the graphs to a trained network."""

from .pipeline import create_pipeline

__all__ = ["create_pipeline"]
