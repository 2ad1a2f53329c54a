"""T3: reacts to completed states; here with products of a whole run."""
