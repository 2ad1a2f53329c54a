"""skymesh: analyses on streams of astronomical alerts, with the provenance of every result."""

__version__ = "0.1.0"
