"""Whether a service lives and is ready, and the small HTTP server that says so and shows its metrics."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import TCPServer
from threading import Lock, Thread
from typing import Any, NamedTuple, Self

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder

from skymesh.errors import SettingsError
from skymesh.telemetry.logs import get_log

STALE_AFTER_S = 60.0
"""No batch lasts longer: it ends before the group takes its partition away."""

_TEXT = "text/plain; charset=utf-8"


class Health:
    """What a service says of itself; any thread may tell it and ask it.

    Parameters
    ----------
    conditions
        What must hold before the service is ready, such as ``group`` and ``store``. None holds yet.
    stale_after_s
        Without progress for so long the service counts as stuck.
    clock
        Seconds that never go back.
    """

    def __init__(
        self,
        conditions: tuple[str, ...],
        *,
        stale_after_s: float = STALE_AFTER_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._stale_after_s = stale_after_s
        self._clock = clock
        self._lock = Lock()
        self._last_beat = clock()
        self._unmet = dict.fromkeys(conditions, "not yet")

    def beat(self) -> None:
        """Say that there is progress: a step of the loop ended, with or without records."""
        self._last_beat = self._clock()

    def met(self, condition: str) -> None:
        """Say that a condition holds."""
        with self._lock:
            self._unmet.pop(condition, None)

    def unmet(self, condition: str, why: str) -> None:
        """Say that a condition does not hold, and why."""
        with self._lock:
            self._unmet[condition] = why

    def stuck(self) -> str:
        """Return in one line why the service does not live; empty if it does."""
        silent_s = self._clock() - self._last_beat
        if silent_s <= self._stale_after_s:
            return ""
        return f"no progress for {silent_s:.0f} s, the limit is {self._stale_after_s:g} s"

    def waiting_for(self) -> str:
        """Return in one line what the service still waits for; empty if it is ready."""
        with self._lock:
            return "; ".join(
                f"{condition}: {' '.join(why.split())}" for condition, why in self._unmet.items()
            )


class _Answer(NamedTuple):
    status: HTTPStatus
    body: bytes
    media_type: str = _TEXT


class HealthServer:
    """Answers ``/live``, ``/ready`` and ``/metrics`` from a thread of its own.

    It answers while the service computes: a probe that the loop had to answer would fail in a long batch.

    Parameters
    ----------
    health
        What the service says of itself.
    registry
        Its metrics.
    port
        The port to listen on; None for a free one.
    host
        The address to listen on: all of them by default, as whoever probes comes from outside.

    Attributes
    ----------
    port
        The port that it listens on.

    Raises
    ------
    SettingsError
        If the port cannot be had.
    """

    def __init__(
        self, health: Health, registry: CollectorRegistry, *, port: int | None = None, host: str = ""
    ) -> None:
        self._health = health
        self._registry = registry
        try:
            self._server = _Server((host, port or 0), _handler(self._answer))
        except (OSError, OverflowError) as error:
            raise SettingsError(
                f"cannot listen on port {port}: {error}", where="SKYMESH_METRICS_PORT"
            ) from error
        self.port = self._server.server_port
        self._thread = Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.1}, name="health", daemon=True
        )
        self._thread.start()
        get_log().info("metrics and health are served", port=self.port)

    def close(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _answer(self, path: str, accept: str) -> _Answer:
        if path == "/live":
            return _said(self._health.stuck(), "live")
        if path == "/ready":
            return _said(self._health.waiting_for(), "ready")
        if path == "/metrics":
            encode, media_type = choose_encoder(accept)
            return _Answer(HTTPStatus.OK, encode(self._registry), media_type)
        return _Answer(HTTPStatus.NOT_FOUND, b"there are /live, /ready and /metrics\n")


def _said(problem: str, good: str) -> _Answer:
    status = HTTPStatus.SERVICE_UNAVAILABLE if problem else HTTPStatus.OK
    return _Answer(status, f"{problem or good}\n".encode())


class _Server(ThreadingHTTPServer):
    daemon_threads = True  # one that never reads its answer does not hold up the end

    def server_bind(self) -> None:
        """Bind without asking for this host's name, which may take long and is not needed."""
        TCPServer.server_bind(self)
        self.server_name, self.server_port = self.socket.getsockname()[:2]

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ARG002  # the library's names
        """Say in one line what went wrong here, and nothing of a connection that broke."""
        error = sys.exception()
        if not isinstance(error, OSError):
            get_log().error("a probe was not answered", problem=repr(error))


def _handler(answer: Callable[[str, str], _Answer]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        timeout = 5.0  # seconds that a connection may be silent

        def do_GET(self) -> None:
            said = answer(self.path.partition("?")[0], self.headers.get("Accept", ""))
            self.send_response(said.status)
            self.send_header("Content-Type", said.media_type)
            self.send_header("Content-Length", str(len(said.body)))
            self.end_headers()
            self.wfile.write(said.body)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  # as the library calls it
            """Say nothing: probes come every few seconds."""

    return Handler
