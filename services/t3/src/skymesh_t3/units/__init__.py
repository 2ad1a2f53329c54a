"""Built-in products."""
