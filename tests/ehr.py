"""A FHIR server on this machine that answers what a test tells it to, and remembers what it was asked."""

from __future__ import annotations

import json
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

JSON = dict[str, Any]
Handler = BaseHTTPRequestHandler
Answer = JSON | tuple[int, bytes] | Callable[[Handler], None]


class Ehr:
    """`answers` by resource type or by path below the base; what is not there is an empty Bundle.

    An answer is a resource, (status, body), or a function that writes to the handler itself.
    """

    def __init__(self, port: int, scheme: str) -> None:
        self.origin = f"{scheme}://127.0.0.1:{port}"
        self.base = f"{self.origin}/fhir"
        self.answers: dict[str, Answer] = {}
        self.seen: list[tuple[str, dict[str, str]]] = []

    def reset(self) -> None:
        """Forget answers and requests."""
        self.answers, self.seen = {}, []

    def asked(self) -> list[str]:
        """The resource types that were asked for, in alphabetical order."""
        return sorted(path.removeprefix("/fhir/").split("?")[0].split("/")[0] for path, _ in self.seen)

    def answer(self, handler: Handler) -> None:
        """Answer one request."""
        self.seen.append((handler.path, {k.lower(): v for k, v in handler.headers.items()}))
        path = urlsplit(handler.path).path.removeprefix("/fhir/")
        found = self.answers.get(handler.path.removeprefix("/fhir/"), self.answers.get(path))
        found = found if found is not None else self.answers.get(path.split("/")[0], bundle())
        if callable(found):
            found(handler)
            return
        status, body = (200, json.dumps(found).encode()) if isinstance(found, dict) else found
        send(handler, status, body)


def send(handler: Handler, status: int, body: bytes, **headers: str) -> None:
    """Write a whole answer."""
    handler.send_response(status)
    for name, value in {"Content-Type": "application/fhir+json", **headers}.items():
        handler.send_header(name.replace("_", "-"), value)
    handler.send_header("Content-Length", str(len(body)))
    handler.end_headers()
    handler.wfile.write(body)


def bundle(*resources: JSON, next_page: str = "") -> JSON:
    """A search result."""
    links = [{"relation": "next", "url": next_page}] if next_page else []
    entries = [{"resource": resource} for resource in resources]
    return {"resourceType": "Bundle", "type": "searchset", "entry": entries, **({"link": links} if links else {})}


@contextmanager
def serving_ehr(tls: ssl.SSLContext | None = None) -> Iterator[Ehr]:
    """An Ehr on a free port, over https where there is a TLS context."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            try:
                ehr.answer(self)
            except OSError:
                self.close_connection = True

        def log_message(self, format: str, *args: Any) -> None:
            """Say nothing."""

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        block_on_close = False

        def handle_error(self, request: Any, client_address: Any) -> None:
            """The client went away; that is what some tests are about."""

    with Server(("127.0.0.1", 0), Handler) as server:
        if tls:
            server.socket = tls.wrap_socket(server.socket, server_side=True)
        ehr = Ehr(server.server_address[1], "https" if tls else "http")
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        try:
            yield ehr
        finally:
            server.shutdown()
