"""Prices: the simulated market, users' price files, cleaning, and benchmark returns."""
