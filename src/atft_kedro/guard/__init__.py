"""Rules for an ML dataset, and the report of their results."""
