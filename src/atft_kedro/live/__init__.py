"""Live use of models: the gate, the journal of all live forecasts, and the alarm."""
