"""The sink of the provenance topic: keeps the journal in the store."""
