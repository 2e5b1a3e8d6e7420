"""From the journal and the newest returns to the checks of the live forecasts."""

from .pipeline import create_pipeline as create_pipeline
