"""The market in memory the way a training step wants it."""
