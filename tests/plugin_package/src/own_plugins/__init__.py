"""Plug-ins of a user, one module for each kind."""
