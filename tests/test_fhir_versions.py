"""The same call in R4, R5, STU3 and DSTU2: the same cards, and orders written back in the version that was sent."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from hypothesis import given
from hypothesis import strategies as st

from cds_service.core.values import Knowledge
from cds_service.fhir.validation import validate
from cds_service.fixtures import Fixture, fixtures_folder, read_fixture
from cds_service.web.json_body import read_json, write_json
from tests import strategies as ours
from tests.fhir_converter import cannot_be_told, converted
from tests.helpers import (
    BACLOFEN,
    GABAPENTIN,
    JSON,
    SIGN,
    answer_of,
    apply_suggestion,
    bundle,
    cards_of_topic,
    cns_card,
    hook_call,
    notices_of,
    orders_in,
    post,
    rules_of,
    suggestions_of,
)
from tests.refresh_fixtures import client_on
from tests.test_fixtures import FIXTURES, OWN_AND_VALID, actions_in, resources_in

OTHERS = ("R5", "STU3", "DSTU2")
WRITTEN = ("R4", "R5", "STU3")
# Made for the differential test: valid calls in R4 that are answered with cards.
CASES = [f for f in OWN_AND_VALID if f.status == 200 and not f.name.startswith("fhir-")]
NO_RESULTS = {"age": 40}
KIND_OF_TEST = {"R4": "ServiceRequest", "R5": "ServiceRequest", "STU3": "ProcedureRequest"}

each_other = pytest.mark.parametrize("version", OTHERS)
each_written = pytest.mark.parametrize("version", WRITTEN)
CASES_TOLD = [(c, v) for c in CASES for v in OTHERS if not cannot_be_told(read_json(c.request()), v)]
each_case_told = pytest.mark.parametrize(("case", "version"), CASES_TOLD, ids=lambda p: getattr(p, "name", p))


def call_in(version: str, body: JSON) -> JSON:
    """The hook call in a version."""
    return body if version == "R4" else converted(body, version)


def signed(knowledge: Knowledge, version: str, *lines: Any, **more: Any) -> JSON:
    """A hook call in a version; its orders name encounter and requester, as those of an EHR do."""
    body = hook_call(knowledge, *lines, **more)
    body["context"]["encounterId"] = "e1"
    for order in orders_in(body):
        order |= {"encounter": {"reference": "Encounter/e1"}, "requester": {"reference": "Practitioner/example"}}
    return call_in(version, body)


def answered(fixture: Fixture, body: JSON) -> JSON:
    """The answer to a body on the day of a fixture, with exact numbers."""
    client, url = client_on(fixture.today), f"/cds-services/{fixture.service}"
    return read_json(post(client, body, url).get_data())


def told(card: JSON, version: str) -> JSON:
    """What a card says, without uuids, keys of orders and resources; DSTU2 may lack what cannot be written in it."""
    seen: JSON = {name: card.get(name) for name in ("summary", "indicator", "source", "overrideReasons", "links")}
    seen["rules"] = rules_of(card)
    if version != "DSTU2":
        seen["detail"] = card["detail"]
        seen["suggestions"] = [
            (s["label"], [(a["type"], a["description"]) for a in s["actions"]]) for s in card.get("suggestions", [])
        ]
    return seen


def assert_same_cards(first: JSON, other: JSON, version: str) -> None:
    """Card for card the same; in DSTU2 with no more than the removal of a draft, and no word about more."""
    assert [told(card, version) for card in other["cards"]] == [told(card, version) for card in first["cards"]]
    if version == "DSTU2":
        for card, same in zip(first["cards"], other["cards"], strict=True):
            assert {a["type"] for s in same.get("suggestions", []) for a in s["actions"]} <= {"delete"}
            assert set(same["detail"].splitlines()) <= set(card["detail"].splitlines())
            kept = [s["label"] for s in card.get("suggestions", []) if s["actions"][0]["type"] == "delete"]
            assert [s["label"] for s in same.get("suggestions", [])] == kept


# --- The same cards ----------------------------------------------------------------------------------


@each_case_told
def test_a_call_in_another_version_gets_the_same_cards(case: Fixture, version: str) -> None:
    """Every fixture, converted to the other versions, is answered as it is in R4 (CH-062, CH-065, CH-066)."""
    body = read_json(case.request())
    assert_same_cards(answered(case, body), answered(case, converted(body, version)), version)


@each_case_told
def test_a_call_in_one_version_is_not_noted_as_mixed(case: Fixture, version: str) -> None:
    """A conversion is valid in its version, and the service finds nothing odd that R4 did not have."""
    body = read_json(case.request())
    told_in = converted(body, version)
    faults = {r["resourceType"]: f for r in resources_in(told_in) if (f := validate(r, version))}
    assert not faults
    first, other = answered(case, body), answered(case, told_in)
    for member in ("notes", "invalidOrders"):
        own = "local.cds-service"
        assert other.get("extension", {}).get(own, {}).get(member) == first.get("extension", {}).get(own, {}).get(
            member
        )


@ours.BOUNDED
@given(session=ours.sessions(ours.ANY_AGE), version=st.sampled_from(OTHERS))
def test_any_session_gets_the_same_cards(app: Flask, knowledge: Knowledge, session: JSON, version: str) -> None:
    """Generated sessions of real drugs, doses, routes, results and problems: the version decides nothing."""
    body = hook_call(knowledge, session["ordering"], session["taking"], session["facts"])
    if not cannot_be_told(body, version):
        client = app.test_client()
        assert_same_cards(answer_of(client, body), answer_of(client, converted(body, version)), version)


@each_other
def test_a_stop_order_ends_its_own_order_only(client: FlaskClient, knowledge: Knowledge, version: str) -> None:
    """A second order of the drug goes on, in DSTU2 as well, where orders have another name."""
    oxycodone = "oxycodone hydrochloride 5 MG Oral Tablet"
    body = hook_call(knowledge, [GABAPENTIN, oxycodone], [oxycodone, oxycodone])
    orders_in(body)[1] |= {"id": "taking-0", "status": "stopped"}
    first = answer_of(client, body)
    assert cns_card(first)["indicator"] != "info"
    assert_same_cards(first, answer_of(client, converted(body, version)), version)


@each_other
def test_a_dose_in_a_statement_counts(client: FlaskClient, knowledge: Knowledge, version: str) -> None:
    """What is taken already adds to the dose that is ordered, wherever a version's statements have their dose."""
    ordered = {"drug": "acetaminophen 500 MG Oral Tablet", "dose": "2 tablets", "times_a_day": 3}
    taken = {"drug": "acetaminophen 325 MG / oxycodone 5 MG Oral Tablet", "dose": "2 tablets", "times_a_day": 4}
    body = hook_call(knowledge, [ordered], [taken])
    statement = body["prefetch"]["medicationRequests"].pop("entry")[0]["resource"]
    statement |= {"resourceType": "MedicationStatement", "dosage": statement.pop("dosageInstruction")}
    del statement["intent"], statement["authoredOn"]
    body["prefetch"]["medicationStatements"] = bundle(statement)
    first = answer_of(client, body)
    assert "5,600" in str(first["cards"])
    assert_same_cards(first, answer_of(client, converted(body, version)), version)


# --- What is written ---------------------------------------------------------------------------------


def actions_of_cases(version: str) -> Iterator[tuple[JSON, JSON]]:
    """(action, draft orders by Type/id) of every suggestion of every case in a version."""
    for case in CASES:
        body = read_json(case.request())
        if version == "R4" or not cannot_be_told(body, version):
            told_in = call_in(version, copy.deepcopy(body))
            orders = {f"{o['resourceType']}/{o.get('id')}": o for o in orders_in(told_in)}
            yield from ((action, orders) for action in actions_in(answered(case, told_in)))


@each_written
def test_every_written_order_is_valid_in_its_version(version: str) -> None:
    """New and changed orders of all cases pass fhir.resources; there are some of each kind."""
    seen = set()
    for action, orders in actions_of_cases(version):
        seen.add(action["type"])
        if action["type"] == "delete":
            assert action["resourceId"] in orders
            continue
        resource = action["resource"]
        assert validate(resource, version) == []
        expected = KIND_OF_TEST[version] if action["type"] == "create" else "MedicationRequest"
        assert resource["resourceType"] == expected
    assert seen == {"create", "update", "delete"}


@each_written
def test_an_update_keeps_the_rest_of_the_order(version: str) -> None:
    """Outside dosage, amount, narrative and (for another drug) the drug, every member is as it came."""
    touched = {"dosageInstruction", "dispenseRequest", "text", "medicationCodeableConcept", "medication"}
    updates = [(a["resource"], orders) for a, orders in actions_of_cases(version) if a["type"] == "update"]
    assert updates
    for after, orders in updates:
        before = orders[f"MedicationRequest/{after['id']}"]
        assert {k: v for k, v in after.items() if k not in touched} == {
            k: v for k, v in before.items() if k not in touched
        }


def the_test_ordered(client: FlaskClient, body: JSON) -> JSON:
    """The one suggestion of a new order."""
    (suggestion,) = suggestions_of(answer_of(client, body), "create")
    return suggestion


@each_written
def test_a_test_is_ordered_in_the_version_of_the_call(client: FlaskClient, knowledge: Knowledge, version: str) -> None:
    """Kind, code, reason, encounter and requester stand where the version has them."""
    body = signed(knowledge, version, facts=NO_RESULTS)
    order = the_test_ordered(client, body)["actions"][0]["resource"]
    assert validate(order, version) == []
    assert order["resourceType"] == KIND_OF_TEST[version]
    code = order["code"]["concept"] if version == "R5" else order["code"]
    assert code["coding"][0]["system"] == "http://loinc.org"
    reason = order["reason"][0]["concept"] if version == "R5" else order["reasonCode"][0]
    assert reason["text"]
    assert order["context" if version == "STU3" else "encounter"] == {"reference": "Encounter/e1"}
    requester = order["requester"]["agent"] if version == "STU3" else order["requester"]
    assert requester == {"reference": "Practitioner/example"}


def test_a_role_orders_nothing_in_stu3(client: FlaskClient, knowledge: Knowledge) -> None:
    """ProcedureRequest.requester.agent is no PractitionerRole in STU3; in R4 a role may order."""
    for version, expected in (("R4", {"reference": "PractitionerRole/1"}), ("STU3", None)):
        body = signed(knowledge, version, facts=NO_RESULTS)
        body["context"]["userId"] = "PractitionerRole/1"
        order = the_test_ordered(client, body)["actions"][0]["resource"]
        assert order.get("requester") == expected


@each_written
def test_an_ordered_test_settles_its_suggestion(client: FlaskClient, knowledge: Knowledge, version: str) -> None:
    """The new order among the drafts is known again, whatever its version calls it."""
    body = signed(knowledge, version, facts=NO_RESULTS)
    again = answer_of(client, apply_suggestion(body, the_test_ordered(client, body)))
    assert suggestions_of(again, "create") == []
    assert "notes" not in again["extension"]["local.cds-service"]


@each_written
def test_a_staggered_order_is_read_again(client: FlaskClient, knowledge: Knowledge, version: str) -> None:
    """Clock times are written where the reader of the version finds them, and the dose stays in its place."""
    body = signed(knowledge, version)
    (suggestion,) = suggestions_of(answer_of(client, body), "update")
    before, (dosage,) = orders_in(body)[0], suggestion["actions"][0]["resource"]["dosageInstruction"]
    assert len(dosage["timing"]["repeat"]["timeOfDay"]) == 3
    place = "doseQuantity" if version == "STU3" else "doseAndRate"
    assert dosage[place] == before["dosageInstruction"][0][place]
    assert suggestions_of(answer_of(client, apply_suggestion(body, suggestion)), "update") == []


@each_written
def test_a_reduced_dose_is_read_again(version: str) -> None:
    """The dose that replaces one above the limit draws no dose card any more."""
    case = read_fixture(fixtures_folder() / "gabapentin-600-crcl-40")
    body = call_in(version, read_json(case.request()))
    answer = answered(case, body)
    (suggestion,) = [s for s in suggestions_of(answer, "update") if "Reduce" in s["label"]]
    again = answered(case, apply_suggestion(body, suggestion))
    assert len(again["cards"]) < len(answer["cards"])


def test_a_changed_r5_order_loses_the_text_of_its_old_dosage(client: FlaskClient, knowledge: Knowledge) -> None:
    """`renderedDosageInstruction` is the dosage in words, which the change makes untrue."""
    body = signed(knowledge, "R5")
    orders_in(body)[0]["renderedDosageInstruction"] = "one capsule three times a day"
    (suggestion,) = suggestions_of(answer_of(client, body), "update")
    assert "renderedDosageInstruction" not in suggestion["actions"][0]["resource"]


@pytest.mark.parametrize("version", ["R4", "R5", "STU3"])
def test_another_drug_takes_the_place_of_the_contained_one(
    client: FlaskClient, knowledge: Knowledge, version: str
) -> None:
    """A replaced drug leaves neither its reference nor the Medication it was contained in."""
    body = signed(knowledge, "R4", ["clarithromycin 500 MG Oral Tablet"], ["simvastatin 20 MG Oral Tablet"])
    order = orders_in(body)[0]
    code = order.pop("medicationCodeableConcept")
    order |= {
        "contained": [{"resourceType": "Medication", "id": "m", "code": code}],
        "medicationReference": {"reference": "#m"},
    }
    body = call_in(version, body)
    if version == "R5":
        orders_in(body)[0]["effectiveDosePeriod"] = {"start": "2026-11-22", "end": "2026-11-29"}
    changed = [s["actions"][0]["resource"] for s in suggestions_of(answer_of(client, body), "update")]
    assert changed
    for resource in changed:
        assert validate(resource, version) == []
        assert not {"contained", "effectiveDosePeriod", "dosageInstruction"} & resource.keys()
        concept = resource["medication"]["concept"] if version == "R5" else resource["medicationCodeableConcept"]
        assert concept["text"] == "azithromycin"


# --- DSTU2 -------------------------------------------------------------------------------------------


def test_dstu2_is_checked_and_nothing_is_written(client: FlaskClient, knowledge: Knowledge) -> None:
    """Cards as in R4, without a new test or a changed order; the draft is still named by its own kind."""
    for facts in ({"age": 40, "egfr": 95}, NO_RESULTS):
        answer = answer_of(client, signed(knowledge, "DSTU2", facts=facts))
        card = cns_card(answer)
        assert "suggestions" not in card
        assert "Staggering" not in card["detail"]
        assert card["extension"]["local.cds-service"]["orders"] == ["MedicationOrder/order-0"]
        assert "invalidOrders" not in answer["extension"]["local.cds-service"]


def test_a_draft_in_dstu2_may_be_removed(client: FlaskClient, knowledge: Knowledge) -> None:
    """A removal names the order and needs no resource."""
    body = hook_call(knowledge, ["naltrexone 50 MG Oral Tablet"], ["oxycodone hydrochloride 5 MG Oral Tablet"])
    answer = answer_of(client, converted(body, "DSTU2"))
    (suggestion,) = suggestions_of(answer, "delete")
    assert suggestion["actions"][0]["resourceId"] == "MedicationOrder/order-0"


def test_no_other_drug_is_written_into_a_dstu2_order(client: FlaskClient, knowledge: Knowledge) -> None:
    """An alternative would be an update, so it is not offered."""
    body = hook_call(knowledge, ["clarithromycin 500 MG Oral Tablet"], ["simvastatin 20 MG Oral Tablet"])
    assert suggestions_of(answer_of(client, body), "update")
    assert suggestions_of(answer_of(client, converted(body, "DSTU2")), "update") == []


def test_one_dstu2_order_stands_for_the_list(client: FlaskClient, knowledge: Knowledge) -> None:
    """A MedicationOrder that came alone, not in a Bundle, is the medication list."""
    body = converted(hook_call(knowledge), "DSTU2")
    body["prefetch"]["medicationRequests"] = body["prefetch"]["medicationRequests"]["entry"][0]["resource"]
    answer = answer_of(client, body)
    assert cns_card(answer)
    assert notices_of(answer) == []


# --- What does not count -----------------------------------------------------------------------------

NOT_TAKEN = [
    ("STU3", "medicationStatements", {"status": "active", "taken": "n"}),
    ("STU3", "medicationDispenses", {"status": "completed", "notDone": True}),
    ("STU3", "medicationAdministrations", {"status": "completed", "notGiven": True}),
    ("DSTU2", "medicationStatements", {"status": "active", "wasNotTaken": True}),
    ("DSTU2", "medicationAdministrations", {"status": "completed", "wasNotGiven": True}),
    ("DSTU2", "medicationAdministrations", {"status": "completed", "effectiveTimeDateTime": "2026-06-01T08:00:00Z"}),
    ("DSTU2", "medicationOrders", {"status": "active", "dateEnded": "2026-01-31"}),
    ("R5", "medicationStatements", {"status": "recorded", "adherence": {"code": {"coding": [{"code": "not-taking"}]}}}),
    ("R5", "medicationStatements", {"status": "recorded", "adherence": {"code": {"coding": [{"code": "stopped"}]}}}),
    ("R5", "medicationRequests", {"status": "ended"}),
    ("R5", "medicationAdministrations", {"status": "not-done"}),
    ("R5", "medicationAdministrations", {"status": "completed", "occurenceDateTime": "2026-06-01T08:00:00Z"}),
]
STILL_TAKEN = [
    ("STU3", "medicationStatements", {"status": "active", "taken": "unk"}),
    ("STU3", "medicationDispenses", {"status": "completed", "notDone": False}),
    ("DSTU2", "medicationStatements", {"status": "active", "wasNotTaken": False}),
    ("DSTU2", "medicationAdministrations", {"status": "completed", "effectiveTimeDateTime": "2026-11-22T08:00:00Z"}),
    ("DSTU2", "medicationOrders", {"status": "active", "dateEnded": "2027-01-31"}),
    ("R5", "medicationStatements", {"status": "recorded"}),
    ("R5", "medicationStatements", {"status": "recorded", "adherence": {"code": {"coding": [{"code": "taking"}]}}}),
    ("R5", "medicationAdministrations", {"status": "completed", "occurenceDateTime": "2026-11-22T08:00:00Z"}),
]


def with_baclofen_as(knowledge: Knowledge, version: str, key: str, members: JSON) -> JSON:
    """A call ordering gabapentin, with baclofen in one source of the chart."""
    body = converted(hook_call(knowledge, taking=[]), version)
    entry: JSON = {"resourceType": key[0].upper() + key[1:-1], "id": "1"} | members
    concept = {"text": "baclofen 10 MG Oral Tablet"}
    entry |= {"medication": {"concept": concept}} if version == "R5" else {"medicationCodeableConcept": concept}
    entry["patient" if version == "DSTU2" else "subject"] = {"reference": "Patient/example"}
    body["prefetch"]["medicationRequests" if key == "medicationOrders" else key] = bundle(entry)
    return body


@pytest.mark.parametrize(("version", "key", "members"), NOT_TAKEN)
def test_what_is_not_taken_does_not_count(
    client: FlaskClient, knowledge: Knowledge, version: str, key: str, members: JSON
) -> None:
    """Each version says in its own way that a drug was not taken, not given, or is over."""
    assert not cards_of_topic(answer_of(client, with_baclofen_as(knowledge, version, key, members)), "cns-depression")


@pytest.mark.parametrize(("version", "key", "members"), STILL_TAKEN)
def test_what_may_be_taken_counts(
    client: FlaskClient, knowledge: Knowledge, version: str, key: str, members: JSON
) -> None:
    """Unknown never counts as not taken."""
    assert cns_card(answer_of(client, with_baclofen_as(knowledge, version, key, members)))


@pytest.mark.parametrize("version", ["R4", *OTHERS])
@pytest.mark.parametrize(
    ("name", "code", "counts"),
    [
        ("clinicalStatus", "active", True),
        ("clinicalStatus", "resolved", False),
        ("verificationStatus", "refuted", False),
        ("verificationStatus", "entered-in-error", False),
    ],
)
def test_a_problem_that_is_over_or_refuted_does_not_count(
    client: FlaskClient, knowledge: Knowledge, version: str, name: str, code: str, counts: bool
) -> None:
    """A status is a code in STU3 and DSTU2; sleep apnoea makes the card louder as long as it counts."""
    body = hook_call(knowledge, facts={"age": 40, "egfr": 95, "conditions": ["sleep-apnoea"]})
    problem = body["prefetch"]["conditions"]["entry"][0]["resource"]
    problem[name] = {"coding": [{"code": code}]}
    loud = cns_card(answer_of(client, call_in(version, body)))["indicator"] != "info"
    assert loud == counts


@each_other
def test_as_needed_is_read(client: FlaskClient, knowledge: Knowledge, version: str) -> None:
    """An order to be taken as needed is never rewritten; R5 has another member for it."""
    body = converted(hook_call(knowledge, [GABAPENTIN | {"as_needed": True}]), version)
    assert "asNeeded" in str(orders_in(body)[0])
    assert suggestions_of(answer_of(client, body), "update") == []


# --- The drug by reference -----------------------------------------------------------------------------

BACLOFEN_CODE = {"text": "baclofen 10 MG Oral Tablet"}
MEDICATIONS = {
    "R5": {"ingredient": [{"item": {"concept": BACLOFEN_CODE}}]},
    "STU3": {"isBrand": False, "ingredient": [{"itemCodeableConcept": BACLOFEN_CODE}]},
    "DSTU2": {"isBrand": False, "product": {"ingredient": [{"item": {"display": "baclofen 10 MG Oral Tablet"}}]}},
}


@each_other
@pytest.mark.parametrize("place", ["contained", "prefetch"])
def test_a_medication_told_by_its_ingredients_is_found(
    client: FlaskClient, knowledge: Knowledge, version: str, place: str
) -> None:
    """Each version lists ingredients in its own way; the Medication may have no code at all."""
    body = converted(hook_call(knowledge), version)
    taken = body["prefetch"]["medicationRequests"]["entry"][0]["resource"]
    medication = {"resourceType": "Medication", "id": "m"} | MEDICATIONS[version]
    reference = {"reference": "#m" if place == "contained" else "Medication/m"}
    taken.pop("medicationCodeableConcept", None)
    taken |= {"medication": {"reference": reference}} if version == "R5" else {"medicationReference": reference}
    if place == "contained":
        taken["contained"] = [medication]
    else:
        body["prefetch"]["medicationRequests"]["entry"].append({"resource": medication})
    assert cns_card(answer_of(client, body))


def test_an_ingredient_by_reference_is_found(client: FlaskClient, knowledge: Knowledge) -> None:
    """DSTU2 names an ingredient by reference only: a contained Substance says what it is."""
    body = converted(hook_call(knowledge), "DSTU2")
    taken = body["prefetch"]["medicationRequests"]["entry"][0]["resource"]
    del taken["medicationCodeableConcept"]
    taken["medicationReference"] = {"reference": "#m"}
    product = {"ingredient": [{"item": {"reference": "#s"}}]}
    taken["contained"] = [
        {"resourceType": "Medication", "id": "m", "product": product},
        {"resourceType": "Substance", "id": "s", "code": BACLOFEN_CODE},
    ]
    assert cns_card(answer_of(client, body))


# --- Which version it is -------------------------------------------------------------------------------

PLAIN: JSON = {
    "resourceType": "MedicationRequest",
    "id": "1",
    "status": "draft",
    "intent": "order",
    "subject": {"reference": "Patient/example"},
    "medicationCodeableConcept": {"text": "gabapentin 300 MG Oral Capsule"},
}
ONE = {"doseQuantity": {"value": 1, "unit": "capsule", "code": "{capsule}"}}
BARE = {"dosageInstruction": [ONE]}
LISTED = {"dosageInstruction": [{"doseAndRate": [ONE]}]}
SINGLE = {"dosageInstruction": [{"doseAndRate": ONE}]}
SIGNS = [
    ({}, "ServiceRequest"),
    (LISTED, "ServiceRequest"),
    (SINGLE, "ServiceRequest"),
    ({"category": {"coding": [{"code": "community"}]}} | LISTED, "ServiceRequest"),
    ({"encounter": {"reference": "Encounter/1"}} | BARE, "ServiceRequest"),
    ({"requester": {"reference": "Practitioner/1"}} | BARE, "ServiceRequest"),
    (BARE, "ProcedureRequest"),
    ({"context": {"reference": "Encounter/1"}}, "ProcedureRequest"),
    ({"context": {"reference": "Encounter/1"}} | SINGLE, "ProcedureRequest"),
    ({"requester": {"agent": {"reference": "Practitioner/1"}}}, "ProcedureRequest"),
    ({"definition": [{"reference": "ActivityDefinition/1"}]}, "ProcedureRequest"),
    ({"context": {"reference": "Encounter/1"}, "encounter": {"reference": "Encounter/1"}}, "ServiceRequest"),
]


def call_with(knowledge: Knowledge, *orders: JSON) -> JSON:
    """A call with these drafts and a chart that tells no version."""
    body = hook_call(knowledge, taking=[], facts=NO_RESULTS)
    body["context"]["draftOrders"]["entry"] = [{"resource": copy.deepcopy(order)} for order in orders]
    statement = {"resourceType": "MedicationStatement", "id": "2", "status": "active"}
    body["prefetch"]["medicationStatements"] = bundle(statement | {"medicationCodeableConcept": BACLOFEN_CODE})
    return body


def created(answer: JSON) -> list[str]:
    """Kinds of the new orders that an answer offers."""
    return [s["actions"][0]["resource"]["resourceType"] for s in suggestions_of(answer, "create")]


@pytest.mark.parametrize(("members", "kind"), SIGNS, ids=str)
def test_the_version_of_an_order_is_told_by_its_members(
    client: FlaskClient, knowledge: Knowledge, members: JSON, kind: str
) -> None:
    """What only STU3 has is STU3; what could be either is R4."""
    assert created(answer_of(client, call_with(knowledge, PLAIN | members))) == [kind]


@pytest.mark.parametrize(
    ("order", "chart", "kind"),
    [
        (BARE, {"clinicalStatus": {"coding": [{"code": "active"}]}}, "ServiceRequest"),
        ({}, {"clinicalStatus": "active"}, "ProcedureRequest"),
        ({}, {"verificationStatus": "confirmed", "assertedDate": "2020-01-01"}, "ProcedureRequest"),
        ({}, {"clinicalStatus": {"coding": [{"code": "active"}]}}, "ServiceRequest"),
    ],
    ids=str,
)
def test_where_an_order_fits_two_versions_the_chart_decides(
    client: FlaskClient, knowledge: Knowledge, order: JSON, chart: JSON, kind: str
) -> None:
    """A bare dose in a chart of R4 is the mistake of a published sample; a plain order in a chart of STU3 is STU3."""
    body = call_with(knowledge, PLAIN | order)
    problem = {"resourceType": "Condition", "id": "3", "code": {"text": "x"}, "subject": PLAIN["subject"]}
    body["prefetch"]["conditions"] = bundle(problem | chart)
    answer = answer_of(client, body)
    assert created(answer) == [kind]
    assert "notes" not in answer["extension"]["local.cds-service"]


def test_a_form_not_filled_in_decides_nothing(client: FlaskClient, knowledge: Knowledge) -> None:
    """An order without a drug beside an R5 order does not make the call a mixed one."""
    form = {k: v for k, v in PLAIN.items() if k != "medicationCodeableConcept"} | {"id": "2"}
    newer = {k: v for k, v in PLAIN.items() if k != "medicationCodeableConcept"}
    newer["medication"] = {"concept": PLAIN["medicationCodeableConcept"]}
    body = call_with(knowledge, newer, form)
    body["prefetch"]["medicationStatements"] = bundle()
    body["prefetch"]["medicationRequests"] = bundle(newer | {"id": "3", "status": "active"})
    body["prefetch"]["medicationRequests"]["entry"][0]["resource"]["medication"] = {"concept": BACLOFEN_CODE}
    answer = answer_of(client, body)
    assert created(answer) == ["ServiceRequest"]
    assert "notes" not in answer["extension"]["local.cds-service"]


ORDER_OF = {
    "R4": PLAIN | {"encounter": {"reference": "Encounter/1"}},
    "STU3": PLAIN | {"context": {"reference": "Encounter/1"}},
    "R5": {k: v for k, v in PLAIN.items() if k != "medicationCodeableConcept"}
    | {"medication": {"concept": PLAIN["medicationCodeableConcept"]}},
    "DSTU2": {k: v for k, v in PLAIN.items() if k not in ("intent", "subject")}
    | {"resourceType": "MedicationOrder", "patient": PLAIN["subject"]},
}


@pytest.mark.parametrize("other", ["R5", "STU3", "DSTU2"])
def test_drafts_of_two_versions_are_each_read(client: FlaskClient, knowledge: Knowledge, other: str) -> None:
    """Both orders are checked, a note names the versions, and no new order is written that one side cannot read."""
    answer = answer_of(client, call_with(knowledge, ORDER_OF["R4"], ORDER_OF[other] | {"id": "9"}))
    kind = ORDER_OF[other]["resourceType"]
    assert cns_card(answer)["extension"]["local.cds-service"]["orders"] == sorted(["MedicationRequest/1", f"{kind}/9"])
    (note,) = answer["extension"]["local.cds-service"]["notes"]
    assert "R4" in note
    assert other in note
    assert created(answer) == []


@each_other
def test_a_chart_of_another_version_is_read(client: FlaskClient, knowledge: Knowledge, version: str) -> None:
    """Drafts in R4 with a chart of another version: its drugs are partners, and what is written is R4."""
    body = signed(knowledge, "R4", facts=NO_RESULTS)
    body["prefetch"] = converted(body, version)["prefetch"]
    answer = answer_of(client, body)
    assert cns_card(answer)
    assert created(answer) == ["ServiceRequest"]
    if version != "STU3":  # nothing in this chart differs between R4 and STU3 but the place of a dose
        assert any(version in note for note in answer["extension"]["local.cds-service"]["notes"])


@pytest.mark.parametrize(
    "dosage", [{"timing": {"repeat": {"period": 1, "periodUnits": "d"}}}, {"quantityQuantity": {"value": 1}}], ids=str
)
def test_dstu2_is_told_by_its_dosage_too(client: FlaskClient, knowledge: Knowledge, dosage: JSON) -> None:
    """A statement that does not say whose it is may still name period and dose as DSTU2 does."""
    body = call_with(knowledge, ORDER_OF["R4"])
    body["prefetch"]["medicationStatements"]["entry"][0]["resource"]["dosage"] = [dosage]
    (note,) = answer_of(client, body)["extension"]["local.cds-service"]["notes"]
    assert "(R4, DSTU2)" in note


# --- Odd shapes ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", ["bare", "single"])
def test_a_dose_in_the_place_of_another_version_is_read(shape: str) -> None:
    """Published samples put the dose of R4 where STU3 has it, and one object where R4 has a list (CH-064)."""
    case = read_fixture(fixtures_folder() / "gabapentin-600-crcl-40")
    body = read_json(case.request())
    expected = answered(case, body)
    for order in orders_in(body):
        (dosage,) = order["dosageInstruction"]
        (rate,) = dosage.pop("doseAndRate")
        dosage |= {"doseQuantity": rate["doseQuantity"]} if shape == "bare" else {"doseAndRate": rate}
    answer = answered(case, body)
    assert [c["summary"] for c in answer["cards"]] == [c["summary"] for c in expected["cards"]]
    assert answer["extension"]["local.cds-service"]["invalidOrders"]


@each_written
def test_an_invalid_order_is_reported_by_its_own_version(
    client: FlaskClient, knowledge: Knowledge, version: str
) -> None:
    """One category is right in STU3 and wrong in R4 and R5; a member nobody defines is wrong everywhere."""
    body = signed(knowledge, version)
    orders_in(body)[0]["category"] = {"coding": [{"code": "community"}]}
    report = answer_of(client, body)["extension"]["local.cds-service"]
    assert ("invalidOrders" in report) == (version != "STU3")
    orders_in(body)[0]["madeUp"] = 1
    report = answer_of(client, body)["extension"]["local.cds-service"]
    assert "?: extra_forbidden" in str(report["invalidOrders"])


@each_other
@pytest.mark.parametrize(
    "spoiled",
    [
        {"dosageInstruction": "daily"},
        {"dosageInstruction": [None, 7]},
        {"status": 5},
        {"contained": {}},
        {"category": 1},
    ],
    ids=str,
)
def test_a_malformed_order_is_checked_all_the_same(
    client: FlaskClient, knowledge: Knowledge, version: str, spoiled: JSON
) -> None:
    """A member of the wrong type costs only what stood in it."""
    body = signed(knowledge, version)
    orders_in(body)[0].update(spoiled)
    assert cns_card(answer_of(client, body))


# --- The Sandbox ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("case", [f for f in FIXTURES if f.name.startswith("sandbox-")], ids=lambda case: case.name)
def test_every_body_of_the_sandbox_goes_through(case: Fixture) -> None:
    """Each is answered, orders of DSTU2 as well, and no medication in them is left unread."""
    response = post(client_on(case.today), case.request(), f"/cds-services/{case.service}")
    assert response.status_code == case.status
    if case.status == 200:
        assert "order-not-checked" not in notices_of(read_json(response.get_data()))


def test_the_sandbox_on_a_dstu2_server_is_checked_against_its_chart() -> None:
    """The order of the Sandbox's own body meets what the patient takes, sent as MedicationOrder."""
    case = read_fixture(fixtures_folder() / "sandbox-order-select-dstu2-server")
    body = read_json(case.request())
    taken = {"resourceType": "MedicationOrder", "id": "1", "status": "active"}
    taken |= {"medicationCodeableConcept": {"text": "gabapentin 300 MG Oral Capsule"}}
    body["prefetch"] = {"medicationRequests": bundle(taken | {"patient": {"reference": "Patient/pt-ms-72"}})}
    assert cns_card(answered(case, body))


def test_the_sandbox_on_an_stu3_server_gets_stu3(knowledge: Knowledge, client: FlaskClient) -> None:
    """It names neither encounter nor requester: its bare dose is the only sign."""
    repeat = {"frequency": 3, "period": 1, "periodUnit": "d"}
    order = PLAIN | {"category": {"coding": [{"code": "community"}]}}
    order["dosageInstruction"] = [{"timing": {"repeat": repeat}, "doseQuantity": {"value": 1, "code": "{pill}"}}]
    answer = answer_of(client, call_with(knowledge, order))
    assert created(answer) == ["ProcedureRequest"]
    assert "invalidOrders" not in answer["extension"]["local.cds-service"]


def test_a_call_is_the_same_bytes_each_time_in_every_version(client: FlaskClient, knowledge: Knowledge) -> None:
    """The version is told from the resources alone, whatever their order."""
    for version in OTHERS:
        body = converted(hook_call(knowledge, [GABAPENTIN, BACLOFEN], ["metformin 500 MG Oral Tablet"]), version)
        turned = copy.deepcopy(body)
        turned["context"]["draftOrders"]["entry"].reverse()
        turned["prefetch"] = dict(reversed(turned["prefetch"].items()))
        assert post(client, body, SIGN).get_data() == post(client, write_json(turned), SIGN).get_data()
