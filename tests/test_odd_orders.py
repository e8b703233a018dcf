"""Orders as real clients send them: incomplete, invalid, of another kind or another FHIR version."""

from __future__ import annotations

from typing import Any

import pytest
from flask.testing import FlaskClient

from cds_service.core.values import Knowledge
from tests.helpers import (
    GABAPENTIN,
    answer_of,
    bundle,
    cards_of_topic,
    cns_card,
    hook_call,
    notices_of,
    orders_in,
)

SUBJECT = {"subject": {"reference": "Patient/example"}}
NOTHING_TO_CHECK = [
    {"resourceType": "ServiceRequest", "id": "1", "status": "draft", "intent": "order", **SUBJECT},
    {"resourceType": "NutritionOrder", "id": "1", "status": "draft", **SUBJECT},
    {"resourceType": "SomethingNew", "id": "1"},
    {"resourceType": "MedicationRequest", "id": "1", "status": "draft", "intent": "order", **SUBJECT},
]


def call_with(knowledge: Knowledge, *orders: dict[str, Any]) -> dict[str, Any]:
    """A hook call with these draft orders, baclofen being taken."""
    body = hook_call(knowledge)
    body["context"]["draftOrders"]["entry"] = [{"resource": order} for order in orders]
    return body


def an_order(**members: Any) -> dict[str, Any]:
    """A draft order without a drug."""
    return {"resourceType": "MedicationRequest", "id": "1", "status": "draft", "intent": "order"} | members


@pytest.mark.parametrize("order", NOTHING_TO_CHECK, ids=lambda order: order["resourceType"])
def test_nothing_to_check_is_answered_with_no_cards(
    client: FlaskClient, knowledge: Knowledge, order: dict[str, Any]
) -> None:
    """Where no draft names a drug, the answer is exactly {"cards": []} (CH-060, CH-091)."""
    assert answer_of(client, call_with(knowledge, order)) == {"cards": []}


def test_an_empty_draft_bundle_is_answered_with_no_cards(client: FlaskClient, knowledge: Knowledge) -> None:
    """No drafts at all is nothing to check."""
    assert answer_of(client, call_with(knowledge)) == {"cards": []}


def test_other_orders_do_not_hide_the_drug_orders(client: FlaskClient, knowledge: Knowledge) -> None:
    """A medication order among other orders is checked as if it stood alone."""
    orders = [*NOTHING_TO_CHECK, *orders_in(hook_call(knowledge))]
    assert cns_card(answer_of(client, call_with(knowledge, *orders)))


def test_an_order_from_before_dstu2_is_named_as_not_checked(client: FlaskClient, knowledge: Knowledge) -> None:
    """An order of a FHIR version that is not read gives a card, never silence (CH-062)."""
    order = {"resourceType": "MedicationPrescription", "id": "1", "status": "draft"}
    order |= {
        "patient": {"reference": "Patient/example"},
        "medicationCodeableConcept": {"text": "gabapentin 300 MG"},
    }
    answer = answer_of(client, call_with(knowledge, order))
    assert notices_of(answer) == ["order-not-checked"]
    assert "MedicationPrescription" in answer["cards"][0]["summary"]
    assert "gabapentin" in answer["cards"][0]["summary"]


def test_an_unknown_drug_is_named_as_not_checked(client: FlaskClient, knowledge: Knowledge) -> None:
    """A drug of no dictionary gives an info card that names it (CH-181)."""
    answer = answer_of(client, hook_call(knowledge, ["Xyzzyol 5 mg"]))
    assert notices_of(answer) == ["order-not-checked"]
    assert (answer["cards"][0]["indicator"], "Xyzzyol" in answer["cards"][0]["summary"]) == ("info", True)


def test_half_a_drug_is_checked_and_the_other_half_named(client: FlaskClient, knowledge: Knowledge) -> None:
    """The unread half of a combination may be the one that interacts, so it is named."""
    answer = answer_of(client, hook_call(knowledge, ["gabapentin 300 MG / xyzzyol 5 MG Oral Tablet"]))
    assert cns_card(answer)
    (notice,) = cards_of_topic(answer, "check")
    assert "xyzzyol" in notice["summary"]


def test_an_order_without_a_name_is_named_as_one(client: FlaskClient, knowledge: Knowledge) -> None:
    """A medication that leads nowhere is an order that was not checked (CH-036)."""
    order = an_order(medicationReference={"reference": "Medication/nowhere"}, **SUBJECT)
    assert notices_of(answer_of(client, call_with(knowledge, order))) == ["order-not-checked"]


@pytest.mark.parametrize("place", ["contained", "drafts", "prefetch", "display"])
def test_a_referenced_medication_is_found(client: FlaskClient, knowledge: Knowledge, place: str) -> None:
    """A medicationReference is resolved wherever the client put the Medication (CH-036)."""
    medication = {
        "resourceType": "Medication",
        "id": "m",
        "code": {"text": "gabapentin 300 MG Oral Capsule"},
    }
    order = an_order(medicationReference={"reference": "Medication/m"}, **SUBJECT)
    body = call_with(knowledge, order)
    if place == "contained":
        order |= {"contained": [medication], "medicationReference": {"reference": "#m"}}
    elif place == "drafts":
        body["context"]["draftOrders"]["entry"].append({"resource": medication})
    elif place == "prefetch":
        body["prefetch"]["medicationRequests"]["entry"].append({"resource": medication})
    else:
        order["medicationReference"]["display"] = "gabapentin 300 MG Oral Capsule"
    assert cns_card(answer_of(client, body))


@pytest.mark.parametrize(
    "change",
    [
        {"category": {"coding": [{"code": "outpatient"}]}},
        {"intent": None},
        {"status": "bogus"},
        {"authoredOn": "yesterday"},
        {"madeUp": {"deep": [1, 2]}},
        {"dosageInstruction": {"text": "three times a day"}},
        {"dosageInstruction": [{"doseQuantity": {"value": 300, "unit": "mg"}}]},
        {"dosageInstruction": [{"doseAndRate": {"doseQuantity": {"value": 300, "unit": "mg"}}}]},
        {"dosageInstruction": "300 mg"},
        {"dosageInstruction": [None, 7, {"timing": "daily", "doseAndRate": [5]}]},
        {"id": "x" * 194},
        {"id": "a\u2011b c"},
    ],
    ids=str,
)
def test_an_invalid_order_is_checked_all_the_same(
    client: FlaskClient, knowledge: Knowledge, change: dict[str, Any]
) -> None:
    """Real clients send invalid FHIR; the drug is read and checked (CH-056, CH-059, CH-064)."""
    order = {**orders_in(hook_call(knowledge))[0], **change}
    assert cns_card(answer_of(client, call_with(knowledge, order)))


def test_an_invalid_order_is_reported_without_its_text(client: FlaskClient, knowledge: Knowledge) -> None:
    """The response says which member was malformed, not what stood in it."""
    order = {**orders_in(hook_call(knowledge))[0], "category": {"text": "canary"}, "status": ["canary"]}
    report = answer_of(client, call_with(knowledge, order))["extension"]["local.cds-service"]
    assert "category" in str(report["invalidOrders"])
    assert "canary" not in str(report)


def test_the_name_of_an_unknown_member_is_not_repeated(client: FlaskClient, knowledge: Knowledge) -> None:
    """A member name that FHIR does not define may be anything, a patient's name too."""
    order = {**orders_in(hook_call(knowledge))[0], "CanaryDoe": 1}
    report = answer_of(client, call_with(knowledge, order))["extension"]["local.cds-service"]
    assert report["invalidOrders"]
    assert "Canary" not in str(report)


def test_a_bundle_without_type_is_read(client: FlaskClient, knowledge: Knowledge) -> None:
    """The specification's own samples left it out until 2025 (CH-057)."""
    body = hook_call(knowledge)
    del body["context"]["draftOrders"]["type"]
    del body["prefetch"]["medicationRequests"]["type"]
    assert cns_card(answer_of(client, body))


def test_code_and_text_that_disagree_are_both_checked(client: FlaskClient, knowledge: Knowledge) -> None:
    """A code for one drug with the name of another is a warning, and both are checked."""
    drug = {"drug": "gabapentin 300 MG Oral Capsule", "code": knowledge.ingredients["lisinopril"].rxnorm}
    answer = answer_of(client, hook_call(knowledge, [drug]))
    assert cns_card(answer)
    assert notices_of(answer) == ["code-and-text-disagree"]


def test_text_of_the_request_cannot_become_markup(client: FlaskClient, knowledge: Knowledge) -> None:
    """The name of an unread drug is shown as text: no tag, no link, no table (the schema checks it too)."""
    name = "<img src=x onerror=alert(1)> ![a](http://evil.example) | a |\n|---| [b](javascript:alert(1))"
    answer = answer_of(client, hook_call(knowledge, [name]))
    assert notices_of(answer) == ["order-not-checked"]
    assert "http://" not in answer["cards"][0]["detail"]


def test_a_long_name_is_visibly_shortened(client: FlaskClient, knowledge: Knowledge) -> None:
    """A name that does not fit ends in an ellipsis; the summary stays within its limit."""
    answer = answer_of(client, hook_call(knowledge, ["Xyzzyol" + " forte" * 80, "\U0001f48a" * 300]))
    assert "…" in answer["cards"][0]["detail"]


def test_a_current_drug_that_cannot_be_read_is_named(client: FlaskClient, knowledge: Knowledge) -> None:
    """What is taken and was not understood is named once, on an info card."""
    answer = answer_of(client, hook_call(knowledge, [GABAPENTIN], ["Xyzzyol 5 mg", "Xyzzyol 5 mg"]))
    assert notices_of(answer) == ["current-drug-not-read"]


def test_a_medication_in_the_chart_may_be_a_reference(client: FlaskClient, knowledge: Knowledge) -> None:
    """Current medications that point to a Medication in the same bundle are partners."""
    medication = {"resourceType": "Medication", "id": "m", "code": {"text": "baclofen 10 MG Oral Tablet"}}
    taken = an_order(id="2", status="active", medicationReference={"reference": "Medication/m"}, **SUBJECT)
    body = hook_call(knowledge, taking=[])
    body["prefetch"]["medicationRequests"] = bundle(taken, medication)
    assert cns_card(answer_of(client, body))


def test_an_unknown_drug_beside_a_known_code_is_named(client: FlaskClient, knowledge: Knowledge) -> None:
    """The code names one drug, the text a second one that nobody knows: it may be the one that interacts."""
    drug = {"drug": "gabapentin 300 MG / xyzzyol 5 MG Oral Tablet", "code": knowledge.ingredients["gabapentin"].rxnorm}
    assert notices_of(answer_of(client, hook_call(knowledge, [drug]))) == ["order-not-checked"]


def test_a_word_beside_a_known_code_is_not(client: FlaskClient, knowledge: Knowledge) -> None:
    """What the code has named needs no card about the words around it."""
    drug = {"drug": "gabapentin 300 mg for nerves", "code": knowledge.ingredients["gabapentin"].rxnorm}
    assert notices_of(answer_of(client, hook_call(knowledge, [drug]))) == []
