"""Forecasts of daily stock returns from prices, with a measurement of their quality."""

__version__ = "0.1.0"
