"""The live loop: champion and challenger, the journal of forecasts, and the monitor."""
