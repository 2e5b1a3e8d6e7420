"""Train and score a network in each fold of a walk-forward split."""
