"""How good forecasts are: errors one can believe, portfolios with costs, and one score for any forecast."""
