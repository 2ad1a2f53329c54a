"""The bus: topics of records, read in batches and committed together with what they led to."""
