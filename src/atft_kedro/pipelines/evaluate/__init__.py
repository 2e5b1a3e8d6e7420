"""From a trained network to what its forecasts are worth."""

from .pipeline import create_pipeline

__all__ = ["create_pipeline"]
