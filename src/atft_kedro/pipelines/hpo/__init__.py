"""A search for better hyper-parameters, and whether its winner is to be believed."""

from .pipeline import create_pipeline

__all__ = ["create_pipeline"]
