"""Ingest: from a survey's packets to alerts."""
