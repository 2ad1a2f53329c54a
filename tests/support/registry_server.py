"""A small schema registry over real HTTP, which answers what a test tells it to."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

NOT_FOUND = (404, {"error_code": 40403, "message": "Schema not found"})


class RegistryServer:
    """What the server answers, by path, and what it was asked.

    Attributes
    ----------
    url
        Where it answers.
    answers
        Status and body (an object for JSON, or bytes) by path; any other path is answered as not found.
    asked
        The paths, in order.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self.answers: dict[str, tuple[int, Any]] = {}
        self.asked: list[str] = []
        self.credentials: list[str | None] = []

    def serve(self, schema_id: int, schema: Any, **more: Any) -> None:
        """Answer an id with a schema."""
        self.answers[f"/schemas/ids/{schema_id}"] = (200, {"schema": json.dumps(schema), **more})


@contextmanager
def serving() -> Iterator[RegistryServer]:
    """Run a registry in a thread."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            told.asked.append(self.path)
            told.credentials.append(self.headers.get("Authorization"))
            status, body = told.answers.get(self.path, NOT_FOUND)
            data = body if isinstance(body, bytes) else json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  # as the library calls it
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    told = RegistryServer(f"http://127.0.0.1:{server.server_port}")
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield told
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
