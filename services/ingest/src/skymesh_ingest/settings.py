"""Settings of the service ingest."""

from __future__ import annotations

from skymesh.settings.service import ServiceSettings

UNKNOWN_SCHEMA_S = 60.0
"""After how long it is asked again for a schema id that nobody knew, in seconds."""


class IngestSettings(ServiceSettings):
    """Settings of ingest: those of every service, and its own.

    Attributes
    ----------
    keep_packets
        Whether every shaped packet is stored.
    """

    keep_packets: bool = True
