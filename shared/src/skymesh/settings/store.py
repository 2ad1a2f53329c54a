"""Settings of the store on Cassandra."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field
from pydantic_settings import NoDecode, SettingsConfigDict

from skymesh.settings.remote import RemoteSettings

Consistency = Literal[
    "ANY", "ONE", "TWO", "THREE", "QUORUM", "ALL", "LOCAL_ONE", "LOCAL_QUORUM", "EACH_QUORUM"
]
"""How many replicas must have answered; the two serial levels have no meaning here."""

Copies = Annotated[int, Field(ge=1, le=100)]


def _parsed_replication(value: Any) -> Any:
    """Read ``3`` or ``dc1=3,dc2=2``."""
    if not isinstance(value, str):
        return value
    if not value:
        return None
    if "=" not in value:
        return {"": value}
    named = [item.partition("=") for item in value.split(",")]
    if any(not datacentre.strip() or not copies.strip() for datacentre, _, copies in named):
        raise ValueError("give a number of copies, or one for each datacentre like dc1=3,dc2=2")
    return {datacentre.strip(): copies.strip() for datacentre, _, copies in named}


def _upper(value: Any) -> Any:
    return value.upper() if isinstance(value, str) else value


class CassandraSettings(RemoteSettings):
    """How the store on Cassandra is reached, from ``SKYMESH_STORE_…``; its URL says where it is.

    Attributes
    ----------
    read_consistency, write_consistency
        Together they must make sure that a read meets every write before it: the store is refused
        otherwise.
    replication
        Copies of each row in each datacentre that `skymesh store init` asks for, ``3`` or
        ``dc1=3,dc2=2``. Unset: as many as a datacentre has nodes, three at most.
    local_datacentre
        The datacentre whose nodes are asked. Unset: that of the nodes in the URL.
    timeout_s
        How long one statement may take, in seconds.
    user, password, password_file, tls, tls_ca, tls_cert, tls_key
        See `RemoteSettings`.
    """

    model_config = SettingsConfigDict(env_prefix="SKYMESH_STORE_", extra="ignore", frozen=True)

    read_consistency: Annotated[Consistency, BeforeValidator(_upper)] = "LOCAL_QUORUM"
    write_consistency: Annotated[Consistency, BeforeValidator(_upper)] = "LOCAL_QUORUM"
    replication: Annotated[dict[str, Copies] | None, NoDecode, BeforeValidator(_parsed_replication)] = None
    local_datacentre: str = ""
    timeout_s: Annotated[float, Field(gt=0.0)] = 10.0
