"""Journal entries, made the same way in every tier."""
