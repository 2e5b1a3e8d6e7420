"""The cache: a stage whose inputs, parameters and code are unchanged is not run again."""
