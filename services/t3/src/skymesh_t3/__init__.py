"""T3: reacts to completed states, and makes products of a whole run."""
