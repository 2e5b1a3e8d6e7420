"""What runs prove on a benchmark: evidence out of their folders, and the page that is made of it."""
