"""A walk through the history: train networks in every fold, and pool their test days."""

from .pipeline import create_pipeline as create_pipeline
