"""A FHIR server on this machine that answers what a test tells it to, and remembers what it was asked."""

from __future__ import annotations

import json
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import urlsplit

from tests.web_host import serving_http

JSON = dict[str, Any]
Handler = BaseHTTPRequestHandler
Answer = JSON | tuple[int, bytes] | Callable[[Handler], None]


class Ehr:
    """`answers` by resource type or by path below the base; what is not there is an empty Bundle.

    An answer is a resource, (status, body), or a function that writes to the handler itself.
    """

    def __init__(self) -> None:
        self.origin = ""
        self.answers: dict[str, Answer] = {}
        self.seen: list[tuple[str, dict[str, str]]] = []

    @property
    def base(self) -> str:
        """The base URL of its FHIR endpoints."""
        return f"{self.origin}/fhir"

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
    ehr = Ehr()
    with serving_http(ehr.answer, tls) as port:
        ehr.origin = f"{'https' if tls else 'http'}://127.0.0.1:{port}"
        yield ehr
