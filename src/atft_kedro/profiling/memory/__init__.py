"""Estimate the memory of a training before it runs."""
