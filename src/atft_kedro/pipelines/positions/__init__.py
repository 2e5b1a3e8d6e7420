"""The pipeline that tests positions after costs."""

from .pipeline import create_pipeline as create_pipeline
