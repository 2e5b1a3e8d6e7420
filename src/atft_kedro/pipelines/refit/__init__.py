"""Pipeline that trains a run that passed the gate again on all days, and makes it the champion."""

from .pipeline import create_pipeline as create_pipeline
