"""Export a trained run as a model folder and forecast with it."""
