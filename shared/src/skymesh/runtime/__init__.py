"""The one loop that does all effects, and what it asks of a tier."""
