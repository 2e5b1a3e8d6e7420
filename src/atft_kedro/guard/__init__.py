"""Rules that an ML dataset must keep before a model may trust it, and the report of how it does."""
