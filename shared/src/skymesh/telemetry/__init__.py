"""What a person sees of a run: structured logs and progress, both on stderr."""
