"""`POST /cds-services/{id}/feedback` (checklist 1.12), over both kinds of database."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import delete

from cds_service.app import close_app
from cds_service.core.identity import card_key, card_uuid, read_card_uuid, rule_bits
from cds_service.core.values import CardOrigin, Knowledge
from cds_service.store.database import Store
from cds_service.store.tables import feedback
from tests.feedback import FEEDBACK, OURS, WHEN, accepted, app_with, overridden, send, stored
from tests.helpers import answer_of, cns_card, hook_call, outcome_text, post, rules_of, strict_json
from tests.response_schema import check_response

JSON = dict[str, Any]


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def service(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Flask, str]]:
    """A service with each kind of database, for all tests of this file."""
    file = tmp_path_factory.mktemp("data") / "cds.sqlite3"
    is_file = request.param == "sqlite"
    url = f"sqlite:///{file}" if is_file else request.getfixturevalue("postgres").new_database()
    Store(url).upgrade()
    app = app_with(url)
    yield app, url
    close_app(app)


@pytest.fixture
def database(service: tuple[Flask, str]) -> str:
    """The address of the service's database, without feedback."""
    store = Store(service[1])
    with store.writing() as connection:
        connection.execute(delete(feedback))
    store.close()
    return service[1]


@pytest.fixture
def client(service: tuple[Flask, str], database: str) -> FlaskClient:
    """A client of the service."""
    return service[0].test_client()


@pytest.fixture
def card(client: FlaskClient, knowledge: Knowledge) -> JSON:
    """A card that this service has shown."""
    return cns_card(answer_of(client, hook_call(knowledge)))


def refused(client: FlaskClient, *items: Any) -> str:
    """The text of the refusal of a batch."""
    response = send(client, *items)
    assert response.status_code == 400
    return outcome_text(response)


def test_ch138_feedback_is_taken_below_the_service(client: FlaskClient, database: str, card: JSON) -> None:
    """A sample is answered with 200, and stored with the rule, version and indicator that the card's uuid leads to."""
    assert send(client, overridden(card["uuid"], "will-monitor")).status_code == 200
    (row,) = stored(database)
    lead = rules_of(card)[0]
    assert (row["version"], row["indicator"], row["client"]) == (lead["version"], card["indicator"], "open")
    assert (row["card"], row["reason_code"], row["reason_system"]) == (card["uuid"], "will-monitor", OURS)


def test_ch138_only_post_and_only_for_services_there_are(client: FlaskClient) -> None:
    """An unknown service is 404, GET is 405 and says what is allowed, browsers may ask first."""
    assert send(client, url="/cds-services/none/feedback").status_code == 404
    assert client.get(FEEDBACK).headers["Allow"] == "OPTIONS, POST"
    assert client.options(FEEDBACK).headers["Access-Control-Allow-Methods"] == "GET, POST, OPTIONS"


@pytest.mark.parametrize(
    "body", [b"{}", b"[]", b"7", b"null", b'{"feedback": {}}', b'{"feedback": null}', b'{"feedback": "x"}']
)
def test_ch139_the_body_is_an_object_with_an_array(client: FlaskClient, body: bytes) -> None:
    """Anything else is 400 and names `feedback`."""
    response = post(client, body, FEEDBACK)
    assert response.status_code == 400
    assert outcome_text(response).startswith("feedback: ")


def test_ch139_an_empty_batch_and_one_of_a_thousand_are_taken(client: FlaskClient, database: str) -> None:
    """Nothing to report is fine; more than a thousand items are refused with what is allowed."""
    assert send(client).status_code == 200
    assert stored(database) == []
    item = overridden(str(uuid.uuid4()))
    assert send(client, *[item] * 1000).status_code == 200
    assert "1,000" in refused(client, *[item] * 1001)
    assert len(stored(database)) == 1000


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"card": None}, "feedback[1].card: "),  # CH-140
        ({"card": 7}, "feedback[1].card: "),
        ({"card": ""}, "feedback[1].card: "),
        ({"outcome": None}, "feedback[1].outcome: "),  # CH-141
        ({"outcome": "ignored"}, "feedback[1].outcome: "),
        ({"outcome": ["accepted"]}, "feedback[1].outcome: "),
        ({"outcome": "accepted"}, "feedback[1].acceptedSuggestions: "),  # CH-142
        ({"outcome": "accepted", "acceptedSuggestions": {}}, "feedback[1].acceptedSuggestions: "),
        ({"outcome": "accepted", "acceptedSuggestions": ["a"]}, "feedback[1].acceptedSuggestions[0]: "),
        ({"outcome": "accepted", "acceptedSuggestions": [{"id": "a"}, {}]}, "feedback[1].acceptedSuggestions[1]: "),
        ({"overrideReason": "a"}, "feedback[1].overrideReason: "),  # CH-143
        ({"overrideReason": {"reason": "a"}}, "feedback[1].overrideReason.reason: "),
        ({"overrideReason": {"reason": {"system": "a"}}}, "feedback[1].overrideReason.reason.code: "),
        ({"overrideReason": {"reason": {"code": "a", "system": 7}}}, "feedback[1].overrideReason.reason.system: "),
        ({"overrideReason": {"userComment": 7}}, "feedback[1].overrideReason.userComment: "),
        ({"outcomeTimestamp": None}, "feedback[1].outcomeTimestamp: "),  # CH-144
        ({"outcomeTimestamp": 1764000000}, "feedback[1].outcomeTimestamp: "),
    ],
)
def test_ch140_ch141_ch142_ch143_ch144_ch146_a_batch_with_a_wrong_item_is_stored_not_at_all(
    client: FlaskClient, database: str, change: JSON, path: str
) -> None:
    """The refusal names the place; the good item of the same call is not stored either."""
    good = overridden(str(uuid.uuid4()))
    assert refused(client, good, good | change).startswith(path)
    assert refused(client, good, "no object").startswith("feedback[1]: ")
    assert stored(database) == []


@pytest.mark.parametrize(
    "stranger", ["7f9f6375-5638-437f-89d6-fd1804ed5b71", "7f3c8a52-3b1e-1a4e-9c51-0d5f6a7b8c9d", "card 1", "x" * 9000]
)
def test_ch140_an_unknown_card_is_taken_and_not_counted(client: FlaskClient, database: str, stranger: str) -> None:
    """Another release may have issued it. What the client called it is not kept: it may be anything."""
    assert send(client, overridden(stranger, "will-monitor", comment="secret")).status_code == 200
    (row,) = stored(database)
    assert (row["card"], row["rule"], row["comment"]) == ("", "", None)


def test_ch140_a_card_with_a_changed_uuid_is_not_counted(client: FlaskClient, database: str, card: JSON) -> None:
    """Every bit of a uuid is sealed: another version, indicator or call is an invented card."""
    whole = uuid.UUID(card["uuid"]).int
    changed = [str(uuid.UUID(int=whole ^ (1 << bit))) for bit in range(128)]
    assert send(client, *map(overridden, changed), overridden(card["uuid"].upper())).status_code == 200
    assert [row["card"] for row in stored(database)] == [""] * 128 + [card["uuid"]]


def test_ch140_a_card_of_another_client_or_tenant_is_none_of_this_one() -> None:
    """The key of a uuid is that of one client and tenant, and follows from the secret on any machine."""
    key = card_key(b"a secret of all machines", "client-1", "tenant-1")
    made = card_uuid(key, "hook instance", CardOrigin("a-rule", 3, "warning"), ("order",))
    assert made == "3e2057eb-0603-4533-97d1-2b12449fef77"
    assert read_card_uuid(made, (key,)) == CardOrigin(rule_bits("a-rule").hex(), 3, "warning")
    for other in (("client-2", "tenant-1"), ("client-1", "tenant-2"), ("client-1", "")):
        assert read_card_uuid(made, (card_key(b"a secret of all machines", *other),)) is None


def test_ch141_ch142_both_outcomes_are_stored(client: FlaskClient, database: str, card: JSON) -> None:
    """Accepted with the number of suggestions taken, overridden with none."""
    taken = [suggestion["id"] for suggestion in ({"id": s["uuid"]} for s in card["suggestions"])]
    assert send(client, accepted(card["uuid"], *taken), overridden(card["uuid"])).status_code == 200
    rows = [(row["outcome"], row["suggestions"]) for row in stored(database)]
    assert rows == [("accepted", len(taken)), ("overridden", 0)]
    assert taken


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        (None, ("", "", False)),
        ({}, ("", "", False)),
        ({"reason": {"code": "will-monitor", "system": OURS}}, (OURS, "will-monitor", False)),
        ({"userComment": "text"}, ("", "", True)),
        ({"reason": {"code": "a-1", "system": "https://ehr.example.org/r"}, "userComment": "text"},
         ("https://ehr.example.org/r", "a-1", True)),
        ({"reason": {"code": "a-1", "display": "A reason"}}, ("", "a-1", False)),
        ({"reason": {"code": "told by the daughter", "system": "free text"}}, ("", "(other)", False)),
        ({"reason": {"code": "x" * 65}}, ("", "(other)", False)),
        ({"reason": None, "userComment": None}, ("", "", False)),
    ],
)  # fmt: skip
def test_ch143_reasons_in_all_combinations(
    client: FlaskClient, database: str, card: JSON, given: JSON | None, kept: tuple[str, str, bool]
) -> None:
    """With and without reason and comment; a client's own code counts, text in the place of a code is not kept."""
    assert send(client, overridden(card["uuid"], overrideReason=given)).status_code == 200
    (row,) = stored(database)
    assert (row["reason_system"], row["reason_code"], row["has_comment"]) == kept
    assert row["comment"] is None


@pytest.mark.parametrize(
    "text",
    [
        "2020-12-11T00:00:00Z",
        "2020-12-11t00:00:00.123z",
        "2020-12-11T00:00:00.123456789Z",
        "2020-12-11T01:00:00+01:00",
        "2016-12-31T23:59:60Z",
    ],
)
def test_ch144_times_as_rfc_3339_has_them(client: FlaskClient, database: str, text: str) -> None:
    """With a fraction, with an offset, in a leap second."""
    assert send(client, overridden(str(uuid.uuid4()), outcomeTimestamp=text)).status_code == 200
    assert len(stored(database)) == 1


@pytest.mark.parametrize(
    "text",
    [
        "",
        "now",
        "2020-12-11",
        "2020-12-11T00:00:00",
        "2020-12-11 00:00:00Z",
        "2020-13-11T00:00:00Z",
        "2020-12-11T24:30:00Z",
        "2020-12-11T00:00:00+25:00",
        "0001-01-01T00:00:00+01:00",
        "\uff12020-12-11T00:00:00Z",
        "20201211T000000Z",
    ],
)
def test_ch144_any_other_time_is_refused(client: FlaskClient, text: str) -> None:
    """The refusal says what is expected and does not repeat what was sent."""
    told = refused(client, overridden(str(uuid.uuid4()), outcomeTimestamp=text))
    assert told.startswith("feedback[0].outcomeTimestamp: ")
    assert text == "" or text not in told


def test_ch145_cards_of_several_calls_and_repeats_are_all_stored(
    client: FlaskClient, database: str, knowledge: Knowledge
) -> None:
    """One batch about three hook instances, sent twice: append-only, nothing clashes."""
    bodies = [hook_call(knowledge) | {"hookInstance": str(uuid.uuid4())} for _ in range(3)]
    cards = [cns_card(answer_of(client, body))["uuid"] for body in bodies]
    assert len(set(cards)) == 3
    for _ in range(2):
        assert send(client, *map(overridden, cards), accepted(cards[0], "a")).status_code == 200
    assert [row["card"] for row in stored(database)] == [*cards, cards[0]] * 2


def test_ch146_the_answer_is_an_empty_object(client: FlaskClient) -> None:
    """200 with `{}`, as JSON."""
    response = send(client, overridden(str(uuid.uuid4())))
    assert (response.status_code, strict_json(response.get_data())) == (200, {})
    assert response.content_type.startswith("application/json")


def test_ch148_a_comment_is_bounded(client: FlaskClient) -> None:
    """4,000 characters are taken, one more is refused with what is allowed, a megabyte is too large a body."""
    card = str(uuid.uuid4())
    assert send(client, overridden(card, comment="ä" * 4000)).status_code == 200
    assert "4,000" in refused(client, overridden(card, comment="ä" * 4001))
    assert send(client, overridden(card, comment="a" * 1024 * 1024)).status_code == 413


def test_ch148_a_comment_is_kept_only_where_the_site_wants_it(database: str, knowledge: Knowledge) -> None:
    """With CDS_FEEDBACK_COMMENTS=store the text is in the database, without what PostgreSQL cannot hold."""
    app = app_with(database, CDS_FEEDBACK_COMMENTS="store")
    card = cns_card(answer_of(app.test_client(), hook_call(knowledge)))["uuid"]
    assert send(app.test_client(), overridden(card, comment="tol\0erated — before")).status_code == 200
    close_app(app)
    assert [row["comment"] for row in stored(database)] == ["tolerated — before"]


def test_ch149_every_card_and_suggestion_has_a_uuid(client: FlaskClient, knowledge: Knowledge) -> None:
    """Without one a client sends no feedback; the response schema demands them, in a form all validators know."""
    answer = answer_of(client, hook_call(knowledge))
    check_response(answer)
    every = [card["uuid"] for card in answer["cards"]]
    every += [s["uuid"] for card in answer["cards"] for s in card.get("suggestions", [])]
    assert {uuid.UUID(one).version for one in every} == {4, 5}


def test_the_order_of_two_keys_is_first_seals_all_count(database: str, knowledge: Knowledge) -> None:
    """While a key is replaced, cards of the old one count; without it they do not."""
    old, new = "an-old-secret-of-the-site", "a-new-secret-of-the-site"
    before, between, after = (app_with(database, CDS_CARD_KEY=keys) for keys in (old, f"{new} {old}", new))
    shown = [cns_card(answer_of(app.test_client(), hook_call(knowledge)))["uuid"] for app in (before, between, after)]
    assert shown[0] != shown[1] == shown[2]
    assert send(between.test_client(), *map(overridden, shown)).status_code == 200
    assert send(after.test_client(), overridden(shown[0])).status_code == 200
    assert [row["card"] for row in stored(database)] == [*shown, ""]
    for app in (before, between, after):
        close_app(app)


def test_without_a_place_feedback_is_refused_and_orders_are_checked(knowledge: Knowledge) -> None:
    """No data folder: 503 with Retry-After and an OperationOutcome for feedback, and the cards as ever."""
    app = app_with("")
    refusal = send(app.test_client(), overridden(str(uuid.uuid4()), outcomeTimestamp=WHEN))
    assert (refusal.status_code, refusal.headers["Retry-After"]) == (503, "5")
    assert "not" in outcome_text(refusal)
    assert cns_card(answer_of(app.test_client(), hook_call(knowledge)))
    close_app(app)
