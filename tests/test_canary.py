"""A patient's name, a token, a comment and a JWT are put into requests of every kind, and are looked for everywhere.

The service is tried with all that it has: chart access, feedback, metrics and its database.
"""

from __future__ import annotations

import contextlib
import json
import logging
import socket
from pathlib import Path
from typing import Any

import pytest

from cds_service.app import close_app
from cds_service.core.values import Knowledge
from cds_service.settings import read_settings
from cds_service.web.json_body import write_json
from tests.ehr import Ehr, Handler, bundle, send, serving_ehr
from tests.helpers import SIGN, app_of
from tests.servers import Server, serving
from tests.test_privacy import CANARY, TOKEN, broken_bodies, canary_call

COMMENT = "zzcomment-4711"
JWT = "eyJhbGciOiJFUzM4NCJ9.eyJpc3MiOiJ6emp3dC00NzExIn0.zzsignature-4711"
SECRETS = (CANARY, TOKEN, COMMENT, JWT, "zzjwt-4711", "zzsignature-4711")
HEADERS = {"Content-Type": "application/json", "Authorization": f"Bearer {JWT}"}


def assert_silent(told: str | bytes, where: str) -> None:
    """None of the secrets stands in what was told."""
    text = (told if isinstance(told, bytes) else told.encode()).lower()
    for secret in SECRETS:
        assert secret.lower().encode() not in text, f"{secret} stands in {where}"


def talkative(ehr: Ehr, knowledge: Knowledge) -> None:
    """The server answers some searches and refuses others, with names and tokens in headers, reasons and bodies."""

    def found(handler: Handler) -> None:
        send(handler, 200, json.dumps(bundle()).encode(), Set_Cookie=f"s={TOKEN}", Content_Location=f"/{CANARY}")

    def refused(handler: Handler) -> None:
        send(handler, 403, f"{CANARY} {TOKEN}".encode(), WWW_Authenticate=f"Bearer {TOKEN}")

    def broken(handler: Handler) -> None:
        handler.wfile.write(f"HTTP/1.1 {CANARY} {TOKEN}\r\n\r\n".encode())
        handler.close_connection = True

    ways = (found, refused, broken, (200, f'{{"{CANARY}": {TOKEN}'.encode()))
    for number, query in enumerate(knowledge.chart_queries.values()):
        ehr.answers[query.split("?")[0].split("/")[0]] = ways[number % len(ways)]


def fetching_call(knowledge: Knowledge, ehr: Ehr) -> dict[str, Any]:
    """A hook call whose chart is read from `ehr`."""
    return canary_call(knowledge) | {"prefetch": {}, "fhirServer": ehr.base}


def test_no_logger_tells_what_was_read_from_a_fhir_server(
    knowledge: Knowledge, caplog: pytest.LogCaptureFixture
) -> None:
    """All loggers at DEBUG, those of the libraries too: addresses with patient ids and headers are not told."""
    caplog.set_level(logging.DEBUG)
    with serving_ehr() as ehr:
        talkative(ehr, knowledge)
        app = app_of(read_settings({"CDS_AUTH": "off", "CDS_FHIR_SERVERS": ehr.base}))
        response = app.test_client().post(SIGN, data=write_json(fetching_call(knowledge, ehr)), headers=HEADERS)
        close_app(app)
        assert response.status_code == 200
        assert len(ehr.seen) >= len(knowledge.chart_queries)
        assert all(CANARY in path for path, _ in ehr.seen)
    assert_silent(caplog.text, "the log")


def send_to(server: Server, path: str, data: bytes | None = None) -> tuple[int, bytes]:
    """Status and body of one request."""
    answered = server.get(path, **HEADERS) if data is None else server.post(data, path, **HEADERS)
    return answered.status, answered.body


def send_raw(port: int, text: str) -> bytes:
    """What comes back for bytes that are hardly HTTP."""
    with socket.create_connection(("127.0.0.1", port), timeout=60) as line:
        line.sendall(text.encode())
        line.shutdown(socket.SHUT_WR)
        got = b""
        with contextlib.suppress(OSError):
            while chunk := line.recv(65536):
                got += chunk
        return got


def feedback_on(answer: bytes) -> bytes:
    """Feedback with a comment for each card of an answer."""
    cards = [card["uuid"] for card in json.loads(answer)["cards"]]
    reason = {"reason": {"code": f"{CANARY} is unwell", "display": CANARY}, "userComment": COMMENT}
    when = "2026-11-22T10:00:00Z"
    told = [
        {"card": c, "outcome": "overridden", "overrideReason": reason, "outcomeTimestamp": when}
        for c in (*cards, COMMENT)
    ]
    return json.dumps({"feedback": told}).encode()


def test_a_real_server_tells_and_keeps_nothing(knowledge: Knowledge, tmp_path: Path) -> None:
    """Standard output and error, metrics, error bodies and every byte that it keeps, after all was sent."""
    answers: dict[str, bytes] = {}
    with serving_ehr() as ehr, serving(tmp_path / "data", CDS_FHIR_SERVERS=ehr.base) as server:
        talkative(ehr, knowledge)
        status, answer = send_to(server, f"{SIGN}?patient={CANARY}", write_json(canary_call(knowledge)))
        assert status == 200
        assert send_to(server, SIGN, write_json(fetching_call(knowledge, ehr)))[0] == 200
        for name, body in broken_bodies(knowledge).items():
            status, answers[name] = send_to(server, SIGN, body)
            assert status == 400, name
        for path in (f"/{CANARY}", f"/cds-services/{CANARY}", f"/cds-services/{CANARY}/feedback"):
            answers[path] = send_to(server, path, write_json(canary_call(knowledge)))[1]
        for path in ("/metrics", "/readyz", "/healthz"):
            answers[path] = send_to(server, path)[1]
        status, answers["feedback"] = send_to(server, f"{SIGN}/feedback", feedback_on(answer))
        assert status == 200
        answers["cut off feedback"] = send_to(server, f"{SIGN}/feedback", feedback_on(answer)[:-5])[1]
        for text in (
            f"GET /{CANARY}?token={TOKEN} NOT-HTTP\r\n\r\n",
            f"{CANARY} {TOKEN}\r\n\r\n",
            f"POST {SIGN} HTTP/1.1\r\nHost: x\r\n{CANARY} : {TOKEN}\r\n\r\n",
            f"POST {SIGN} HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{{}}{CANARY} {TOKEN}\r\n\r\n",
            f"POST {SIGN} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n{CANARY}\r\n{TOKEN}\r\n",
        ):
            answers[text] = send_raw(server.port, text)
    for name, body in answers.items():
        assert_silent(body, f"the answer to {name}")
    for file in tmp_path.rglob("*"):
        if file.is_file():
            assert_silent(file.read_bytes(), file.name)
