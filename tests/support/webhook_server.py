"""A receiver of webhooks over real HTTP, which answers as a test tells it to, or does not."""

from __future__ import annotations

import ssl
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Lock, Thread
from typing import NamedTuple

HANG, DROP = "hang", "drop"
"""Instead of a status: never answer; close the connection once all is read."""


class Call(NamedTuple):
    """A request that was read to its end."""

    path: str
    headers: dict
    body: bytes

    @property
    def key(self):
        return self.headers["idempotency-key"]


class WebhookServer:
    """What the server was told and what it answers.

    Attributes
    ----------
    url
        Where it is.
    calls
        The requests, in order, whatever was answered.
    answers
        What the next requests are answered: a status, a status with headers, `HANG` or `DROP`.
    otherwise
        What all others are answered.
    """

    def __init__(self, url):
        self.url = url
        self.calls = []
        self.answers = []
        self.otherwise = 204
        self.released = Event()
        self._lock = Lock()

    @property
    def keys(self):
        return [call.key for call in self.calls]

    def take(self, call):
        with self._lock:
            self.calls.append(call)
            return self.answers.pop(0) if self.answers else self.otherwise


@contextmanager
def receiving(certificate=None):
    """Run a receiver in a thread; over TLS if it has a certificate."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            headers = {name.lower(): value for name, value in self.headers.items()}
            answer = told.take(Call(self.path, headers, body))
            if answer == HANG:
                told.released.wait(30)
                return
            if answer == DROP:
                return
            status, more = answer if isinstance(answer, tuple) else (answer, {})
            self.send_response(status)
            for name, value in ({"Content-Length": "0"} | more).items():
                self.send_header(name, value)
            self.end_headers()

        def log_message(self, format, *args):  # noqa: A002 - as the library calls it
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    scheme = "http"
    if certificate is not None:
        tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        tls.load_cert_chain(certificate)
        server.socket = tls.wrap_socket(server.socket, server_side=True)
        scheme = "https"
    told = WebhookServer(f"{scheme}://127.0.0.1:{server.server_port}/hook")
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield told
    finally:
        told.released.set()
        server.shutdown()
        thread.join()
        server.server_close()
