"""Find problems in a training from its log."""
