"""Features, which are known at a day's close, and targets, which are not."""
