"""Features known at a day's close, and the targets."""
