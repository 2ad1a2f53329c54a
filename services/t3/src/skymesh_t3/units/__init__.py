"""Built-in reactions and products."""
