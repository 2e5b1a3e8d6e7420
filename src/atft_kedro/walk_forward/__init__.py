"""Train and score networks in each fold of a walk-forward evaluation."""
