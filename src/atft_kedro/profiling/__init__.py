"""Measure and estimate the time and the memory of this project's work on a machine."""
