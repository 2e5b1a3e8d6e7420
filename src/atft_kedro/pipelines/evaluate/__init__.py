"""The pipeline that scores a trained network."""

from .pipeline import create_pipeline as create_pipeline
