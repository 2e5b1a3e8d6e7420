"""Kedro pipelines: their nodes adapt the functions of the other packages to the catalog."""
