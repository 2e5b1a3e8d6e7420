"""Graphs of similar stocks: one per refresh day, computed from returns, sectors and sizes."""
