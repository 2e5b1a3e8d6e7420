"""The page of a published benchmark: scores, ablations and costs."""
