"""Search for hyper-parameters, and confirm the winner."""

from .pipeline import create_pipeline

__all__ = ["create_pipeline"]
