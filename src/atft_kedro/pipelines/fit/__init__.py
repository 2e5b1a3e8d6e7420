"""Pipeline that trains the networks of a run."""

from .pipeline import create_pipeline as create_pipeline
