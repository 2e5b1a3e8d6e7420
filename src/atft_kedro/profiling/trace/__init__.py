"""Profile the steps of a training."""
