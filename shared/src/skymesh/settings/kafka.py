"""Settings of the bus on Kafka."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, field_validator
from pydantic_settings import SettingsConfigDict

from skymesh.settings.remote import RemoteSettings

SERVERS = "SKYMESH_KAFKA"
Mechanism = Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"]
_SERVER = re.compile(r"(\[[0-9a-fA-F:]+\]|[^\s:,\[\]]+):(\d{1,5})")
_MOST_PORT = 65535


def _upper(value: Any) -> Any:
    return value.upper() if isinstance(value, str) else value


class KafkaSettings(RemoteSettings):
    """How Kafka is reached, from ``SKYMESH_KAFKA`` and ``SKYMESH_KAFKA_…``; the rest: see `RemoteSettings`.

    Attributes
    ----------
    servers
        ``SKYMESH_KAFKA``: brokers to ask first, ``host:port``, separated by commas.
    mechanism
        How `user` proves its identity.
    timeout_s
        How long one request may take, in seconds.
    """

    model_config = SettingsConfigDict(
        env_prefix="SKYMESH_KAFKA_", extra="ignore", frozen=True, populate_by_name=True
    )

    servers: Annotated[str, Field(validation_alias=SERVERS)]
    mechanism: Annotated[Mechanism, BeforeValidator(_upper)] = "SCRAM-SHA-512"
    timeout_s: Annotated[float, Field(gt=0.0)] = 30.0

    @field_validator("servers")
    @classmethod
    def _is_a_list_of_servers(cls, value: str) -> str:
        for server in value.split(","):
            found = _SERVER.fullmatch(server.strip())
            if found is None or not 0 < int(found[2]) <= _MOST_PORT:
                raise ValueError("give host:port, or several of them separated by commas")
        return ",".join(server.strip() for server in value.split(","))

    @property
    def security_protocol(self) -> str:
        """What Kafka calls the combination of TLS and authentication."""
        encrypted = "SSL" if self.has_tls else "PLAINTEXT"
        return f"SASL_{encrypted}" if self.user else encrypted
