"""`cds-service feedback report`: what was shown, what became of it, and why."""

from __future__ import annotations

import csv
import io
import json
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from flask.testing import FlaskClient

from cds_service.app import close_app
from cds_service.core.values import CardOrigin, Knowledge
from cds_service.store.database import Store
from cds_service.store.feedback import FeedbackItem, save_feedback
from tests.commands import refusal, run
from tests.feedback import accepted, app_with, invented, overridden, send
from tests.helpers import TODAY, answer_of, cns_card, hook_call, rules_of

JSON = dict[str, Any]


@pytest.fixture
def client(database: str) -> Iterator[FlaskClient]:
    """A client of a service with an empty database."""
    app = app_with(database)
    yield app.test_client()
    close_app(app)


def report(database: str, *options: str) -> JSON:
    """The report as JSON."""
    done = run("feedback", "report", "--json", *options, CDS_DATABASE_URL=database)
    assert done.returncode == 0, done.stderr
    found: JSON = json.loads(done.stdout)
    return found


def test_what_was_shown_and_what_became_of_it(client: FlaskClient, database: str, knowledge: Knowledge) -> None:
    """Three cards of one rule: one accepted, one overridden with a reason and a comment, one not answered."""
    bodies = [hook_call(knowledge) | {"hookInstance": str(uuid.uuid4())} for _ in range(3)]
    cards = [cns_card(answer_of(client, body)) for body in bodies]
    uuids = [card["uuid"] for card in cards]
    assert (
        send(client, accepted(uuids[0], "a"), overridden(uuids[1], "will-monitor", comment="text")).status_code == 200
    )
    close_app(client.application)
    lead = rules_of(cards[0])[0]
    (line,) = [line for line in report(database)["cards"] if line["card"] == lead["id"]]
    reason = {"system": "urn:cds-service:override-reasons", "code": "will-monitor", "count": 1}
    assert line == {
        "card": lead["id"],
        "version": lead["version"],
        "shown": 3,
        "accepted": 1,
        "overridden": 1,
        "overriddenShare": 0.5,
        "flagged": False,
        "comments": 1,
        "reasons": [reason],
    }


def test_the_last_outcome_of_a_card_counts_once(client: FlaskClient, database: str) -> None:
    """First overridden, then accepted; the first told again later by a client that repeats itself."""
    card = invented("a-rule", "call")
    early = overridden(card, "will-monitor", outcomeTimestamp="2026-11-22T08:00:00Z")
    late = accepted(card, "a", outcomeTimestamp="2026-11-22T10:00:00+01:00")
    for batch in ([early], [late], [late], [early]):
        assert send(client, *batch).status_code == 200
    (line,) = report(database)["cards"]
    assert (line["accepted"], line["overridden"], line["reasons"]) == (1, 0, [])


def test_of_equal_times_the_one_that_came_last_counts(client: FlaskClient, database: str) -> None:
    """A client whose times have no more than a second."""
    card = invented("a-rule", "call")
    assert send(client, overridden(card), accepted(card, "a")).status_code == 200
    (line,) = report(database)["cards"]
    assert (line["accepted"], line["overridden"]) == (1, 0)


def test_a_card_that_is_almost_always_overridden_is_flagged(client: FlaskClient, database: str) -> None:
    """Above 90 % of at least 20 answers: 19 of 20 is, 18 of 20 is not, 19 of 19 are too few."""
    for rule, no, yes in (("often", 19, 1), ("on-the-limit", 18, 2), ("too-few", 19, 0)):
        items = [overridden(invented(rule, f"no {i}")) for i in range(no)]
        items += [accepted(invented(rule, f"yes {i}"), "a") for i in range(yes)]
        assert send(client, *items).status_code == 200
    flagged = {(line["overridden"], line["accepted"]): line["flagged"] for line in report(database)["cards"]}
    assert flagged == {(19, 1): True, (18, 2): False, (19, 0): False}
    table = run("feedback", "report", "--top", "0", CDS_DATABASE_URL=database).stdout.decode()
    assert "95%!  (none)=19" in table
    assert "and 2 more" in table


def test_versions_and_unknown_rules_have_their_own_lines(client: FlaskClient, database: str) -> None:
    """A rule that no card file has is named by its hash; feedback that does not count is counted apart."""
    cards = [invented("chart-incomplete", "a"), invented("chart-incomplete", "b", 2), invented("rule-560634", "c")]
    assert send(client, *map(overridden, cards), overridden(str(uuid.uuid4()))).status_code == 200
    found = report(database)
    assert [(line["card"], line["version"]) for line in found["cards"]] == [
        ("#cead7dc639", 1),
        ("chart-incomplete", 1),
        ("chart-incomplete", 2),
    ]
    assert found["notCounted"] == 1


def test_reasons_of_the_client_are_counted_most_often_first(client: FlaskClient, database: str) -> None:
    """With their system in the JSON; as code=count in the CSV, which a spreadsheet takes for text."""
    codes = ["own-1", "own-1", "will-monitor", "=cmd()", ""]
    items = [overridden(invented("a-rule", str(i)), code, "https://ehr.example.org") for i, code in enumerate(codes)]
    assert send(client, *items).status_code == 200
    (line,) = report(database)["cards"]
    assert [(r["code"], r["count"]) for r in line["reasons"]] == [
        ("own-1", 2), ("(none)", 1), ("(other)", 1), ("will-monitor", 1),
    ]  # fmt: skip
    assert line["reasons"][0]["system"] == "https://ehr.example.org"
    done = run("feedback", "report", "--csv", CDS_DATABASE_URL=database)
    (row,) = csv.DictReader(io.StringIO(done.stdout.decode()))
    assert row["overridden"] == "5"
    assert row["overridden_share"] == "1.0000"
    assert row["reasons"] == "own-1=2; (none)=1; (other)=1; will-monitor=1"


def test_since_leaves_out_what_is_older(client: FlaskClient, database: str, knowledge: Knowledge) -> None:
    """Cards shown before that day and feedback received before it, in the time zone of the service."""
    assert answer_of(client, hook_call(knowledge))["cards"]
    close_app(client.application)
    assert report(database, "--since", TODAY.isoformat())["cards"]
    assert report(database, "--since", (TODAY + timedelta(1)).isoformat())["cards"] == []
    store = Store(database)
    origin = CardOrigin("0123456789", 1, "warning")
    item = FeedbackItem(invented("a-rule", "x"), origin, "overridden", datetime(2026, 11, 22, 8, tzinfo=UTC))
    save_feedback(store, "open", (item,))
    store.close()
    assert report(database, "--since", "9999-01-01")["cards"] == []
    assert report(database, "--since", "2000-01-01")["since"] == "2000-01-01"


def test_the_report_of_nothing(database: str) -> None:
    """A heading, the legend, and a CSV with its columns."""
    done = run("feedback", "report", CDS_DATABASE_URL=database)
    assert done.returncode == 0
    assert "shown" in done.stdout.decode()
    assert run("feedback", "report", "--csv", CDS_DATABASE_URL=database).stdout.startswith(b"card,version,shown,")


def test_a_database_that_is_not_there_is_told_in_a_sentence(tmp_path: Any) -> None:
    """No file is made by looking at it; an address is shown without its password."""
    told = refusal(run("feedback", "report", CDS_DATA=str(tmp_path / "data")))
    assert f"there is no database at {tmp_path}/data/cds-service.sqlite3" in told
    assert not (tmp_path / "data").exists()
    told = refusal(run("feedback", "report", CDS_DATABASE_URL="postgresql://cds:canary@127.0.0.1:1/cds"))
    assert "cannot be read" in told
    assert "canary" not in told
    told = refusal(run("db", "upgrade", CDS_DATABASE_URL="postgresql://cds:canary@127.0.0.1:1/cds"))
    assert "cannot be upgraded" in told
    assert "canary" not in told


def test_tools_keep_nothing(tmp_path: Any) -> None:
    """Cards that `check` prints were shown to nobody."""
    example = run("fixture", "gabapentin-with-baclofen").stdout
    assert run("check", "-", stdin=example, CDS_DATA=str(tmp_path / "data")).returncode == 0
    assert not (tmp_path / "data").exists()
