"""The search for better hyper-parameters: an Optuna study over trainings, by any number of workers."""
