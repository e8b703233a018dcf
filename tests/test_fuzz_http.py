"""HTTP around the body: types, encodings, methods, addresses, headers, sizes; then raw bytes to a real server."""

from __future__ import annotations

import gzip
import json
import socket
from collections.abc import Iterator
from typing import Any

import pytest
from flask.testing import FlaskClient

from cds_service.core.values import Knowledge
from cds_service.web.json_body import write_json
from tests.helpers import SIGN, hook_call, outcome_text
from tests.hostile import CANARY, HANG, LONG, check_sound, guarded, open_settings, send
from tests.servers import serving

TYPES = (
    None,
    "",
    "text/plain",
    "text/html; charset=utf-16",
    "application/xml",
    "application/fhir+json",
    "application/json; charset=utf-16",
    f"application/json; charset={CANARY}",
    "multipart/form-data",
    f"multipart/form-data; boundary={CANARY}",
    "application/x-www-form-urlencoded",
    CANARY * 500,
)
RECODED = {
    "BOM": lambda data: b"\xef\xbb\xbf" + data,
    "UTF-16": lambda data: data.decode().encode("utf-16"),
    "UTF-32": lambda data: data.decode().encode("utf-32-le"),
    "gzip": gzip.compress,
    "gzip of much": lambda data: gzip.compress(b" " * 50_000_000 + data),
    "NUL behind": lambda data: data + b"\0",
    "form": lambda data: b"--" + CANARY.encode() + b'\r\nContent-Disposition: form-data; name="a"\r\n\r\n' + data,
}
ADDRESSES = (
    f"{SIGN}/",
    f"/{SIGN}",
    f"{SIGN}%00",
    f"{SIGN}%2f..",
    "/cds-services/%2e%2e/healthz",
    f"/cds-services/{CANARY}",
    "/cds-services/" + "a" * 5000,
    "/cds-services/%ff%fe",
    "/cds-services/\u00e4",
    f"/{CANARY}?{CANARY}={CANARY}",
    "/cds-services",
    "/cds-services/",
    f"{SIGN}/feedback/",
    "/openapi.json",
)


@pytest.fixture(scope="module")
def good(knowledge: Knowledge) -> bytes:
    """A good call."""
    return write_json(hook_call(knowledge))


@pytest.mark.parametrize("content_type", TYPES, ids=lambda text: str(text)[:40])
def test_any_content_type_is_answered_or_refused(client: FlaskClient, good: bytes, content_type: str | None) -> None:
    """JSON is what the body is, whatever it is called; a form is not taken apart."""
    send(client, good, SIGN, content_type=content_type)


@pytest.mark.parametrize("recode", RECODED.values(), ids=RECODED)
@pytest.mark.parametrize("encoding", ["", "gzip", CANARY])
def test_other_encodings_are_refused(client: FlaskClient, good: bytes, recode: Any, encoding: str) -> None:
    """UTF-8 without a mark, not compressed: nothing is unpacked, however it is labelled."""
    headers = {"Content-Encoding": encoding} if encoding else {}
    assert send(client, recode(good), SIGN, headers=headers).status_code in (400, 413)


@pytest.mark.parametrize("address", ADDRESSES, ids=lambda text: text[:40])
@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE", "TRACE", CANARY, "post"])
def test_addresses_and_methods_beside_ours_are_refused(
    client: FlaskClient, good: bytes, address: str, method: str
) -> None:
    """No other address or method leads anywhere, and the refusal repeats neither."""
    with guarded():
        response = client.open(address, method=method, data=good)
    if method == "GET" and response.status_code == 200:
        return
    check_sound(response)
    assert response.status_code in (400, 404, 405)


HEADERS = (
    [("X-Long", CANARY * 5000)],
    [(f"X-{i}", CANARY) for i in range(2000)],
    [("Content-Type", "application/json"), ("Content-Type", "text/plain"), ("Content-Type", CANARY)],
    [("Authorization", f"Bearer {CANARY}"), ("Authorization", "Basic x"), ("Authorization", "")],
    [("X-Request-ID", f"{CANARY}\x7f"), ("X-Request-ID", CANARY)],
    [("Accept", f"application/{CANARY};q=x"), ("Accept-Encoding", "*;q=-1"), ("Accept-Charset", "\xff")],
    [("X-Forwarded-For", CANARY), ("Forwarded", f"for={CANARY}"), ("X-Forwarded-Proto", CANARY)],
    [("Host", f"{CANARY}:99999999"), ("X-Forwarded-Host", "\\"), ("Origin", CANARY)],
    [("Range", "bytes=0-1,5-2,-9"), ("If-Match", CANARY), ("If-Modified-Since", CANARY), ("Expect", CANARY)],
    [("Cookie", f"{CANARY}={CANARY}; =; $Version=9"), ("Transfer-Encoding", CANARY), ("Upgrade", "h2c")],
)


@pytest.mark.parametrize("headers", HEADERS, ids=range(len(HEADERS)))
@pytest.mark.parametrize("path", [SIGN, f"{SIGN}/feedback"])
def test_any_headers_are_borne(client: FlaskClient, good: bytes, path: str, headers: list[tuple[str, str]]) -> None:
    """Long, many, repeated and broken ones. A request id that is one is given back; that is what it is for."""
    with guarded():
        response = client.post(path, data=good, headers=[h for h in headers if h[1].isascii() or h[0] != "Host"])
    response.headers.pop("X-Request-ID", None)
    check_sound(response)


# --- Size ----------------------------------------------------------------------------------------------


def _entry(kind: str, number: int) -> Any:
    drug = {"text": "gabapentin 300 MG Oral Capsule" if number % 2 else f"{CANARY} {number}"}
    made = {
        "nothing": None,
        "empty": {},
        "patient": {"resource": {"resourceType": "Patient"}},
        "order": {"resource": {"resourceType": "MedicationRequest", "medicationCodeableConcept": drug}},
        "same": {"resource": {"resourceType": "MedicationRequest", "medicationCodeableConcept": {"text": "baclofen"}}},
        "result": {"resource": {"resourceType": "Observation", "status": "final", "code": {"coding": [{}]}}},
        "bundle": {"resource": {"resourceType": "Bundle", "entry": [{}]}},
    }
    return made[kind]


KINDS = ("nothing", "empty", "patient", "order", "same", "result", "bundle")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("place", ["drafts", "medicationRequests", "observations", "selections", "dosage"])
def test_a_hundred_thousand_entries_are_borne(client: FlaskClient, knowledge: Knowledge, kind: str, place: str) -> None:
    """As many as the body's limit lets in, everywhere a list is read: refused, or answered without hanging."""
    body = hook_call(knowledge, hook="order-select")
    room = 1024 * 1024 - len(write_json(body)) - 1000
    one = _entry(kind, 1)
    count = min(100_000, room // (len(write_json(_entry(kind, 10_000))) + 1)) if LONG else 2_000
    many = [_entry(kind, number) for number in range(count)] if kind == "order" else [one] * count
    if place == "drafts":
        body["context"]["draftOrders"]["entry"] += many
    elif place == "selections":
        body["context"]["selections"] += [f"MedicationRequest/{number}" for number in range(count)]
    elif place == "dosage":
        body["context"]["draftOrders"]["entry"][0]["resource"]["dosageInstruction"] *= count // 10
    else:
        body["prefetch"][place]["entry"] = many
    send(client, write_json(body), SIGN.replace("sign", "select"))


def test_a_body_beyond_the_limit_is_refused(client: FlaskClient) -> None:
    """One byte more than is allowed is a 413, whatever is in it."""
    assert send(client, b" " * (1024 * 1024 + 1), SIGN).status_code == 413


# --- A real server ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The port of a running service."""
    data = tmp_path_factory.mktemp("fuzz") / "data"
    with serving(data, **open_settings(data)) as server:
        yield server.port


def exchange(port: int, data: bytes) -> bytes:
    """Send bytes, say that there is no more, and read until the server closes."""
    with socket.create_connection(("127.0.0.1", port), timeout=HANG) as wire:
        try:
            wire.sendall(data)
            wire.shutdown(socket.SHUT_WR)
            return b"".join(iter(lambda: wire.recv(65536), b""))
        except TimeoutError:
            raise
        except OSError:
            return b""  # it hung up on what it did not want to read


START = f"POST {SIGN} HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Type: application/json\r\n".encode()
WIRE = {
    "two lengths": START + b"Content-Length: 2\r\nContent-Length: 9\r\n\r\n{}",
    "two lengths in one": START + b"Content-Length: 2, 9\r\n\r\n{}",
    "the same length twice": START + b"Content-Length: 2\r\nContent-Length: 2\r\n\r\n{}",
    "length and chunks": START + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
    "chunks": START + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
    "chunks without an end": START + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n",
    "chunk of no size": START + b"Transfer-Encoding: chunked\r\n\r\nZz\r\n{}\r\n0\r\n\r\n",
    "chunk of a negative size": START + b"Transfer-Encoding: chunked\r\n\r\n-2\r\n{}\r\n0\r\n\r\n",
    "chunk of an absurd size": START + b"Transfer-Encoding: chunked\r\n\r\n" + b"f" * 40 + b"\r\n{}\r\n0\r\n\r\n",
    "chunks beyond the limit": START
    + b"Transfer-Encoding: chunked\r\n\r\n"
    + (b"fffff\r\n" + b" " * 0xFFFFF + b"\r\n") * 3,
    "another transfer coding": START + b"Transfer-Encoding: " + CANARY.encode() + b"\r\n\r\n{}",
    "negative length": START + b"Content-Length: -2\r\n\r\n{}",
    "length in words": START + b"Content-Length: " + CANARY.encode() + b"\r\n\r\n{}",
    "absurd length": START + b"Content-Length: " + b"9" * 30 + b"\r\n\r\n{}",
    "length too short": START + b"Content-Length: 2\r\n\r\n{}" + CANARY.encode() * 20,
    "length too long": START + b"Content-Length: 200\r\n\r\n{}",
    "no length": START + b"\r\n{}",
    "huge header": START + b"X: " + CANARY.encode() * 20_000 + b"\r\n\r\n",
    "many headers": START + b"".join(b"X-%d: Zzcanary\r\n" % i for i in range(5000)) + b"\r\n",
    "header without a colon": START + CANARY.encode() + b"\r\n\r\n",
    "header with a space": START + CANARY.encode() + b" : a\r\n\r\n",
    "folded header": START + b"X: a\r\n " + CANARY.encode() + b"\r\n\r\n",
    "NUL in a header": START + b"X: " + CANARY.encode() + b"\0\r\n\r\n",
    "header in Latin-1": START + b"X: " + CANARY.encode() + b"\xe4\r\nContent-Length: 2\r\n\r\n{}",
    "two hosts": START + b"Host: " + CANARY.encode() + b"\r\nContent-Length: 2\r\n\r\n{}",
    "no host": f"POST {SIGN} HTTP/1.1\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{{}}".encode(),
    "old HTTP": f"POST {SIGN} HTTP/1.0\r\nContent-Length: 2\r\n\r\n{{}}".encode(),
    "no HTTP": f"POST {SIGN}\r\n\r\n".encode(),
    "HTTP 9": f"POST {SIGN} HTTP/9.9\r\n\r\n".encode(),
    "preface of HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "TLS": bytes.fromhex("16030100a5010000a10303") + bytes(range(150)),
    "noise": bytes(range(256)) * 40,
    "nothing": b"",
    "lines": b"\r\n" * 5000,
    "half a line": f"POST /{CANARY}".encode(),
    "huge address": b"POST /" + b"a" * 100_000 + b" HTTP/1.1\r\nHost: a\r\n\r\n",
    "absolute address": START.replace(b"/cds", b"http://zzcanary.example/cds") + b"Content-Length: 2\r\n\r\n{}",
    "method in small letters": START.replace(b"POST", b"post") + b"Content-Length: 2\r\n\r\n{}",
    "odd method": START.replace(b"POST", b"P@ST") + b"Content-Length: 2\r\n\r\n{}",
    "everything": b"OPTIONS * HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
    "tunnel": f"CONNECT {CANARY}.example:443 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".encode(),
    "wait for it": START + b"Expect: 100-continue\r\nContent-Length: 2\r\n\r\n{}",
    "other expectation": START + b"Expect: " + CANARY.encode() + b"\r\nContent-Length: 2\r\n\r\n{}",
    "two requests": START.replace(b"close", b"keep-alive")
    + b"Content-Length: 2\r\n\r\n{}"
    + START
    + b"Content-Length: 2\r\n\r\n{}",
}


@pytest.mark.parametrize("data", WIRE.values(), ids=WIRE)
def test_what_is_hardly_http_is_refused(port: int, good: bytes, data: bytes) -> None:
    """Each answer is an OperationOutcome that quotes nothing, or the line is cut; the next call is answered."""
    for status, body in answers_in(exchange(port, data)):
        assert status in (100, 200, 501) or 400 <= status < 500
        assert CANARY.lower().encode() not in body.lower()
        assert status < 400 or outcome_text(_Told(body))
    head = START + f"Content-Length: {len(good)}\r\n\r\n".encode()
    ((status, body),) = answers_in(exchange(port, head + good))
    assert status == 200
    assert json.loads(body)["cards"]


class _Told:
    """A body in the place of a response."""

    def __init__(self, body: bytes) -> None:
        self._body = body

    def get_data(self) -> bytes:
        """The body."""
        return self._body


def answers_in(told: bytes) -> list[tuple[int, bytes]]:
    """(status, body) of each answer in what a server sent; fails where that is anything but answers."""
    found = []
    while told:
        head, between, rest = told.partition(b"\r\n\r\n")
        assert between, told[:200]
        first, *lines = head.decode("latin-1").split("\r\n")
        assert first.startswith("HTTP/1."), first[:200]
        assert CANARY.lower() not in head.decode("latin-1").lower()
        headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        length = int(headers.get("content-length", 0))
        found.append((int(first.split()[1]), rest[:length]))
        told = rest[length:]
    return found
