"""Jobs: from a YAML file to a plan in which every unit, input and grant is resolved."""
