"""What fuzzing has found: each failure once, as a plain test."""

from __future__ import annotations

import pytest
from flask.testing import FlaskClient

from cds_service.core.values import Knowledge
from cds_service.fhir.request import MOST_ORDERS
from cds_service.web.json_body import write_json
from tests.helpers import JSON, answer_of, hook_call, orders_in, refusal_of
from tests.hostile import guarded

# Drugs of which each two, or each three, draw cards, alternatives and dose checks; found with 50 to 2,000 orders.
CROWDS = {
    "one drug": ["baclofen"],
    "drugs that meet": [
        "baclofen",
        "gabapentin 300 MG Oral Capsule",
        "oxycodone 5 MG Oral Tablet",
        "amitriptyline 25 MG Oral Tablet",
        "diazepam 5 MG Oral Tablet",
        "warfarin 5 MG Oral Tablet",
        "ibuprofen 400 MG Oral Tablet",
        "lisinopril 10 MG Oral Tablet",
    ],
    "three at a time": ["lisinopril", "furosemide", "ibuprofen"],
}


def crowd(knowledge: Knowledge, drugs: list[str], count: int) -> JSON:
    """A call with so many draft orders."""
    return hook_call(knowledge, [drugs[number % len(drugs)] for number in range(count)])


@pytest.mark.parametrize("drugs", CROWDS.values(), ids=CROWDS)
def test_a_crowd_of_orders_is_checked_in_time(client: FlaskClient, knowledge: Knowledge, drugs: list[str]) -> None:
    """The most orders that are let in took minutes, as the work grew with the third power of their number."""
    with guarded():
        assert answer_of(client, crowd(knowledge, drugs, MOST_ORDERS))["cards"]


@pytest.mark.parametrize("number", ["1e999999999", "-1e99999999", "0e999999999", "1.5E-999999999", "1e401"])
@pytest.mark.parametrize("member", ["numberOfRepeatsAllowed", "dosageInstruction"])
def test_a_number_of_absurd_size_is_refused(
    client: FlaskClient, knowledge: Knowledge, member: str, number: str
) -> None:
    """Made an integer by the validation of the order, 1e999999999 took for ever and all memory."""
    body = hook_call(knowledge)
    order = orders_in(body)[0]
    order["dispenseRequest"] = {"numberOfRepeatsAllowed": "here" if member == "numberOfRepeatsAllowed" else 1}
    order["dosageInstruction"][0]["timing"]["repeat"]["frequency"] = "here" if member == "dosageInstruction" else 1
    with guarded():
        assert refusal_of(client, write_json(body).replace(b'"here"', number.encode())).startswith("the request body: ")


@pytest.mark.parametrize("value", ["Patient/", "Patient/  "])
def test_a_reference_without_an_id_names_no_patient(client: FlaskClient, knowledge: Knowledge, value: str) -> None:
    """It was taken for a patient with an empty id, whom every chart fits and whom no suggestion can name."""
    body = hook_call(knowledge)
    body["context"]["patientId"] = value
    assert refusal_of(client, body).startswith("context.patientId: ")


def test_more_orders_than_can_be_checked_are_refused(client: FlaskClient, knowledge: Knowledge) -> None:
    """One more is refused with the path, never checked in part."""
    body = crowd(knowledge, CROWDS["one drug"], MOST_ORDERS + 1)
    assert refusal_of(client, body).startswith("context.draftOrders.entry: ")
