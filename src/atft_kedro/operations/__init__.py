"""Looking after data, runs and machines."""
