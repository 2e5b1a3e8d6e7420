"""The cache: a stage whose inputs, parameters, code and outputs are unchanged is not run again."""
