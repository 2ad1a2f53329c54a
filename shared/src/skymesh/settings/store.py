"""Settings of the store on Cassandra."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, SecretStr
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from skymesh.settings.environment import secret_text

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


class CassandraSettings(BaseSettings):
    """How the store on Cassandra is reached, from ``SKYMESH_STORE_…``; where it is says its URL.

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
    user, password, password_file
        Credentials; the password by itself or in a file.
    tls
        Whether to use TLS, trusting the system's authorities. A file below implies it.
    tls_ca, tls_cert, tls_key
        Files (PEM): the authority to trust, and this client's certificate and key.
    timeout_s
        How long one statement may take, in seconds.
    """

    model_config = SettingsConfigDict(env_prefix="SKYMESH_STORE_", extra="ignore", frozen=True)

    read_consistency: Annotated[Consistency, BeforeValidator(_upper)] = "LOCAL_QUORUM"
    write_consistency: Annotated[Consistency, BeforeValidator(_upper)] = "LOCAL_QUORUM"
    replication: Annotated[dict[str, Copies] | None, NoDecode, BeforeValidator(_parsed_replication)] = None
    local_datacentre: str = ""
    user: str = ""
    password: SecretStr | None = None
    password_file: Path | None = None
    tls: bool = False
    tls_ca: Path | None = None
    tls_cert: Path | None = None
    tls_key: Path | None = None
    timeout_s: Annotated[float, Field(gt=0.0)] = 10.0

    @property
    def has_tls(self) -> bool:
        """Whether connections are encrypted."""
        return self.tls or any((self.tls_ca, self.tls_cert, self.tls_key))

    def secret(self) -> str:
        """Return the password, empty if there is none.

        Raises
        ------
        SettingsError
            If its file cannot be read.
        """
        return secret_text(self.password, self.password_file) or ""
