"""Settings of the outlets, from the environment: without its own an outlet is not there."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import BeforeValidator, Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from skymesh.jobs.outlets import PUBLIC
from skymesh.settings.environment import secret_text
from skymesh.settings.remote import trusting
from skymesh.settings.service import ServiceSettings
from skymesh_deliver.attempts import Policy


def _labels(value: Any) -> Any:
    return [label.strip() for label in value.split(",")] if isinstance(value, str) else value


class DeliverSettings(ServiceSettings):
    """Settings of the deliverers: those of every service. Each outlet has its own beside them."""


Granted = Annotated[frozenset[str], NoDecode, BeforeValidator(_labels)]
"""Access labels, separated by commas."""


class FileSettings(BaseSettings):
    """The outlet ``file`` of a live mesh, from ``SKYMESH_OUTLET_…``.

    Attributes
    ----------
    folder
        Where its files go.
    """

    model_config = SettingsConfigDict(env_prefix="SKYMESH_OUTLET_", extra="ignore", frozen=True)

    folder: Path = Path("skymesh-out/live")


class KafkaOutletSettings(BaseSettings):
    """The outlet ``kafka``, from ``SKYMESH_KAFKA_OUTLET_…``: a topic beside those of the mesh.

    Attributes
    ----------
    topic
        Its name.
    grants
        The access labels that may be told there; what everybody may see, unless more is said.
    """

    model_config = SettingsConfigDict(env_prefix="SKYMESH_KAFKA_OUTLET_", extra="ignore", frozen=True)

    topic: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{0,249}$")] = ""
    grants: Granted = PUBLIC

    @field_validator("topic")
    @classmethod
    def _is_not_the_meshs(cls, value: str) -> str:
        if value.startswith("skymesh."):
            raise ValueError("names that begin with skymesh. are those of the mesh itself")
        return value


class WebhookSettings(BaseSettings):
    """The outlet ``webhook``, from ``SKYMESH_WEBHOOK_…``.

    Attributes
    ----------
    url
        The address that is called; a secret, as some let in whoever knows it.
    token, token_file
        Sent as ``Authorization: Bearer``, by itself or in a file.
    policy
        What follows if nobody knows whether a message was taken: ``resend`` or ``hold``.
    timeout_s
        How long connecting, sending and waiting for the answer may take, each, in seconds.
    tls_ca
        File (PEM) of the authority to trust; unset: the system's.
    grants
        The access labels that may be told there; what everybody may see, unless more is said.
    """

    model_config = SettingsConfigDict(env_prefix="SKYMESH_WEBHOOK_", extra="ignore", frozen=True)

    url: SecretStr | None = None
    token: SecretStr | None = None
    token_file: Path | None = None
    policy: Policy = "resend"
    timeout_s: Annotated[float, Field(gt=0.0, le=300.0)] = 10.0
    tls_ca: Path | None = None
    grants: Granted = PUBLIC

    @field_validator("url")
    @classmethod
    def _is_an_address(cls, value: SecretStr | None) -> SecretStr | None:
        if value is None:
            return None
        import httpx

        try:
            parsed = httpx.URL(value.get_secret_value())
        except httpx.InvalidURL:
            raise ValueError("is no address") from None
        is_host = bool(parsed.host) and "%" not in parsed.host  # a sign that no name may have
        if parsed.scheme not in {"http", "https"} or not is_host:
            raise ValueError("an address begins with http:// or https:// and names a host")
        return value

    @model_validator(mode="after")
    def _has_one_token(self) -> Self:
        if self.token is not None and self.token_file is not None:
            raise ValueError("give token or token_file, not both")
        return self

    def secret(self) -> str | None:
        """Return the token; None if there is none.

        Raises
        ------
        SettingsError
            If its file cannot be read.
        """
        return secret_text(self.token, self.token_file)

    def tls_context(self) -> ssl.SSLContext | None:
        """Return what certificates are verified with; None for the system's authorities.

        Raises
        ------
        SettingsError
            If the file cannot be read.
        """
        return None if self.tls_ca is None else trusting(self.tls_ca)
