"""The driver's errors in the mesh's terms."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from cassandra import (
    AuthenticationFailed,
    DriverException,
    InvalidRequest,
    OperationTimedOut,
    ReadTimeout,
    Unauthorized,
    UnresolvableContactPoints,
)
from cassandra.cluster import NoHostAvailable
from cassandra.connection import ConnectionBusy, ConnectionException
from cassandra.pool import NoConnectionsAvailable
from cassandra.protocol import ConfigurationException, ErrorMessage, SyntaxException

from skymesh.errors import InvariantError, MeshError, SettingsError, StoreUnavailableError

TIMED_OUT = (ReadTimeout, OperationTimedOut)
"""What a read that asks for too much at once ends with."""

_AWAY = (
    DriverException,
    NoHostAvailable,
    OSError,
    # After these the driver does not try again where it prepares anew or makes a pool: they come as they are.
    ErrorMessage,
    ConnectionException,
    ConnectionBusy,
    NoConnectionsAvailable,
)
_OURS = (InvalidRequest, SyntaxException, ConfigurationException, TypeError, ValueError)


@contextmanager
def mesh_errors(where: str) -> Iterator[None]:
    """Turn the driver's errors into the mesh's.

    Raises
    ------
    SettingsError
        If the user, the password or the address is refused.
    StoreUnavailableError
        If nodes do not answer, or not enough of them.
    InvariantError
        If Cassandra refuses a statement.
    """
    try:
        yield
    except (*_AWAY, *_OURS) as error:
        raise _mesh_error(error, where) from error


def _mesh_error(error: Exception, where: str) -> MeshError:
    causes = _causes(error)
    if any(_is_refusal(cause) for cause in causes):
        return SettingsError("Cassandra refuses the user or the password", where=where)
    if isinstance(error, UnresolvableContactPoints):
        return SettingsError("no host of this address is known", where=where)
    text = _line(causes[0])
    if isinstance(error, Unauthorized):
        return SettingsError(f"the user may not do this: {text}", where=where)
    if isinstance(error, _OURS):
        return InvariantError(f"Cassandra refuses a statement: {text}", where=where)
    return StoreUnavailableError(f"Cassandra does not answer: {text}", where=where)


def _is_refusal(error: Exception) -> bool:
    """Whether the user or the password is wrong; a node that cannot look that up says so in the same way."""
    return isinstance(error, AuthenticationFailed) and "Unable to perform authentication" not in str(error)


def _causes(error: Exception) -> list[Exception]:
    """Return what each node said, or the error itself."""
    if isinstance(error, NoHostAvailable) and isinstance(error.errors, dict) and error.errors:
        return list(error.errors.values())
    return [error]


def _line(error: Exception) -> str:
    text = " ".join(str(error).split())[:300]
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
