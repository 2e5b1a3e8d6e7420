"""Thin pipelines over the core."""
