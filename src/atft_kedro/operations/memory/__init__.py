"""What memory a training takes: before it is run, and while it runs."""
