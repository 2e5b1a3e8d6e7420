"""A trained run handed on: one folder that is enough to forecast with, and what it says of the newest day."""
