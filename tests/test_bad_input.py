"""Bad input: what cannot be understood is refused with the path; the rest never fails and never hides an order."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from flask.testing import FlaskClient

from cds_service.core.values import Knowledge
from cds_service.settings import read_settings
from tests.helpers import (
    SELECT,
    SIGN,
    answer_of,
    app_of,
    bundle,
    cards_of_topic,
    cns_card,
    hook_call,
    orders_in,
    outcome_text,
    refusal_of,
)

NOT_OBJECTS = [None, [], "text", 7, True]


@pytest.mark.parametrize("value", [[], "text", 7, None, True])
def test_a_body_that_is_no_object_is_refused(client: FlaskClient, value: Any) -> None:
    """The body of a hook call is an object."""
    assert refusal_of(client, value).startswith("the request body: ")


@pytest.mark.parametrize("path", ["hook", "hookInstance", "context", "context.patientId", "context.draftOrders"])
def test_a_missing_member_is_named(client: FlaskClient, knowledge: Knowledge, path: str) -> None:
    """What the specification requires and a check needs is named where it is missing."""
    body = hook_call(knowledge)
    *above, last = path.split(".")
    del (body[above[0]] if above else body)[last]
    assert refusal_of(client, body).startswith(f"{path}: ")


@pytest.mark.parametrize("path", ["hook", "hookInstance", "context.patientId"])
@pytest.mark.parametrize("value", [None, [], {}, 7, True, "", "  "])
def test_a_text_of_the_wrong_type_is_named(client: FlaskClient, knowledge: Knowledge, path: str, value: Any) -> None:
    """Empty text and anything that is no text are refused with the path."""
    body = hook_call(knowledge)
    *above, last = path.split(".")
    (body[above[0]] if above else body)[last] = value
    assert refusal_of(client, body).startswith(f"{path}: ")


@pytest.mark.parametrize("value", NOT_OBJECTS, ids=str)
@pytest.mark.parametrize("path", ["context", "context.draftOrders"])
def test_an_object_of_the_wrong_type_is_named(client: FlaskClient, knowledge: Knowledge, path: str, value: Any) -> None:
    """Context and draft orders are objects."""
    body = hook_call(knowledge)
    *above, last = path.split(".")
    (body[above[0]] if above else body)[last] = value
    assert refusal_of(client, body).startswith(f"{path}: ")


@pytest.mark.parametrize("value", [[], "text", 7, True])
def test_a_prefetch_that_is_no_object_is_refused(client: FlaskClient, knowledge: Knowledge, value: Any) -> None:
    """Prefetch is an object of keys, or is left out."""
    assert refusal_of(client, hook_call(knowledge) | {"prefetch": value}).startswith("prefetch: ")


@pytest.mark.parametrize(
    ("drafts", "path"),
    [
        ({}, "context.draftOrders.resourceType"),
        ({"resourceType": "MedicationRequest"}, "context.draftOrders.resourceType"),
        ({"resourceType": "Bundle", "entry": "text"}, "context.draftOrders.entry"),
        ({"resourceType": "Bundle", "entry": {}}, "context.draftOrders.entry"),
        ({"resourceType": "Bundle", "entry": [None]}, "context.draftOrders.entry[0].resource"),
        ({"resourceType": "Bundle", "entry": [{}]}, "context.draftOrders.entry[0].resource"),
        ({"resourceType": "Bundle", "entry": [{"resource": {"id": "1"}}]}, "context.draftOrders.entry[0].resource"),
    ],
    ids=str,
)
def test_draft_orders_that_cannot_be_told_are_refused(
    client: FlaskClient, knowledge: Knowledge, drafts: Any, path: str
) -> None:
    """Something among the drafts that is no resource may be an order, so it is never passed over."""
    body = hook_call(knowledge)
    body["context"]["draftOrders"] = drafts
    assert refusal_of(client, body).startswith(f"{path}: ")


@pytest.mark.parametrize("value", ["order-0", {}, 7, [1], [None]], ids=str)
def test_selections_of_the_wrong_type_are_refused(client: FlaskClient, knowledge: Knowledge, value: Any) -> None:
    """Selections are a list of references."""
    body = hook_call(knowledge, hook="order-select")
    body["context"]["selections"] = value
    assert refusal_of(client, body, url=SELECT).startswith("context.selections: ")


@pytest.mark.parametrize(
    "reference", ["Patient/other", "http://fhir.example/r4/Patient/other", "Patient/other/_history/3"]
)
@pytest.mark.parametrize("kind", ["MedicationRequest", "ServiceRequest"])
def test_an_order_for_another_patient_is_refused(
    client: FlaskClient, knowledge: Knowledge, kind: str, reference: str
) -> None:
    """One order of another patient and the call is refused: somebody's chart is open by mistake."""
    body = hook_call(knowledge)
    orders_in(body)[0].update({"resourceType": kind, "subject": {"reference": reference}})
    text = refusal_of(client, body)
    assert text.startswith("context.draftOrders.entry[0].resource.subject: ")
    assert "other" not in text.removeprefix("context.draftOrders.entry[0].resource.subject: is another patient")


@pytest.mark.parametrize(
    "subject",
    [
        {"reference": "urn:uuid:4f6e6b1c-1f5d-4f27-9a52-6cf0a4d4a1de"},
        {"identifier": {"system": "urn:mrn", "value": "17"}},
        {"display": "somebody"},
        {"reference": "https://fhir.example/r4/Patient/example"},
        {"reference": 7},
        "Patient/other",
        None,
    ],
    ids=str,
)
def test_a_subject_that_cannot_be_resolved_is_this_patient(
    client: FlaskClient, knowledge: Knowledge, subject: Any
) -> None:
    """An identifier, a urn or nothing at all does not say another patient."""
    body = hook_call(knowledge)
    orders_in(body)[0]["subject"] = subject
    assert cns_card(answer_of(client, body))


def test_a_patient_id_with_its_type_is_understood(client: FlaskClient, knowledge: Knowledge) -> None:
    """`Patient/example` as patientId is tolerated (CH-052)."""
    body = hook_call(knowledge)
    body["context"]["patientId"] = "Patient/example"
    assert cns_card(answer_of(client, body))


def test_the_url_decides_where_the_hook_does_not_fit(client: FlaskClient, knowledge: Knowledge) -> None:
    """A call of another hook at this address is answered, and the answer says so."""
    answer = answer_of(client, hook_call(knowledge) | {"hook": "order-select"}, SIGN)
    assert cns_card(answer)
    assert any("URL decides" in note for note in answer["extension"]["local.cds-service"]["notes"])


def test_unknown_members_are_ignored(client: FlaskClient, knowledge: Knowledge) -> None:
    """Vendor and future members change nothing (CH-009, CH-045, CH-185)."""
    body = hook_call(knowledge)
    more = copy.deepcopy(body) | {"extension": {"com.example": {"a": 1}}, "foo": 1}
    more["context"] |= {"foo": [None], "encounterId": "e1"}
    more["prefetch"] |= {"foo": {"resourceType": "Bundle"}, "allergies": None}
    assert answer_of(client, more) == answer_of(client, body)


def test_an_unknown_service_is_not_found(client: FlaskClient, knowledge: Knowledge) -> None:
    """404 is for the address, 400 for the body (CH-094)."""
    assert "no such service" in refusal_of(client, hook_call(knowledge), 404, "/cds-services/nothing")


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH"])
def test_a_service_is_called_with_post_only(client: FlaskClient, method: str) -> None:
    """Another method is a 405 that names the allowed one."""
    response = client.open(SIGN, method=method)
    assert response.status_code == 405
    assert "POST" in response.headers["Allow"]
    assert outcome_text(response)


def test_an_address_that_leads_nowhere_points_to_discovery(client: FlaskClient) -> None:
    """Any other address is a 404 with an OperationOutcome."""
    response = client.get("/anything")
    assert (response.status_code, "/cds-services" in outcome_text(response)) == (404, True)


def test_a_body_that_is_too_large_is_refused(knowledge: Knowledge) -> None:
    """A body above CDS_MAX_BODY is a 413, one below it is answered."""
    client = app_of(read_settings({"CDS_AUTH": "off", "CDS_MAX_BODY": "20000"})).test_client()
    body = hook_call(knowledge)
    assert cns_card(answer_of(client, body))
    body["context"]["draftOrders"]["note"] = "x" * 20000
    assert "larger" in refusal_of(client, body, 413)


def test_entries_without_an_id_are_checked(client: FlaskClient, knowledge: Knowledge) -> None:
    """Ids are optional (CH-058); without one there is advice, but nothing that changes the order."""
    body = hook_call(knowledge)
    del orders_in(body)[0]["id"], body["prefetch"]["medicationRequests"]["entry"][0]["resource"]["id"]
    card = cns_card(answer_of(client, body))
    actions = [action for s in card.get("suggestions", []) for action in s["actions"]]
    assert {action["type"] for action in actions} <= {"create"}


def test_a_resource_of_another_patient_in_the_chart_is_not_used(client: FlaskClient, knowledge: Knowledge) -> None:
    """Another patient's baclofen is no partner, and the answer counts what was left out (CH-078)."""
    body = hook_call(knowledge)
    entry = body["prefetch"]["medicationRequests"]["entry"][0]["resource"]
    body["prefetch"]["medicationRequests"] = bundle({**entry, "subject": {"reference": "Patient/other"}})
    answer = answer_of(client, body)
    assert not cards_of_topic(answer, "cns-depression")
    assert answer["extension"]["local.cds-service"]["notes"] == ["1 chart resources of another patient were not used"]
