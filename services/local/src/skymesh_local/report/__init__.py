"""The page of a run, for a person to look at."""
