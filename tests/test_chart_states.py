"""The chart: missing, failed, partial, null and empty are different things, and each is said."""

from __future__ import annotations

from typing import Any

import pytest
from flask.testing import FlaskClient

from cds_service.core.values import Knowledge
from cds_service.settings import read_settings
from tests.helpers import (
    BACLOFEN,
    GABAPENTIN,
    answer_of,
    app_of,
    bundle,
    cards_of_topic,
    cns_card,
    hook_call,
    notices_of,
    refusal_of,
)

FAILURE = {"resourceType": "OperationOutcome", "issue": [{"severity": "error", "code": "timeout"}]}
HINT = {"resourceType": "OperationOutcome", "issue": [{"severity": "information", "code": "informational"}]}
EMPTY = [
    None,
    {"resourceType": "Bundle", "type": "searchset"},
    {"resourceType": "Bundle", "type": "searchset", "entry": []},
    {"resourceType": "Bundle", "total": 0, "entry": [{"resource": HINT, "search": {"mode": "outcome"}}]},
]
NOT_RESOURCES: list[Any] = ["text", "", 7, True, [], [1], {}, {"resourceType": "Practitioner"}, {"entry": []}]
MEDICATION_KEYS = ["medicationStatements", "medicationDispenses", "medicationAdministrations"]
CHART_KEYS = ["patient", "medicationRequests", *MEDICATION_KEYS, "conditions", "observations"]


def call_with(knowledge: Knowledge, **prefetch: Any) -> dict[str, Any]:
    """A new gabapentin order, with these prefetch values instead of the usual ones."""
    body = hook_call(knowledge, [GABAPENTIN], [])
    body["prefetch"] |= prefetch
    return body


@pytest.mark.parametrize("value", EMPTY, ids=["null", "no entry", "empty entry", "only a hint"])
def test_an_empty_medication_list_is_an_answer(client: FlaskClient, knowledge: Knowledge, value: Any) -> None:
    """The client looked and there is nothing: no card about it (CH-069, CH-070, CH-071)."""
    assert notices_of(answer_of(client, call_with(knowledge, medicationRequests=value))) == []


@pytest.mark.parametrize("value", NOT_RESOURCES, ids=str)
def test_a_value_that_is_no_medication_list_counts_as_not_sent(
    client: FlaskClient, knowledge: Knowledge, value: Any
) -> None:
    """Strings, numbers, lists and other resources leave the list unseen, and that is said (CH-074)."""
    answer = answer_of(client, call_with(knowledge, medicationRequests=value))
    assert notices_of(answer) == ["no-medication-list"]


def test_a_missing_medication_list_is_a_warning(client: FlaskClient, knowledge: Knowledge) -> None:
    """Without the list the drafts are checked against each other, and a warning says only that."""
    body = hook_call(knowledge, [GABAPENTIN, BACLOFEN], [])
    del body["prefetch"]["medicationRequests"]
    answer = answer_of(client, body)
    assert cns_card(answer)
    assert notices_of(answer) == ["no-medication-list"]
    assert cards_of_topic(answer, "check")[0]["indicator"] == "warning"


def test_a_call_without_prefetch_is_answered(client: FlaskClient, knowledge: Knowledge) -> None:
    """No prefetch at all is legal (CH-044): the same warning, nothing else is guessed."""
    body = hook_call(knowledge, [GABAPENTIN], [])
    del body["prefetch"]
    assert "no-medication-list" in notices_of(answer_of(client, body))


@pytest.mark.parametrize("value", [FAILURE, bundle(FAILURE)], ids=["alone", "in a bundle"])
def test_a_failed_medication_list_is_not_an_empty_one(client: FlaskClient, knowledge: Knowledge, value: Any) -> None:
    """An OperationOutcome instead of the list is a failure, and a warning says so (CH-071)."""
    assert notices_of(answer_of(client, call_with(knowledge, medicationRequests=value))) == ["medication-list-failed"]


@pytest.mark.parametrize("how", ["next page", "failure beside it"])
def test_part_of_a_medication_list_is_used_and_called_partial(
    client: FlaskClient, knowledge: Knowledge, how: str
) -> None:
    """More pages, or an error beside the entries: what came is checked, what did not come is said (CH-073)."""
    body = hook_call(knowledge)
    found = body["prefetch"]["medicationRequests"]
    if how == "next page":
        found["link"] = [{"relation": "next", "url": "https://fhir.example/next"}]
    else:
        found["entry"].append({"resource": FAILURE, "search": {"mode": "outcome"}})
    answer = answer_of(client, body)
    assert cns_card(answer)
    assert notices_of(answer) == ["medication-list-partial"]


def test_an_empty_page_with_more_to_come_is_partial(client: FlaskClient, knowledge: Knowledge) -> None:
    """No entry on this page and a link to the next is not "takes nothing"."""
    page = {"resourceType": "Bundle", "link": [{"relation": "next", "url": "https://fhir.example/next"}]}
    assert notices_of(answer_of(client, call_with(knowledge, medicationRequests=page))) == ["medication-list-partial"]


def test_one_resource_stands_for_a_bundle_of_one(client: FlaskClient, knowledge: Knowledge) -> None:
    """A single resource where a Bundle is expected is read (CH-075), wrapped as before 1.0 too (CH-046)."""
    body = hook_call(knowledge)
    alone = body["prefetch"]["medicationRequests"]["entry"][0]["resource"]
    for value in (alone, {"response": {"status": "200"}, "resource": bundle(alone)}):
        body["prefetch"]["medicationRequests"] = value
        assert cns_card(answer_of(client, body))


def test_a_draft_alone_does_not_ask_for_a_list(client: FlaskClient, knowledge: Knowledge) -> None:
    """Where no draft names a drug there is nothing to check, so nothing is missing."""
    body = call_with(knowledge, medicationRequests="text")
    del body["context"]["draftOrders"]["entry"][0]["resource"]["medicationCodeableConcept"]
    assert answer_of(client, body) == {"cards": []}


@pytest.mark.parametrize("key", MEDICATION_KEYS)
def test_the_other_medication_lists_are_wanted_not_needed(client: FlaskClient, knowledge: Knowledge, key: str) -> None:
    """A client without statements, dispenses or administrations is not warned about on each call."""
    body = call_with(knowledge)
    del body["prefetch"][key]
    assert notices_of(answer_of(client, body)) == []


@pytest.mark.parametrize("key", CHART_KEYS)
@pytest.mark.parametrize("value", [*EMPTY, *NOT_RESOURCES, FAILURE, bundle()], ids=str)
def test_no_prefetch_value_hides_an_interaction_between_drafts(
    client: FlaskClient, knowledge: Knowledge, key: str, value: Any
) -> None:
    """Whatever stands in a prefetch key, the drafts are read and checked."""
    body = hook_call(knowledge, [GABAPENTIN, BACLOFEN], [])
    body["prefetch"][key] = value
    assert cns_card(answer_of(client, body))


@pytest.mark.parametrize("entry", [None, 7, {}, {"resource": None}, {"resource": 7}, {"resource": {"id": "1"}}])
@pytest.mark.parametrize("key", CHART_KEYS)
def test_an_odd_entry_hides_none_of_its_neighbours(
    client: FlaskClient, knowledge: Knowledge, key: str, entry: Any
) -> None:
    """One entry that is no resource does not blind the check."""
    body = hook_call(knowledge)
    body["prefetch"][key] = {"resourceType": "Bundle", "entry": [entry, *_entries(body["prefetch"][key])]}
    assert cns_card(answer_of(client, body))


def _entries(value: dict[str, Any]) -> list[Any]:
    return value.get("entry", []) if value["resourceType"] == "Bundle" else [{"resource": value}]


def test_a_card_says_which_parts_of_the_chart_were_not_seen(client: FlaskClient, knowledge: Knowledge) -> None:
    """The scope line of every card, and the extension, name what was not sent."""
    body = hook_call(knowledge)
    del body["prefetch"]["conditions"], body["prefetch"]["observations"]
    answer = answer_of(client, body)
    assert "Not seen: problem list, laboratory results" in cns_card(answer)["detail"]
    assert answer["extension"]["local.cds-service"]["notSeen"] == ["conditions", "observations"]


@pytest.mark.parametrize("value", [FAILURE, "text", bundle(FAILURE)], ids=["failed", "text", "failed inside"])
def test_a_missing_problem_list_is_named_where_a_rule_needs_it(
    client: FlaskClient, knowledge: Knowledge, value: Any
) -> None:
    """Rules about amitriptyline read the problem list: without it an info card names what was not checked."""
    body = hook_call(knowledge, ["amitriptyline 25 MG Oral Tablet"], [], {"age": 50, "egfr": 90, "qtc": 400})
    assert notices_of(answer_of(client, body)) == []
    body["prefetch"]["conditions"] = value
    (notice,) = cards_of_topic(answer_of(client, body), "check")
    assert notice["indicator"] == "info"
    assert "problem list" in notice["summary"]


def test_missing_chart_412_restores_the_specifications_answer(knowledge: Knowledge) -> None:
    """With CDS_MISSING_CHART=412 a call without the medication list is refused (CH-092)."""
    client = app_of(read_settings({"CDS_AUTH": "off", "CDS_MISSING_CHART": "412"})).test_client()
    body = call_with(knowledge)
    assert notices_of(answer_of(client, body)) == []
    assert notices_of(answer_of(client, call_with(knowledge, medicationRequests=None))) == []
    del body["prefetch"]["medicationRequests"]
    assert refusal_of(client, body, 412).startswith("prefetch.medicationRequests: ")


def test_missing_chart_412_refuses_a_failed_list_too(knowledge: Knowledge) -> None:
    """A medication list that the client could not get is as missing as one it did not send (CH-071)."""
    client = app_of(read_settings({"CDS_AUTH": "off", "CDS_MISSING_CHART": "412"})).test_client()
    assert refusal_of(client, call_with(knowledge, medicationRequests=FAILURE), 412)


def test_missing_chart_412_does_not_refuse_what_needs_no_chart(knowledge: Knowledge) -> None:
    """Without a drug among the drafts there is nothing to refuse."""
    client = app_of(read_settings({"CDS_AUTH": "off", "CDS_MISSING_CHART": "412"})).test_client()
    body = hook_call(knowledge)
    del body["prefetch"], body["context"]["draftOrders"]["entry"]
    assert answer_of(client, body) == {"cards": []}
