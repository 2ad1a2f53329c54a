"""Settings of the service provenance."""

from __future__ import annotations

from skymesh.settings.service import ServiceSettings


class ProvenanceSettings(ServiceSettings):
    """Settings of provenance: those of every service."""
