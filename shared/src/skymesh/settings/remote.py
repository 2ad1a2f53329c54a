"""What all settings have in common that say how something outside is reached: credentials and TLS."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Self

from pydantic import SecretStr, model_validator
from pydantic_settings import BaseSettings

from skymesh.errors import SettingsError
from skymesh.settings.environment import secret_text


class RemoteSettings(BaseSettings):
    """Who asks, and how it is kept from others.

    Attributes
    ----------
    user, password, password_file
        Credentials; the password by itself or in a file. Without a user there is no authentication.
    tls
        Whether to use TLS, trusting the system's authorities. A file below implies it.
    tls_ca, tls_cert, tls_key
        Files (PEM): the authority to trust, and this client's certificate and key.
    """

    user: str = ""
    password: SecretStr | None = None
    password_file: Path | None = None
    tls: bool = False
    tls_ca: Path | None = None
    tls_cert: Path | None = None
    tls_key: Path | None = None

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
        context = trusting(self.tls_ca)
        if self.tls_cert is not None:
            with _readable(self.tls_cert):
                context.load_cert_chain(self.tls_cert, self.tls_key)
        return context


def trusting(authority: Path | None) -> ssl.SSLContext:
    """Return what verifies certificates by the authority in a file (PEM); by the system's without one.

    Raises
    ------
    SettingsError
        If the file cannot be read.
    """
    with _readable(authority):
        return ssl.create_default_context(cafile=authority)


@contextmanager
def _readable(path: Path | None) -> Iterator[None]:
    """Turn what goes wrong with a file into one line about it."""
    try:
        yield
    except ssl.SSLError:
        raise SettingsError("is no certificate or key in PEM that fits", where=str(path)) from None
    except OSError as error:
        raise SettingsError(f"cannot be read: {error.strerror}", where=str(path)) from None
