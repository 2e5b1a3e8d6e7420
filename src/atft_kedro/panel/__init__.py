"""Tensors of the market for training steps: split, scaler, panel and blocks."""
