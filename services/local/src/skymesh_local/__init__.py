"""The embedded mesh: every tier in one process, and the command line."""
