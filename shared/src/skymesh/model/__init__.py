"""The records of the mesh, frozen and typed, and the ids that are their content."""
