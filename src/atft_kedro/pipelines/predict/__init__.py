"""From the newest observations to ranked forecasts."""

from .pipeline import create_pipeline as create_pipeline
