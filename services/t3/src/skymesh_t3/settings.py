"""Settings of the service T3."""

from __future__ import annotations

from skymesh.settings.service import ServiceSettings


class T3Settings(ServiceSettings):
    """Settings of T3: those of every service."""
