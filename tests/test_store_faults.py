"""Real servers, real databases, and what happens when one of them is killed."""

from __future__ import annotations

import json
import os
import signal
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from cds_service.core.values import Knowledge
from cds_service.web.json_body import write_json
from tests.commands import run
from tests.feedback import FEEDBACK, overridden, stored
from tests.helpers import SIGN, cns_card, hook_call, strict_json
from tests.postgres import PASSWORD, Postgres, running_postgres
from tests.servers import Server, serving

CANARIES = ("Zanzibarova", "canary-comment", "canary-token", PASSWORD)


def post(server: Server, path: str, body: Any, **headers: str) -> tuple[int, bytes]:
    """(status, body) of a call; 0 where the connection broke."""
    data = body if isinstance(body, bytes) else write_json(body)
    try:
        answered = server.post(data, path, **headers)
    except OSError:
        return 0, b""
    return answered.status, answered.body


@pytest.fixture
def own_postgres() -> Iterator[Postgres]:
    """A PostgreSQL that a test may kill."""
    with running_postgres() as server:
        yield server


def tell(server: Server, name: str) -> bool:
    """Send feedback that can be found again by `name`; whether it was acknowledged."""
    status, _ = post(server, FEEDBACK, {"feedback": [overridden(str(uuid.uuid4()), name)]})
    assert status in (0, 200, 503)
    return status == 200


def acknowledged_under_load(server: Server, count: int, disturb: Callable[[], None]) -> tuple[set[str], set[str]]:
    """(acknowledged, not) of feedback sent by four threads; a third of the way in, something happens."""
    names = [f"n-{i}" for i in range(count)]
    with ThreadPoolExecutor(4) as threads:
        first = list(threads.map(lambda name: tell(server, name), names[: count // 3]))
        rest = threads.map(lambda name: tell(server, name), names[count // 3 :])
        disturb()
        told = dict(zip(names, [*first, *rest], strict=True))
    return {name for name, ok in told.items() if ok}, {name for name, ok in told.items() if not ok}


def names_in(database: str) -> set[str]:
    """The feedback that is in the database."""
    return {row["reason_code"] for row in stored(database)}


def test_a_card_shown_by_one_machine_and_answered_to_the_other(
    postgres: Postgres, tmp_path: Path, knowledge: Knowledge
) -> None:
    """Two services with one PostgreSQL and one key: the outcome counts for the rule, and so do both that were shown."""
    settings = {"CDS_DATABASE_URL": postgres.new_database(), "CDS_CARD_KEY": "one-key-for-both-machines"}
    settings["CDS_PUBLIC_URL"] = "https://cds.example"  # the one address of both, where cards link to
    assert run("db", "upgrade", **settings).returncode == 0
    with serving(tmp_path / "one", **settings) as one, serving(tmp_path / "two", **settings) as two:
        answers = [post(server, SIGN, hook_call(knowledge)) for server in (one, two)]
        assert answers[0] == answers[1]
        card = cns_card(strict_json(answers[0][1]))
        assert post(two, FEEDBACK, {"feedback": [overridden(card["uuid"], "will-monitor")]})[0] == 200
    report = json.loads(run("feedback", "report", "--json", **settings).stdout)
    lead = card["extension"]["local.cds-service"]["rules"][0]
    (line,) = [line for line in report["cards"] if line["card"] == lead["id"]]
    assert (line["version"], line["shown"], line["overridden"]) == (lead["version"], 2, 1)
    assert report["notCounted"] == 0


def test_a_database_killed_under_load_loses_nothing_that_was_acknowledged(
    own_postgres: Postgres, tmp_path: Path, knowledge: Knowledge
) -> None:
    """Feedback is refused with 503 while it is down and taken when it is back; orders are checked all the time."""
    url = own_postgres.new_database()
    assert run("db", "upgrade", CDS_DATABASE_URL=url).returncode == 0
    body = hook_call(knowledge)
    with serving(tmp_path / "data", CDS_DATABASE_URL=url) as server:
        usual = post(server, SIGN, body)
        assert usual[0] == 200
        acknowledged, refused = acknowledged_under_load(server, 120, own_postgres.kill)
        assert refused
        assert [post(server, SIGN, body) for _ in range(6)] == [usual] * 6
        own_postgres.start()
        again = [name for name in refused if eventually(lambda name=name: tell(server, name))]
        assert set(again) == refused
        assert post(server, SIGN, body) == usual
    assert acknowledged | refused <= names_in(url)
    log = server.log.read_text()
    assert "store down" in log
    assert PASSWORD not in log


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_a_worker_killed_under_load_loses_nothing_that_was_acknowledged(
    request: pytest.FixtureRequest, tmp_path: Path, kind: str
) -> None:
    """Only what that worker was answering fails; gunicorn starts another one."""
    folder = tmp_path / "data"
    url = f"sqlite:///{folder / 'cds.sqlite3'}"
    if kind == "postgresql":
        url = request.getfixturevalue("postgres").new_database()
        assert run("db", "upgrade", CDS_DATABASE_URL=url).returncode == 0
    with serving(folder, CDS_DATABASE_URL=url) as server:
        assert eventually(lambda: len(server.workers()) == 2)
        victim = server.workers()[0]
        acknowledged, failed = acknowledged_under_load(server, 150, lambda: os.kill(victim, signal.SIGKILL))
        assert eventually(lambda: tell(server, "afterwards"))
        assert eventually(lambda: len(server.workers()) == 2 and victim not in server.workers())
    assert len(failed) <= 4
    assert acknowledged | {"afterwards"} <= names_in(url)


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_ch167_ch_174_nothing_of_a_request_is_kept(tmp_path: Path, knowledge: Knowledge, kind: str) -> None:
    """A patient's name, a comment, a token and the database's password are in no log, error or byte of a database."""
    with running_postgres() as database:
        url = database.new_database() if kind == "postgresql" else ""
        if url:
            assert run("db", "upgrade", CDS_DATABASE_URL=url).returncode == 0
        with serving(tmp_path / "data", CDS_DATABASE_URL=url) as server:
            bodies = [
                post(server, path, body, Authorization="Bearer canary-token")
                for path, body in _hostile(server, knowledge)
            ]
            statuses = sorted(status for status, _ in bodies)
            database.kill()
            if url:
                refusal = post(server, FEEDBACK, {"feedback": [_item("x")]}, Authorization="Bearer canary-token")
                bodies.append(refusal)
                assert refusal[0] == 503
            database.start()
        assert statuses == [200, 200, 400, 400, 400, 404]
        files = [path for path in [*tmp_path.rglob("*"), *database.folder.rglob("data/**/*")] if path.is_file()]
        kept = {path.name: path.read_bytes() for path in files}
        assert sum(len(data) for data in kept.values()) > 10_000
        told = {"errors": b"".join(body for _, body in bodies if b"OperationOutcome" in body)}
        for canary in CANARIES:
            assert [name for name, data in (kept | told).items() if canary.encode() in data] == []
    if not url:
        assert len(stored(f"sqlite:///{tmp_path / 'data' / 'cds-service.sqlite3'}")) == 2


def _item(card: str) -> dict[str, Any]:
    reason = {"code": "told by Zanzibarova", "system": "Zanzibarova herself", "display": "Zanzibarova"}
    override = {"reason": reason, "userComment": "canary-comment Zanzibarova"}
    return overridden(card, overrideReason=override, acceptedSuggestions=[{"id": "Zanzibarova"}])


def _hostile(server: Server, knowledge: Knowledge) -> Iterator[tuple[str, Any]]:
    """Calls with canaries in every place where text may stand: taken, refused, and to where nothing is."""
    body = hook_call(knowledge)
    body["prefetch"]["patient"]["name"] = [{"family": "Zanzibarova"}]
    yield SIGN, body
    card = cns_card(strict_json(post(server, SIGN, hook_call(knowledge))[1]))["uuid"]
    items = [_item(card), _item("Zanzibarova")]
    yield FEEDBACK, {"feedback": items}
    yield FEEDBACK, {"feedback": [*items, items[0] | {"outcome": "Zanzibarova"}]}
    yield FEEDBACK, {"feedback": [items[0] | {"outcomeTimestamp": "Zanzibarova"}]}
    yield FEEDBACK, b'{"feedback": "Zanzibarova'
    yield "/cds-services/Zanzibarova/feedback", {"feedback": items}


def eventually(holds: Callable[[], object]) -> bool:
    """Whether it holds within a number of tries; each waits for an answer of the service."""
    for _ in range(300):
        if holds():
            return True
        time.sleep(0.2)
    return False
