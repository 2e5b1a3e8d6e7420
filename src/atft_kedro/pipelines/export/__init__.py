"""From a trained and scored run to a model that others can load."""

from .pipeline import create_pipeline as create_pipeline
