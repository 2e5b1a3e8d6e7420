"""Prices: the simulated market with its oracle, people's own files, and what of them is admitted."""
