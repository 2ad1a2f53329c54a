"""Settings of the bus on Kafka."""

from __future__ import annotations

import re
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from skymesh.errors import SettingsError
from skymesh.settings.environment import secret_text

SERVERS = "SKYMESH_KAFKA"
Mechanism = Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"]
_SERVER = re.compile(r"(\[[0-9a-fA-F:]+\]|[^\s:,\[\]]+):(\d{1,5})")
_MOST_PORT = 65535


def _upper(value: Any) -> Any:
    return value.upper() if isinstance(value, str) else value


class KafkaSettings(BaseSettings):
    """How Kafka is reached, from ``SKYMESH_KAFKA`` and ``SKYMESH_KAFKA_…``.

    Attributes
    ----------
    servers
        ``SKYMESH_KAFKA``: brokers to ask first, ``host:port``, separated by commas.
    mechanism
        How `user` proves its identity.
    user, password, password_file
        Credentials; the password by itself or in a file. Without a user there is no authentication.
    tls
        Whether to use TLS, trusting the system's authorities. A file below implies it.
    tls_ca, tls_cert, tls_key
        Files (PEM): the authority to trust, and this client's certificate and key.
    timeout_s
        How long one request may take, in seconds.
    """

    model_config = SettingsConfigDict(
        env_prefix="SKYMESH_KAFKA_", extra="ignore", frozen=True, populate_by_name=True
    )

    servers: Annotated[str, Field(validation_alias=SERVERS)]
    mechanism: Annotated[Mechanism, BeforeValidator(_upper)] = "SCRAM-SHA-512"
    user: str = ""
    password: SecretStr | None = None
    password_file: Path | None = None
    tls: bool = False
    tls_ca: Path | None = None
    tls_cert: Path | None = None
    tls_key: Path | None = None
    timeout_s: Annotated[float, Field(gt=0.0)] = 30.0

    @field_validator("servers")
    @classmethod
    def _is_a_list_of_servers(cls, value: str) -> str:
        for server in value.split(","):
            found = _SERVER.fullmatch(server.strip())
            if found is None or not 0 < int(found[2]) <= _MOST_PORT:
                raise ValueError("give host:port, or several of them separated by commas")
        return ",".join(server.strip() for server in value.split(","))

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        has_password = self.password is not None or self.password_file is not None
        if bool(self.user) != has_password:
            raise ValueError("a user and a password (or password_file) are given together")
        if self.password is not None and self.password_file is not None:
            raise ValueError("give password or password_file, not both")
        if (self.tls_cert is None) != (self.tls_key is None):
            raise ValueError("tls_cert and tls_key are given together")
        return self

    @property
    def has_tls(self) -> bool:
        """Whether connections are encrypted."""
        return self.tls or any((self.tls_ca, self.tls_cert, self.tls_key))

    @property
    def security_protocol(self) -> str:
        """What Kafka calls the combination of TLS and authentication."""
        encrypted = "SSL" if self.has_tls else "PLAINTEXT"
        return f"SASL_{encrypted}" if self.user else encrypted

    def secret(self) -> str | None:
        """Return the password; None if there is none.

        Raises
        ------
        SettingsError
            If its file cannot be read.
        """
        return secret_text(self.password, self.password_file)

    def tls_context(self) -> ssl.SSLContext | None:
        """Return what TLS is done with; None without TLS.

        Raises
        ------
        SettingsError
            If a certificate or key cannot be read.
        """
        if not self.has_tls:
            return None
        context = ssl.create_default_context()
        if self.tls_ca is not None:
            with _readable(self.tls_ca):
                context = ssl.create_default_context(cafile=self.tls_ca)
        if self.tls_cert is not None:
            with _readable(self.tls_cert):
                context.load_cert_chain(self.tls_cert, self.tls_key)
        return context


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    """Turn what goes wrong with a file into one line about it."""
    try:
        yield
    except ssl.SSLError:
        raise SettingsError("is no certificate or key in PEM that fits", where=str(path)) from None
    except OSError as error:
        raise SettingsError(f"cannot be read: {error.strerror}", where=str(path)) from None
