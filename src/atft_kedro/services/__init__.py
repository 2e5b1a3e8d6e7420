"""Servers and databases beside this project."""
