"""The forecasting network."""
