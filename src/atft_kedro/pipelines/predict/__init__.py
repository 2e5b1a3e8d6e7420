"""From the newest observations to ranked forecasts."""

from .pipeline import create_pipeline

__all__ = ["create_pipeline"]
