"""Search for hyper-parameters: an Optuna study over trainings, by any number of workers."""
