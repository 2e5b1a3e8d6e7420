"""Who moves with whom: a graph per refresh day, keyed by codes."""
