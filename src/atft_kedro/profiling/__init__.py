"""Time and memory that this project needs on a machine."""
