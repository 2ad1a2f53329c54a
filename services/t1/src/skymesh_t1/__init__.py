"""T1: combines the points that a channel may see into immutable states."""
