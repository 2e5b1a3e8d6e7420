"""What a forecast may see at a day's close, and the targets it is asked for."""
