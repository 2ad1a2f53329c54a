"""Settings of the service ingest."""

from __future__ import annotations

from skymesh.settings.service import ServiceSettings


class IngestSettings(ServiceSettings):
    """Settings of ingest: those of every service, and its own.

    Where the schemas of messages are found that name theirs by an id: see `skymesh_ingest.schemas`.

    Attributes
    ----------
    keep_packets
        Whether every shaped packet is kept in the store, beside what the log and its arrivals hold.
    schema_retry_s
        After so many seconds it is asked again for a schema that nobody knew.
    """

    keep_packets: bool = True
    schema_retry_s: float = 60.0
