"""The outlet ``webhook``: an address that is called over HTTP, once for each message."""

from __future__ import annotations

import logging
import re
import ssl
from collections.abc import Callable
from email.utils import parsedate_to_datetime
from typing import Final, NoReturn
from urllib.parse import quote

import httpx

from skymesh.errors import (
    DeliveryRefusedError,
    DeliveryUnclearError,
    MeshError,
    OutletUnavailableError,
)
from skymesh.runtime.outlet import Item, Parcel
from skymesh_deliver.courier import now_ms
from skymesh_deliver.door import told_of

_SERVER_ERRORS, _OK = 500, range(200, 300)
# The receiver says itself that it has not taken it: too early, too much, the request was not complete.
_LATER: Final = frozenset({408, 425, 429})
_UNAVAILABLE: Final = 503
_LONGEST_PAUSE_S: Final = 3600.0
# Raised before anything of the request is on its way.
_NOT_REACHED: Final = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ProxyError)
# A message that makes no request; a name of a media type may be anything.
_NO_REQUEST: Final = (httpx.LocalProtocolError, httpx.InvalidURL, UnicodeEncodeError)


class WebhookOutlet:
    """Posts each message, with the reaction's id as ``Idempotency-Key``.

    A receiver that keeps the keys it has seen takes each message once, whatever happens. The address is
    never shown but for scheme, host and port, as its path may be a secret; answers are never shown, as
    they may repeat one.

    Parameters
    ----------
    url
        The address.
    token
        Sent as ``Authorization: Bearer``; None for none.
    timeout_s
        How long connecting, sending and waiting for the answer may take, each, in seconds.
    tls
        What the receiver's certificate is verified with.
    clock_ms
        Tells the time, ms of Unix time (UTC).
    """

    def __init__(
        self,
        url: str,
        token: str | None = None,
        *,
        timeout_s: float,
        tls: ssl.SSLContext | None = None,
        clock_ms: Callable[[], int] = now_ms,
    ) -> None:
        # They tell addresses.
        for name in ("httpx", "httpcore"):
            logging.getLogger(name).setLevel(logging.WARNING)
        parsed = httpx.URL(url)
        self._url = url
        self._credentials = {} if token is None else {"Authorization": f"Bearer {token}"}
        self._timeout_s = timeout_s
        self._tls = ssl.create_default_context() if tls is None else tls
        self._clock_ms = clock_ms
        self._place = f"webhook at {parsed.scheme}://{parsed.netloc.decode()}"

    async def deliver(self, parcel: Parcel) -> None:
        """Post the messages of a parcel, in their order.

        Raises
        ------
        OutletUnavailableError
            If the receiver certainly took nothing.
        DeliveryUnclearError
            If nobody knows, or it took some of several.
        DeliveryRefusedError
            If it refuses: any status from 300 to 499 that does not say "later".
        """
        # No connection is kept: one that the receiver has closed meanwhile fails in a way that leaves it
        # open whether a message was taken.
        limits = httpx.Limits(max_keepalive_connections=0)
        async with httpx.AsyncClient(
            timeout=self._timeout_s, verify=self._tls, limits=limits, event_hooks={"response": [_go_nowhere]}
        ) as client:
            for number, item in enumerate(parcel.items):
                try:
                    await self._post(client, parcel, item)
                except (OutletUnavailableError, DeliveryRefusedError) as error:
                    if number == 0:
                        raise
                    raise _of_some(error, number, len(parcel.items)) from None

    async def _post(self, client: httpx.AsyncClient, parcel: Parcel, item: Item) -> None:
        headers = {**_headers(parcel, item), **self._credentials}
        try:
            # The body is not read: the status counts.
            async with client.stream("POST", self._url, content=item.letter.body, headers=headers) as answer:
                status, asked = answer.status_code, answer.headers.get("Retry-After", "")
        except _NOT_REACHED as error:
            problem = f"does not answer ({type(error).__name__})"
            raise OutletUnavailableError(problem, where=self._place) from None
        except _NO_REQUEST as error:
            problem = f"cannot be sent as it is ({type(error).__name__})"
            raise DeliveryRefusedError(problem, where=self._place) from None
        except Exception as error:  # noqa: BLE001  # whatever a receiver does to the client, the service goes on
            problem = f"no answer ({type(error).__name__})"
            raise DeliveryUnclearError(problem, where=self._place) from None
        if status not in _OK:
            self._raise(status, asked)

    def _raise(self, status: int, asked: str) -> NoReturn:
        """Raise what a status other than success means, with the ``Retry-After`` that came with it."""
        problem = f"answers with status {status}"
        pause_s = self._pause_s(asked)
        if status in _LATER or (status == _UNAVAILABLE and asked):
            raise OutletUnavailableError(problem, where=self._place, pause_s=pause_s)
        if status >= _SERVER_ERRORS:
            raise DeliveryUnclearError(problem, where=self._place, pause_s=pause_s)
        raise DeliveryRefusedError(problem, where=self._place)

    def _pause_s(self, asked: str) -> float:
        """Return the seconds of a ``Retry-After``: a number of them, or a date; 0 without one."""
        if re.fullmatch(r"[0-9]{1,9}", asked.strip()):
            return min(float(asked), _LONGEST_PAUSE_S)
        try:
            until_s = parsedate_to_datetime(asked).timestamp()
        except (ValueError, TypeError, OverflowError):  # no date, or none that there can be
            return 0.0
        return min(max(0.0, until_s - self._clock_ms() / 1000), _LONGEST_PAUSE_S)


async def _go_nowhere(answer: httpx.Response) -> None:
    """Forget where an answer redirects to: the client would look at it, and fail at what is no address."""
    answer.headers.pop("Location", None)


def _of_some(error: OutletUnavailableError | DeliveryRefusedError, taken: int, of: int) -> MeshError:
    """Return the error where some messages of a reaction were taken, and one was not."""
    problem = f"took {taken} of {of} messages, then: {error.problem}"
    if isinstance(error, DeliveryRefusedError):
        return DeliveryRefusedError(problem, where=error.where)
    return DeliveryUnclearError(problem, where=error.where, pause_s=error.pause_s)


def _headers(parcel: Parcel, item: Item) -> dict[str, str]:
    told = told_of(parcel.intent, item.letter)
    return {
        "Content-Type": item.letter.media_type,
        "Idempotency-Key": item.name,
        **{f"X-Skymesh-{name.capitalize()}": quote(value, safe="/:+") for name, value in told.items()},
    }
