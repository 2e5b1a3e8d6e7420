"""A walk through the history: a network trained in every fold, and all their test days as one record."""

from .pipeline import create_pipeline

__all__ = ["create_pipeline"]
