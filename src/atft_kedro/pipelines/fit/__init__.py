"""Pipeline that trains the networks of a run."""

from .pipeline import create_pipeline

__all__ = ["create_pipeline"]
