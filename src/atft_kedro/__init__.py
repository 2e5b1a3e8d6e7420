"""Daily prices in, forecasts of the next days' returns out, with proof of what they are worth."""

__version__ = "0.1.0"
