"""Requests that are odd in realistic ways: nothing that was ordered or taken is passed over in silence."""

from __future__ import annotations

import copy
import time
from typing import Any

import pytest
from flask.testing import FlaskClient

from cds_service.core.values import Knowledge
from tests.helpers import BACLOFEN, GABAPENTIN, HEALTHY, SELECT, answer_of, hook_call, orders_in

JSON = dict[str, Any]
OXYCODONE = "oxycodone hydrochloride 5 MG Oral Tablet"
NALTREXONE = "naltrexone hydrochloride 50 MG Oral Tablet"
COTRIMOXAZOLE = "sulfamethoxazole 800 MG / trimethoprim 160 MG Oral Tablet"
GUARD = 10  # seconds


def indicators(answer: JSON) -> list[str]:
    """How loud the cards are, in their order."""
    return [card["indicator"] for card in answer["cards"]]


def rules(answer: JSON) -> set[str]:
    """Ids of all rules and notices on the cards."""
    return {r["id"] for c in answer["cards"] for r in c["extension"]["local.cds-service"]["rules"]}


def chart_of(body: JSON) -> list[JSON]:
    """Entries of the medication list."""
    entries: list[JSON] = body["prefetch"]["medicationRequests"]["entry"]
    return entries


def as_statement(body: JSON) -> None:
    """A MedicationStatement in the list of prescriptions."""
    resource = chart_of(body)[0]["resource"]
    resource["resourceType"] = "MedicationStatement"


def as_dstu2(body: JSON) -> None:
    """An order of an older FHIR version."""
    chart_of(body)[0]["resource"]["resourceType"] = "MedicationOrder"


def as_r5(body: JSON) -> None:
    """R5 names the drug in `medication.concept`."""
    resource = chart_of(body)[0]["resource"]
    resource["medication"] = {"concept": resource.pop("medicationCodeableConcept")}


def nested(body: JSON) -> None:
    """A batch answer: a Bundle inside the Bundle."""
    inner = copy.deepcopy(body["prefetch"]["medicationRequests"])
    body["prefetch"]["medicationRequests"] = {"resourceType": "Bundle", "entry": [{"resource": inner}]}


def without_name(body: JSON) -> None:
    """A current drug without any medication[x]."""
    del chart_of(body)[0]["resource"]["medicationCodeableConcept"]


def more_than_sent(body: JSON) -> None:
    """A total larger than what came, and no next link."""
    body["prefetch"]["medicationRequests"] = {"resourceType": "Bundle", "total": 250}


@pytest.mark.parametrize("spoil", [as_statement, as_dstu2, as_r5, nested, without_name, more_than_sent])
def test_a_current_drug_in_an_odd_shape_is_checked_or_named(
    client: FlaskClient, knowledge: Knowledge, spoil: Any
) -> None:
    """Oxycodone beside a new gabapentin: a card about the pair, or about what was not seen."""
    body = hook_call(knowledge, [GABAPENTIN], [OXYCODONE])
    spoil(body)
    assert answer_of(client, body)["cards"]


@pytest.mark.parametrize("value", [{"resourceType": "OperationOutcome"}, {"resourceType": "Bundle", "total": 9}])
def test_another_source_that_broke_is_named(client: FlaskClient, knowledge: Knowledge, value: Any) -> None:
    """Medication statements that came back broken or in part are a warning."""
    body = hook_call(knowledge, [GABAPENTIN], [])
    body["prefetch"]["medicationStatements"] = value
    assert rules(answer_of(client, body)) == {"medication-source-incomplete"}


def test_parts_that_were_not_sent_are_told_without_cards(client: FlaskClient, knowledge: Knowledge) -> None:
    """Where there is no card, the extension still says what was not seen."""
    body = hook_call(knowledge, ["metformin 500 MG Oral Tablet"], [])
    del body["prefetch"]["medicationDispenses"]
    answer = answer_of(client, body)
    assert answer["cards"] == []
    assert answer["extension"]["local.cds-service"]["notSeen"] == ["medicationDispenses"]


def test_an_order_in_the_shape_of_r5_is_read(client: FlaskClient, knowledge: Knowledge) -> None:
    """`medication.concept` names the drug, and a suggested change of the order stays in that shape."""
    body = hook_call(knowledge)
    order = orders_in(body)[0]
    order["medication"] = {"concept": order.pop("medicationCodeableConcept")}
    card = answer_of(client, body)["cards"][0]
    assert card["indicator"] == "info"
    (action,) = card["suggestions"][0]["actions"]
    assert action["resource"]["medication"] == order["medication"]


@pytest.mark.parametrize("selection", ["MedicationRequest/order-0/_history/1", "urn:uuid:order-0", "order-0", "x/zzz"])
def test_a_selection_of_any_form_is_followed(client: FlaskClient, knowledge: Knowledge, selection: str) -> None:
    """A selection that cannot be followed selects everything; it never silences the check."""
    body = hook_call(knowledge, hook="order-select")
    body["context"]["selections"] = [selection]
    assert answer_of(client, body, SELECT)["cards"]


def test_a_stop_order_ends_only_its_own_drug(client: FlaskClient, knowledge: Knowledge) -> None:
    """Stopping paracetamol leaves hydrocodone with paracetamol running; stopping a tablet leaves the other order."""
    stop = {"drug": "acetaminophen 500 MG Oral Tablet", "status": "stopped"}
    combined = "acetaminophen 325 MG / hydrocodone bitartrate 5 MG Oral Tablet"
    assert "gabapentinoid-opioid" in rules(answer_of(client, hook_call(knowledge, [GABAPENTIN, stop], [combined])))
    lasting = "oxycodone hydrochloride 40 MG Extended Release Oral Tablet"
    stop_short = {"drug": OXYCODONE, "status": "stopped"}
    body = hook_call(knowledge, [GABAPENTIN, stop_short], [OXYCODONE, lasting])
    assert "gabapentinoid-opioid" in rules(answer_of(client, body))


METHOTREXATE_TABLET = "methotrexate 2.5 MG Oral Tablet"
METHOTREXATE_INJECTION = "methotrexate 25 MG/ML Injectable Solution"
HALOPERIDOL_TABLET = "haloperidol 5 MG Oral Tablet"
HALOPERIDOL_DEPOT = "haloperidol decanoate 100 MG/ML Injectable Solution"
FENTANYL_BUCCAL = "fentanyl 0.1 MG Buccal Tablet"
SELEGILINE = "selegiline hydrochloride 5 MG Oral Capsule"
EMSAM = "24 HR selegiline 0.25 MG/HR Transdermal System"
FENTANYL_PATCH = "72 HR fentanyl 0.025 MG/HR Transdermal System"


@pytest.mark.parametrize(
    ("new", "ended", "goes_on", "rule"),
    [
        (COTRIMOXAZOLE, METHOTREXATE_TABLET, METHOTREXATE_INJECTION, "methotrexate-trimethoprim"),
        ("amiodarone 200 MG Oral Tablet", HALOPERIDOL_TABLET, HALOPERIDOL_DEPOT, "qt-antiarrhythmic"),
        (GABAPENTIN, FENTANYL_BUCCAL, FENTANYL_PATCH, "gabapentinoid-opioid"),
    ],
    ids=["methotrexate", "haloperidol", "fentanyl"],
)
def test_stopping_one_form_leaves_another_on(
    client: FlaskClient, knowledge: Knowledge, new: Any, ended: str, goes_on: str, rule: str
) -> None:
    """What goes on as an injection or a patch still interacts when the tablet is stopped or replaced."""
    stop = {"drug": ended, "status": "stopped"}
    assert rule in rules(answer_of(client, hook_call(knowledge, [new, stop], [goes_on])))
    body = hook_call(
        knowledge, [new, {"drug": "acetaminophen 500 MG Oral Tablet", "replaces": ended}], [goes_on, ended]
    )
    assert rule in rules(answer_of(client, body))


@pytest.mark.parametrize(
    "told", ["methotrexate 2.5 MG Oral Capsule", "methotrexate 2.5 mg tab", "methotrexate 2.5 mg", "methotrexate"]
)
def test_stopping_a_drug_ends_it_in_forms_of_the_same_group(
    client: FlaskClient, knowledge: Knowledge, told: str
) -> None:
    """Tablets and capsules are one kind of product, and a record without a form may be either."""
    for stopped, taken in ((METHOTREXATE_TABLET, told), (told, METHOTREXATE_TABLET)):
        body = hook_call(knowledge, [COTRIMOXAZOLE, {"drug": stopped, "status": "stopped"}], [taken])
        assert "methotrexate-trimethoprim" not in rules(answer_of(client, body))


@pytest.mark.parametrize("stated", [SELEGILINE, EMSAM])
def test_a_form_without_a_dose_is_not_lost_beside_another(
    client: FlaskClient, knowledge: Knowledge, stated: str
) -> None:
    """A chart with selegiline as patch and as capsule holds both, whichever of the two states its dose."""
    dose = {"dose": "5 mg", "times_a_day": 2}
    taking = [{"drug": drug} | (dose if drug == stated else {}) for drug in (SELEGILINE, EMSAM)]
    found = rules(answer_of(client, hook_call(knowledge, ["sertraline 50 MG Oral Tablet"], taking)))
    assert found >= {"transdermal-selegiline-antidepressant", "mao-b-inhibitor-antidepressant"}


@pytest.mark.parametrize("status", ["completed", "cancelled"])
def test_an_ended_draft_does_not_hide_the_chart(client: FlaskClient, knowledge: Knowledge, status: str) -> None:
    """Oxycodone is still on the list, whatever became of its draft."""
    body = hook_call(knowledge, [NALTREXONE, {"drug": OXYCODONE, "status": status}], [OXYCODONE])
    orders_in(body)[1]["id"] = "taking-0"
    assert indicators(answer_of(client, body))[0] == "critical"


def test_a_draft_with_the_id_of_another_drug_hides_nothing(client: FlaskClient, knowledge: Knowledge) -> None:
    """An id that two systems gave to two drugs does not remove one of them."""
    body = hook_call(knowledge, [NALTREXONE], [OXYCODONE])
    orders_in(body)[0]["id"] = "taking-0"
    assert indicators(answer_of(client, body))[0] == "critical"


def test_the_later_result_of_a_day_counts(client: FlaskClient, knowledge: Knowledge) -> None:
    """eGFR 90 in the morning and 24 in the evening: 24."""
    body = hook_call(knowledge, facts={"age": 40, "egfr": 90})
    entries = body["prefetch"]["observations"]["entry"]
    second = copy.deepcopy(entries[0])
    entries[0]["resource"]["effectiveDateTime"] = "2026-11-20T08:00:00Z"
    second["resource"] |= {"id": "late", "effectiveDateTime": "2026-11-20T20:00:00Z"}
    second["resource"]["valueQuantity"]["value"] = 24
    entries.append(second)
    assert indicators(answer_of(client, body))[0] == "critical"


def test_a_result_from_a_time_zone_ahead_counts(client: FlaskClient, knowledge: Knowledge) -> None:
    """It is tomorrow already where the laboratory is."""
    body = hook_call(knowledge, facts={"age": 40, "egfr": 20})
    body["prefetch"]["observations"]["entry"][0]["resource"]["effectiveDateTime"] = "2026-11-23T07:00:00+13:00"
    assert indicators(answer_of(client, body))[0] == "critical"


@pytest.mark.parametrize("code", ["Active", "unknown", "55561003"])
def test_a_problem_of_unknown_status_counts(client: FlaskClient, knowledge: Knowledge, code: str) -> None:
    """Only inactive, resolved and in remission do not count."""
    body = hook_call(knowledge, facts={**HEALTHY, "conditions": ["lung-disease"]})
    problem = body["prefetch"]["conditions"]["entry"][0]["resource"]
    problem["clinicalStatus"] = {"coding": [{"code": code}]}
    assert indicators(answer_of(client, body))[0] == "warning"


def test_an_age_that_a_rule_needed_is_named(client: FlaskClient, knowledge: Knowledge) -> None:
    """Amitriptyline without a date of birth: the rules about age were not judged."""
    amitriptyline = "amitriptyline hydrochloride 25 MG Oral Tablet"
    answer = answer_of(client, hook_call(knowledge, [amitriptyline], [], {"egfr": 95}))
    assert "chart-incomplete" in rules(answer)
    assert any("date of birth" in card["summary"] for card in answer["cards"])


def test_two_orders_are_no_unchanged_renewal_of_one(client: FlaskClient, knowledge: Knowledge) -> None:
    """Together they double what was taken."""
    body = hook_call(knowledge, [GABAPENTIN, GABAPENTIN], [GABAPENTIN, OXYCODONE])
    assert indicators(answer_of(client, body))[0] == "warning"


def test_an_ingredient_that_is_only_referred_to_is_named(client: FlaskClient, knowledge: Knowledge) -> None:
    """A compounded drug: one ingredient by name, one by a reference with a display."""
    body = hook_call(knowledge, [NALTREXONE], [OXYCODONE])
    resource = chart_of(body)[0]["resource"]
    del resource["medicationCodeableConcept"]
    items = [{"itemCodeableConcept": {"text": "acetaminophen"}}, {"itemReference": {"display": "oxycodone"}}]
    resource["contained"] = [{"resourceType": "Medication", "id": "m", "ingredient": items}]
    resource["medicationReference"] = {"reference": "#m"}
    assert indicators(answer_of(client, body))[0] == "critical"


def test_a_display_that_names_another_drug_is_checked_too(client: FlaskClient, knowledge: Knowledge) -> None:
    """Text gabapentin, display oxycodone, no known code: both."""
    body = hook_call(knowledge, [NALTREXONE], [OXYCODONE])
    coding = {"system": "http://example.org/drugs", "code": "1", "display": OXYCODONE}
    chart_of(body)[0]["resource"]["medicationCodeableConcept"] = {"text": "gabapentin 300 mg", "coding": [coding]}
    assert indicators(answer_of(client, body))[0] == "critical"


def test_a_display_with_one_more_drug_that_is_not_known_is_told(client: FlaskClient, knowledge: Knowledge) -> None:
    """Text gabapentin, display gabapentin and something else: the drug nobody knows is named as not checked."""
    body = hook_call(knowledge, ["gabapentin 300 MG Oral Capsule"], [])
    coding = {"system": "http://example.org/drugs", "code": "1", "display": "gabapentin 300 MG / xyzzyol 5 MG"}
    orders_in(body)[0]["medicationCodeableConcept"] = {"text": "gabapentin 300 MG Oral Capsule", "coding": [coding]}
    assert "xyzzyol" in answer_of(client, body)["cards"][0]["detail"]
    coding["display"] = "gabapentin 300 mg cap"
    assert answer_of(client, body)["cards"] == []


def test_a_swallowed_drug_is_never_local(client: FlaskClient, knowledge: Knowledge) -> None:
    """An oral capsule with a topical route is a contradiction, and counts in full."""
    body = hook_call(knowledge, [{**GABAPENTIN, "route": "topical"}], [OXYCODONE])
    assert indicators(answer_of(client, body))[0] == "warning"


def test_an_order_not_to_be_done_is_no_order(client: FlaskClient, knowledge: Knowledge) -> None:
    """`doNotPerform` forbids the drug."""
    body = hook_call(knowledge)
    orders_in(body)[0]["doNotPerform"] = True
    assert answer_of(client, body)["cards"] == []


def test_a_test_that_was_called_off_does_not_count_as_ordered(client: FlaskClient, knowledge: Knowledge) -> None:
    """A revoked request for creatinine leaves the suggestion."""
    body = hook_call(knowledge, facts={"age": 40})
    code = {"coding": [{"system": "http://loinc.org", "code": "2160-0"}]}
    revoked = {"resourceType": "ServiceRequest", "id": "t", "status": "revoked", "code": code}
    body["context"]["draftOrders"]["entry"].append({"resource": revoked})
    assert answer_of(client, body)["cards"][0]["suggestions"][0]["label"] == "Order creatinine with eGFR"


@pytest.mark.parametrize(
    "members",
    [
        {
            "authoredOn": "9999-12-31",
            "dispenseRequest": {"expectedSupplyDuration": {"value": 9}},
        },
        {"resourceType": "MedicationAdministration", "effectivePeriod": {"end": "9999-12-31"}},
        {"resourceType": "MedicationDispense", "whenHandedOver": "9999-12-31", "daysSupply": {"value": 30}},
        {"dosageInstruction": [{"maxDosePerPeriod": [None], "asNeededBoolean": True}]},
        {"resourceType": ["MedicationRequest"]},
    ],
)
def test_open_ends_and_nulls_break_nothing(client: FlaskClient, knowledge: Knowledge, members: JSON) -> None:
    """Sentinel dates and nulls in lists are met in real charts."""
    body = hook_call(knowledge)
    chart_of(body)[0]["resource"] |= members
    assert answer_of(client, body)["cards"]


def test_many_orders_of_two_drugs_are_answered(client: FlaskClient, knowledge: Knowledge) -> None:
    """Fifty orders of each drug, as many as are taken, meet in 2,500 pairs: still an answer, led by the warning."""
    body = hook_call(knowledge, [GABAPENTIN, BACLOFEN] * 50, [])
    assert indicators(answer_of(client, body))[0] == "warning"


def test_a_hundred_orders_of_one_drug_are_answered(client: FlaskClient, knowledge: Knowledge) -> None:
    """They meet in 4,950 pairs on one card. It takes a quarter of a second; work for each pair made it sixteen."""
    began = time.monotonic()
    (card,) = answer_of(client, hook_call(knowledge, ["amlodipine 5 MG Oral Tablet"] * 100, []))["cards"]
    assert rules({"cards": [card]}) == {"same-ingredient-twice"}
    assert time.monotonic() - began < GUARD


REPEAT = {"frequency": 3, "period": 1, "periodUnit": "d"}


@pytest.mark.parametrize(
    "change",
    [
        {"text": "1 capsule three times a day as needed for pain"},
        {"text": "at bedtime for 3 days, then three times a day"},
        {"patientInstruction": "with food or milk"},
        {"timing": {"repeat": {**REPEAT, "frequencyMax": 4}}},
        {"timing": {"event": ["2026-11-22"], "repeat": REPEAT}},
        {"timing": {"code": {"coding": [{"code": "TID"}]}, "repeat": None}},
    ],
)
def test_an_order_that_says_more_is_not_rewritten(client: FlaskClient, knowledge: Knowledge, change: JSON) -> None:
    """What a rewritten order would lose or contradict keeps it untouched."""
    body = hook_call(knowledge)
    orders_in(body)[0]["dosageInstruction"][0] |= change
    card = answer_of(client, body)["cards"][0]
    assert all(a["type"] != "update" for s in card.get("suggestions", ()) for a in s["actions"])


def test_no_staggering_when_egfr_is_only_known_to_be_below_60(client: FlaskClient, knowledge: Knowledge) -> None:
    """ "<60" is not 60 or more."""
    body = hook_call(knowledge, facts={"age": 40, "egfr": 60})
    body["prefetch"]["observations"]["entry"][0]["resource"]["valueQuantity"]["comparator"] = "<"
    assert "suggestions" not in answer_of(client, body)["cards"][0]


def test_no_staggering_beside_an_unknown_drug(client: FlaskClient, knowledge: Knowledge) -> None:
    """It may be an opioid."""
    answer = answer_of(client, hook_call(knowledge, taking=[BACLOFEN, "xyzzyol 5 mg"]))
    assert "suggestions" not in answer["cards"][0]


@pytest.mark.parametrize(
    "drug", ["phenindione 50 MG Oral Tablet", "argatroban 1 MG/ML Injection", "bivalirudin", "desirudin"]
)
def test_an_anticoagulant_that_no_card_knows_is_not_checked(
    client: FlaskClient, knowledge: Knowledge, drug: str
) -> None:
    """A known drug in no rule is silent; an anticoagulant must not be, so these are not in the dictionary."""
    answer = answer_of(client, hook_call(knowledge, [drug], ["ibuprofen 600 MG Oral Tablet"]))
    assert "order-not-checked" in rules(answer)


def test_a_card_with_many_sources_links_to_those_about_its_own_drugs(client: FlaskClient, knowledge: Knowledge) -> None:
    """Phenprocoumon's sources for phenprocoumon, and no label of warfarin before them."""
    answer = answer_of(
        client, hook_call(knowledge, ["ibuprofen 600 MG Oral Tablet"], ["Phenprocoumon 3 MG Oral Tablet"])
    )
    (card,) = [card for card in answer["cards"] if "warfarin-nsaid" in rules({"cards": [card]})]
    labels = [link["label"].lower() for link in card["links"]]
    assert len(labels) == 6
    assert sum("phenpro" in label for label in labels) >= 2
    assert not any("acenocoumarol" in label and "phenpro" not in label for label in labels), labels
