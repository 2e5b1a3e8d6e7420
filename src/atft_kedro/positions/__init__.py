"""Positions from forecasts: expected returns, risk, costs, daily optimisation and a backtest."""
