"""Search for hyper-parameters, and confirm the winner."""

from .pipeline import create_pipeline as create_pipeline
