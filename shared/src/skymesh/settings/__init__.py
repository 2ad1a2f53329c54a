"""Settings of the live mesh, from the environment: one class for each thing outside that is reached."""
