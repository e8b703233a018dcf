"""Hook calls through the front door: what decides whether a card appears, and what never does."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from flask.testing import FlaskClient

from cds_service.core.values import Knowledge
from cds_service.settings import read_settings
from tests.helpers import (
    BACLOFEN,
    GABAPENTIN,
    JSON,
    SELECT,
    answer_of,
    app_of,
    bundle,
    cards_of_topic,
    cns_card,
    hook_call,
    orders_in,
    post,
    rules_of,
)

LISINOPRIL = {"drug": "lisinopril 10 MG Oral Tablet", "dose": "1 tablet", "times_a_day": 1}


def no_pair(answer: JSON) -> bool:
    """Whether no card is about the pair."""
    return not cards_of_topic(answer, "cns-depression")


def test_a_card_names_each_rule_once(client: FlaskClient, knowledge: Knowledge) -> None:
    """Two orders of gabapentin meet baclofen by one rule, and the card's extension has it once, with both orders."""
    card = cns_card(answer_of(client, hook_call(knowledge, [GABAPENTIN, GABAPENTIN, BACLOFEN], [])))
    named = [rule["id"] for rule in rules_of(card)]
    assert named == ["gabapentin-baclofen-cns-depression"]
    assert len(card["extension"]["local.cds-service"]["orders"]) == 3


def test_the_same_call_gets_the_same_bytes(client: FlaskClient, knowledge: Knowledge) -> None:
    """The service keeps nothing: two equal calls are answered byte for byte alike, uuids too."""
    body = hook_call(knowledge)
    assert post(client, body).get_data() == post(client, body).get_data()


def test_another_process_would_send_the_same_bytes(client: FlaskClient, knowledge: Knowledge) -> None:
    """A second application, built on its own, answers byte for byte like the first."""
    other = app_of(read_settings({"CDS_AUTH": "off"})).test_client()
    body = hook_call(knowledge, [GABAPENTIN, "xyzzyol 5 MG Oral Tablet"])
    assert post(client, body).get_data() == post(other, body).get_data()


def test_another_hook_instance_gets_other_uuids(client: FlaskClient, knowledge: Knowledge) -> None:
    """A card's uuid is its own in each hook instance, so that feedback can be told apart."""
    body = hook_call(knowledge)
    later = body | {"hookInstance": "7e9b7c0e-3f0c-4a4e-9c51-3f0f4ad1e6bd"}
    first, second = cns_card(answer_of(client, body)), cns_card(answer_of(client, later))
    assert first["uuid"] != second["uuid"]
    assert first["summary"] == second["summary"]


def test_the_order_of_entries_changes_nothing(client: FlaskClient, knowledge: Knowledge) -> None:
    """Drafts, chart entries and members of the prefetch may come in any order."""
    body = hook_call(knowledge, [GABAPENTIN, LISINOPRIL], [BACLOFEN, "metformin 500 MG Oral Tablet"])
    turned = copy.deepcopy(body)
    turned["context"]["draftOrders"]["entry"].reverse()
    turned["prefetch"]["medicationRequests"]["entry"].reverse()
    turned["prefetch"] = dict(reversed(turned["prefetch"].items()))
    assert post(client, turned).get_data() == post(client, body).get_data()


def test_draft_and_chart_may_be_swapped(client: FlaskClient, knowledge: Knowledge) -> None:
    """Which of the two drugs is new does not decide whether there is a card."""
    one = cns_card(answer_of(client, hook_call(knowledge, [GABAPENTIN], [BACLOFEN])))
    other = cns_card(answer_of(client, hook_call(knowledge, [BACLOFEN], [GABAPENTIN])))
    assert one["indicator"] == other["indicator"]


def test_a_draft_echoed_in_the_chart_is_still_the_draft(client: FlaskClient, knowledge: Knowledge) -> None:
    """Clients send unsigned orders in the medication list as well; nothing changes."""
    body = hook_call(knowledge)
    echoed = copy.deepcopy(body)
    for status in ("draft", "active"):
        order = {**orders_in(body)[0], "status": status}
        echoed["prefetch"]["medicationRequests"]["entry"].append({"resource": order})
    assert answer_of(client, echoed) == answer_of(client, body)


def test_a_drug_does_not_interact_with_itself(client: FlaskClient, knowledge: Knowledge) -> None:
    """The same drug ordered, taken and dispensed is one drug."""
    assert no_pair(answer_of(client, hook_call(knowledge, [GABAPENTIN, GABAPENTIN], [GABAPENTIN])))


def test_a_drug_told_by_four_sources_counts_once(client: FlaskClient, knowledge: Knowledge) -> None:
    """Order, statement, dispense and administration of one drug give the one card of the order alone."""
    body = hook_call(knowledge)
    told = copy.deepcopy(body)
    taken = told["prefetch"]["medicationRequests"]["entry"][0]["resource"]
    for kind, status in (("Statement", "active"), ("Dispense", "completed"), ("Administration", "completed")):
        same = {"resourceType": f"Medication{kind}", "id": f"again-{kind}", "status": status}
        same |= {"subject": taken["subject"], "medicationCodeableConcept": taken["medicationCodeableConcept"]}
        told["prefetch"][f"medication{kind}s"] = bundle(same)
    assert cns_card(answer_of(client, told))["summary"] == cns_card(answer_of(client, body))["summary"]


def test_something_new_must_be_involved(client: FlaskClient, knowledge: Knowledge) -> None:
    """Two drugs taken already, with an unrelated new one, stay silent."""
    assert no_pair(answer_of(client, hook_call(knowledge, [LISINOPRIL], [GABAPENTIN, BACLOFEN])))


@pytest.mark.parametrize("status", ["stopped", "cancelled", "entered-in-error", "completed"])
def test_an_order_that_is_over_does_not_count(client: FlaskClient, knowledge: Knowledge, status: str) -> None:
    """What was stopped, cancelled or entered in error is not taken."""
    body = hook_call(knowledge, taking=[{**BACLOFEN, "status": status}])
    assert no_pair(answer_of(client, body))


@pytest.mark.parametrize(
    ("kind", "change"),
    [
        ("MedicationRequest", {"doNotPerform": True}),
        ("MedicationStatement", {"status": "not-taken"}),
        ("MedicationStatement", {"effectivePeriod": {"end": "2026-01-31"}}),
        ("MedicationDispense", {"status": "declined"}),
        ("MedicationDispense", {"status": "cancelled"}),
        ("MedicationAdministration", {"status": "not-done"}),
        ("MedicationAdministration", {"status": "completed", "effectiveDateTime": "2026-06-01T08:00:00Z"}),
    ],
)
def test_what_is_not_taken_does_not_count(
    client: FlaskClient, knowledge: Knowledge, kind: str, change: dict[str, Any]
) -> None:
    """Do-not-perform orders, not-taken statements and what was never given are no partners."""
    entry = {"resourceType": kind, "id": "1", "status": "active", "subject": {"reference": "Patient/example"}}
    entry |= {"medicationCodeableConcept": {"text": "baclofen 10 MG Oral Tablet"}, **change}
    body = hook_call(knowledge, taking=[])
    body["prefetch"][f"{kind[0].lower()}{kind[1:]}s"] = bundle(entry)
    assert no_pair(answer_of(client, body))


def test_an_old_active_order_still_counts(client: FlaskClient, knowledge: Knowledge) -> None:
    """Nobody stops a drug by letting its order grow old."""
    body = hook_call(knowledge)
    body["prefetch"]["medicationRequests"]["entry"][0]["resource"]["authoredOn"] = "2019-03-01"
    assert cns_card(answer_of(client, body))


def test_a_replaced_drug_is_no_partner(client: FlaskClient, knowledge: Knowledge) -> None:
    """An order that names what it replaces is not checked against it."""
    body = hook_call(knowledge, [{**GABAPENTIN, "replaces": "baclofen"}])
    assert no_pair(answer_of(client, body))


def test_a_resigned_active_order_is_checked(client: FlaskClient, knowledge: Knowledge) -> None:
    """Revised orders are signed again with their old status (CH-055)."""
    assert cns_card(answer_of(client, hook_call(knowledge, [{**GABAPENTIN, "status": "active"}])))


@pytest.mark.parametrize("selected", ["order-0", "MedicationRequest/order-0"])
def test_a_selected_order_meets_the_other_drafts(client: FlaskClient, knowledge: Knowledge, selected: str) -> None:
    """For order-select the drafts that are not selected still count as partners (CH-053)."""
    body = hook_call(knowledge, [GABAPENTIN, BACLOFEN], [], hook="order-select")
    body["context"]["selections"] = [selected]
    assert cns_card(answer_of(client, body, SELECT))


def test_drafts_that_are_not_selected_stay_silent(client: FlaskClient, knowledge: Knowledge) -> None:
    """For order-select a pair without a selected order gives no card."""
    lines = [LISINOPRIL, {**GABAPENTIN, "not_selected": True}, {**BACLOFEN, "not_selected": True}]
    assert no_pair(answer_of(client, hook_call(knowledge, lines, [], hook="order-select"), SELECT))


def test_two_orders_of_one_kind_have_their_own_uuids(client: FlaskClient, knowledge: Knowledge) -> None:
    """Cards about different problems of one call can be told apart (the schema checks the uuids)."""
    body = hook_call(knowledge, [GABAPENTIN, BACLOFEN, "xyzzyol 5 MG Tablet"], [])
    assert len(answer_of(client, body)["cards"]) >= 2
