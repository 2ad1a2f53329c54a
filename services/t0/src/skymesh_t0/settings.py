"""Settings of the service T0."""

from __future__ import annotations

from skymesh.settings.service import ServiceSettings


class T0Settings(ServiceSettings):
    """Settings of T0: those of every service."""
