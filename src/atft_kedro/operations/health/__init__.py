"""The health of a training: what is measured as it runs, and what an experienced trainer makes of it."""
