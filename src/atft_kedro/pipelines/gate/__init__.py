"""Pipeline that compares a new run with the champion, and promotes its refit."""

from .pipeline import create_pipeline as create_pipeline
