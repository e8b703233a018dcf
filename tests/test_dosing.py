"""Doses: what an order comes to in a day, or why that is not known."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from flask.testing import FlaskClient

from cds_service.core.dosing import daily_doses, days_a_week, doses_per_day, weekly_doses
from cds_service.core.naming import read_name
from cds_service.core.values import DailyDose, Knowledge
from cds_service.fhir.medication import Place
from cds_service.fhir.r4 import read_medication
from tests.helpers import answer_of, hook_call, orders_in, rules_of

CAPSULE = "gabapentin 300 MG Oral Capsule"
DAILY = {"frequency": 1, "period": 1, "periodUnit": "d"}
THRICE = {"frequency": 3, "period": 1, "periodUnit": "d"}


def dosages(*instructions: Any):
    """Dosage instructions read as from an order."""
    order = {"resourceType": "MedicationRequest", "dosageInstruction": list(instructions)}
    return read_medication(order, Place("MedicationRequest[0]", True, True, {})).dosages


def instruction(value: Any = 1, unit: str = "{capsule}", repeat: Any = None, **members: Any) -> dict[str, Any]:
    """A dosage instruction with a dose and a timing."""
    dose = {"value": Decimal(str(value)), "code": unit}
    return {"doseAndRate": [{"doseQuantity": dose}], "timing": {"repeat": repeat or THRICE}} | members


def daily(knowledge: Knowledge, name: str, *instructions: Any) -> DailyDose:
    """The dose per day of the first ingredient of a product."""
    product = read_name(name, knowledge.vocabulary)
    return daily_doses(dosages(*instructions), product)[product.ingredients[0]]


@pytest.mark.parametrize(
    ("name", "given", "mg"),
    [
        (CAPSULE, instruction(), "900"),
        (CAPSULE, instruction(2, "{pill}"), "1800"),
        (CAPSULE, instruction(300, "mg"), "900"),
        (CAPSULE, instruction("0.3", "g"), "900"),
        (CAPSULE, instruction(1, "1"), "900"),
        ("gabapentin 600 MG Oral Tablet", instruction("0.5", "{tbl}"), "900"),
        ("gabapentin 50 MG/ML Oral Solution", instruction(6, "mL"), "900"),
        ("levothyroxine sodium 0.05 MG Oral Tablet", instruction(1, "{tbl}", DAILY), "0.05"),
        ("levothyroxine 50 MCG Oral Tablet", instruction(1, "{tbl}", DAILY), "0.05"),
        (CAPSULE, instruction(repeat={"frequency": 1, "period": 8, "periodUnit": "h"}), "900"),
        (CAPSULE, instruction(repeat={"frequency": 2, "frequencyMax": 4, "period": 1, "periodUnit": "d"}), "1200"),
        (CAPSULE, instruction(repeat={"timeOfDay": ["08:00:00", "14:00:00", "20:00:00"]}), "900"),
        (CAPSULE, instruction(repeat={"when": ["MORN", "NOON", "NIGHT"]}), "900"),
        (CAPSULE, instruction(repeat={"frequency": 1, "period": 1, "periodUnit": "wk"}), "300"),
        (CAPSULE, instruction(repeat={"when": ["AC"]}), "900"),
        (CAPSULE, instruction(repeat={"when": ["HS"], "frequency": 0}), "300"),
        (CAPSULE, instruction(repeat={"frequency": 1, "period": 2, "periodUnit": "h", "count": 2}), "600"),
        (CAPSULE, instruction(repeat={**THRICE, "count": 1, "countMax": 2}), "600"),
        (CAPSULE, instruction(repeat={**THRICE, "count": 30}), "900"),
        (CAPSULE, instruction(repeat={**THRICE, "count": 0}), "900"),
        (CAPSULE, instruction(repeat={"when": ["PC", "HS"], "period": 1, "periodUnit": "d"}), "1200"),
        (CAPSULE, instruction(repeat={"when": ["ACM"], "period": 1, "periodUnit": "d"}), "300"),
        (CAPSULE, instruction(repeat={"when": ["C"], **DAILY}), "300"),
        ("gabapentin 250 mg/5 mL oral solution", instruction(10, "mL"), "1500"),
        ("gabapentin 100 mg/2 mL oral solution", instruction(3, "milliliter", DAILY), "150"),
        ("gabapentin 1,000 mg/100 mL oral solution", instruction(20, "mL", DAILY), "200"),
        ("gabapentin 250 mg/5 mL oral solution", instruction(250, "mg", DAILY), "250"),
        ("levothyroxine 50 \u03bcg tablet", instruction(1, "{tbl}", DAILY), "0.05"),
        ("levothyroxine 50 \u00b5g tablet", instruction(1, "{tbl}", DAILY), "0.05"),
        ("levothyroxine 0.05 MG Oral Tablet", instruction(100, "\u03bcg", DAILY), "0.1"),
        ("levothyroxine 0.05 MG Oral Tablet", instruction(100, "\u00b5g", DAILY), "0.1"),
    ],
)
def test_a_stated_dose_comes_to_mg_per_day(knowledge: Knowledge, name: str, given: Any, mg: str) -> None:
    """Pieces, mg, g, mL and hours between doses all come to the dose of the days it is taken."""
    assert daily(knowledge, name, given).mg == Decimal(mg)


CODES = {"QD": 1, "BID": 2, "qid": 4, " Tid ": 3, "TID": 3, "QID": 4, "Q8H": 3, "Q12H": 2, "BED": 1, "WK": 1}


@pytest.mark.parametrize(("code", "count"), CODES.items())
def test_a_timing_code_counts_like_its_structure(code: str, count: int) -> None:
    """The codes of FHIR Timing stand for doses per day."""
    (read,) = dosages({"timing": {"code": {"coding": [{"code": code}]}}})
    assert doses_per_day(read) == count


@pytest.mark.parametrize(
    ("text", "dose", "told"),
    [
        ("oxycodone-acetaminophen 5 mg-325 mg tablet", 4, "7,800 mg/day"),
        ("acetaminophen 5 mg / oxycodone 325 mg tablet", 4, ""),
        ("acetaminophen 325-500 mg tablet", 4, ""),
    ],
)
def test_a_dose_is_worked_out_from_the_strength_of_its_own_drug(
    client: FlaskClient, knowledge: Knowledge, text: str, dose: int, told: str
) -> None:
    """Of a product written with a hyphen each drug has its own strength; of a range there is none."""
    call = hook_call(knowledge, ["acetaminophen 325 MG Oral Tablet"], [], {"age": 40, "egfr": 90})
    order = call["context"]["draftOrders"]["entry"][0]["resource"]
    order["medicationCodeableConcept"] = {"text": text}
    order["dosageInstruction"] = [instruction(dose, "{tbl}", {"frequency": 6, "period": 1, "periodUnit": "d"})]
    details = [card["detail"] for card in answer_of(client, call)["cards"]]
    assert any(told in detail for detail in details) if told else not any("mg/day" in detail for detail in details)


def test_a_code_and_a_text_of_two_strengths_count_by_the_higher(client: FlaskClient, knowledge: Knowledge) -> None:
    """Code 300 mg and text 800 mg: one is wrong, and a dose is rather called too high than missed."""
    call = hook_call(knowledge, [CAPSULE], [], {"age": 50, "crcl": 40})
    order = call["context"]["draftOrders"]["entry"][0]["resource"]
    order["dosageInstruction"] = [instruction(1, "{tbl}")]
    code = {"system": "http://www.nlm.nih.gov/research/umls/rxnorm", "code": "310431"}
    order["medicationCodeableConcept"] = {"text": "gabapentin 300 MG Oral Capsule", "coding": [code]}
    assert answer_of(client, call)["cards"] == []
    order["medicationCodeableConcept"] = {"text": "gabapentin 800 MG Oral Tablet", "coding": [code]}
    assert "2,400 mg/day" in answer_of(client, call)["cards"][0]["summary"]


@pytest.mark.parametrize(
    ("code", "repeat", "count"),
    [
        ("BID", {"period": 1, "periodUnit": "d"}, 2),
        ("BID", {**DAILY}, 1),
        ("QD", {"period": 8, "periodUnit": "h"}, 3),
        ("", {"period": 1, "periodUnit": "d"}, 1),
        ("BID", {"boundsPeriod": {"start": "2026-11-22"}}, 2),
    ],
)
def test_a_timing_code_says_how_often_where_the_structure_does_not(code: str, repeat: Any, count: int) -> None:
    """A period without a frequency is once in it, unless the code beside it says more."""
    (read,) = dosages({"timing": {"code": {"coding": [{"code": code}]}, "repeat": repeat}})
    assert doses_per_day(read) == count


@pytest.mark.parametrize("values", [(1, 2), (2, 1)])
def test_the_highest_of_several_doses_counts(knowledge: Knowledge, values: tuple[int, int]) -> None:
    """A calculated and an ordered dose, in whichever order; also in two units, or one of them of no use."""
    both = [{"doseQuantity": {"value": value, "code": "{capsule}"}} for value in values]
    assert daily(knowledge, CAPSULE, instruction() | {"doseAndRate": both}).mg == 1800
    other_unit = [both[0], {"doseQuantity": {"value": Decimal("0.9"), "code": "g"}}]
    assert daily(knowledge, CAPSULE, instruction() | {"doseAndRate": other_unit}).mg == 2700
    of_no_use = [{"doseQuantity": {"value": 5, "code": "mL"}}, both[1]]
    assert daily(knowledge, CAPSULE, instruction() | {"doseAndRate": of_no_use}).mg == 900 * values[1]


def test_the_upper_end_of_a_range_counts(knowledge: Knowledge) -> None:
    """One to two capsules is judged as two."""
    high = {"doseRange": {"low": {"value": 1, "code": "{capsule}"}, "high": {"value": 2, "code": "{capsule}"}}}
    given = instruction() | {"doseAndRate": [high]}
    assert daily(knowledge, CAPSULE, given).mg == 1800


def test_instructions_in_sequence_follow_each_other(knowledge: Knowledge) -> None:
    """A taper is as high as its highest step, not as the sum of its steps."""
    steps = [instruction(2, sequence=1), instruction(1, sequence=2)]
    assert daily(knowledge, CAPSULE, *steps).mg == 1800


def test_instructions_without_sequence_are_taken_together(knowledge: Knowledge) -> None:
    """One in the morning and two at night are three a day."""
    parts = [instruction(1, repeat={"when": ["MORN"]}), instruction(2, repeat={"when": ["NIGHT"]})]
    assert daily(knowledge, CAPSULE, *parts).mg == 900


def test_instructions_for_different_weekdays_are_not_added(knowledge: Knowledge) -> None:
    """Two capsules on Monday and one on the other days: the highest day is Monday."""
    monday = instruction(2, repeat=DAILY | {"dayOfWeek": ["mon"]})
    others = instruction(1, repeat=DAILY | {"dayOfWeek": ["tue", "wed", "thu", "fri", "sat", "sun"]})
    extra = instruction(1, repeat=DAILY)
    assert daily(knowledge, CAPSULE, monday, others).mg == 600
    assert daily(knowledge, CAPSULE, monday, others, extra).mg == 900


@pytest.mark.parametrize(
    ("repeat", "code", "days", "mg_a_week"),
    [
        (DAILY, "", 7, 2100),
        ({"frequency": 1, "period": 1, "periodUnit": "wk"}, "", 1, 300),
        ({"frequency": 2, "period": 1, "periodUnit": "wk"}, "", 2, 600),
        ({"frequency": 1, "period": 2, "periodUnit": "d"}, "", Decimal("3.5"), 1050),
        (DAILY | {"count": 1}, "", 1, 300),
        (DAILY | {"count": 30}, "", 7, 2100),
        ({"frequency": 1, "period": 168, "periodUnit": "h"}, "", 1, 300),
        ({"frequency": 1, "period": 8, "periodUnit": "h"}, "", 7, 6300),
        (DAILY | {"dayOfWeek": ["mon", "thu"]}, "", 2, 600),
        ({"when": ["HS"]}, "", 7, 2100),
        ({}, "WK", 1, 300),
        ({}, "QOD", Decimal("3.5"), 1050),
        ({}, "TID", 7, 6300),
    ],
    ids=str,
)
def test_the_days_and_the_dose_of_a_week(
    knowledge: Knowledge, repeat: Any, code: str, days: Any, mg_a_week: int
) -> None:
    """Every form of FHIR Timing says on how many days of the week, and what the week comes to."""
    timing = {"repeat": repeat, "code": {"coding": [{"code": code}]}}
    given = dosages(instruction() | {"timing": timing})
    product = read_name(CAPSULE, knowledge.vocabulary)
    assert days_a_week(given, knowledge.vocabulary) == days
    assert weekly_doses(given, product)["gabapentin"].mg == mg_a_week


@pytest.mark.parametrize(
    ("value", "unit", "mg"), [(1, "d", 600), (24, "h", 600), (12, "h", 1200), (6, "h", 2400), (1, "wk", 600)]
)
def test_a_limit_for_a_period_comes_to_a_limit_for_a_day(knowledge: Knowledge, value: int, unit: str, mg: int) -> None:
    """Shorter periods add up over the day; what a week allows may all be taken on one day."""
    limit = {"numerator": {"value": 600, "code": "mg"}, "denominator": {"value": value, "code": unit}}
    given = instruction(asNeededBoolean=True, maxDosePerPeriod=limit)
    assert daily(knowledge, CAPSULE, given).mg == mg


def test_an_as_needed_order_is_judged_by_its_limit(knowledge: Knowledge) -> None:
    """The most that may be taken in a day is what counts."""
    limit = {"numerator": {"value": 600, "code": "mg"}, "denominator": {"value": 1, "code": "d"}}
    given = instruction(asNeededBoolean=True, maxDosePerPeriod=limit)
    assert daily(knowledge, CAPSULE, given).mg == 600


@pytest.mark.parametrize(
    ("name", "given", "why"),
    [
        (CAPSULE, {"text": "three times a day"}, "no dose"),
        (CAPSULE, {"doseAndRate": instruction()["doseAndRate"]}, "how often"),
        (CAPSULE, instruction(-5), "positive"),
        (CAPSULE, instruction(0), "positive"),
        (CAPSULE, instruction(1, "mL"), "unit"),
        (CAPSULE, instruction(1, "spoon"), "unit"),
        ("gabapentin", instruction(1, "{capsule}"), "strength"),
        ("acetaminophen 325 MG / oxycodone 5 MG Oral Tablet", instruction(330, "mg"), "combination"),
        (CAPSULE, instruction(repeat={"frequency": 1, "period": -1, "periodUnit": "d"}), "how often"),
        (CAPSULE, instruction(repeat={"frequency": 1, "period": 0, "periodUnit": "d"}), "how often"),
        (CAPSULE, instruction(repeat={"frequency": 1, "period": 1, "periodUnit": "fortnight"}), "how often"),
        (CAPSULE, instruction(repeat={"frequency": -3, "period": 1, "periodUnit": "d"}), "how often"),
        (CAPSULE, instruction(repeat={"frequency": 0, "period": 1, "periodUnit": "d"}), "how often"),
        (CAPSULE, instruction("1E+30", "mg"), ""),
        ("gabapentin 250 mg/5 mL oral solution", instruction(1, "{capsule}"), "unit"),
        ("gabapentin 250 mg/1,000 mL oral solution", instruction(10, "mL"), "unit"),
        ("gabapentin 250 mg/0 mL oral solution", instruction(10, "mL"), "unit"),
    ],
    ids=str,
)
def test_a_dose_that_cannot_be_worked_out_says_why(knowledge: Knowledge, name: str, given: Any, why: str) -> None:
    """No dose is invented: what is missing, impossible or of another unit is said."""
    found = daily(knowledge, name, given)
    assert found.mg is None
    assert why in found.problem


def test_an_order_without_instructions_states_no_dose(knowledge: Knowledge) -> None:
    """An order that is still being filled in (CH-056) has an unknown dose, not none."""
    assert daily(knowledge, CAPSULE).mg is None


def test_a_dose_that_is_not_known_is_not_called_too_high(client: FlaskClient, knowledge: Knowledge) -> None:
    """With kidneys that lower the limit the card names it, and says that the dose is not known."""
    call = hook_call(knowledge, ["gabapentin 600 MG Oral Tablet"], [], {"age": 50, "crcl": 40})
    (card,) = [c for c in answer_of(client, call)["cards"] if c["source"]["topic"]["code"] == "dose"]
    assert card["indicator"] == "info"
    assert card["summary"].startswith("Gabapentin: daily dose not known; labelled limit 1,400 mg/day; ")
    assert "suggestions" not in card


@pytest.mark.parametrize(
    ("drug", "repeat", "rule"),
    [
        ("eletriptan 40 MG Oral Tablet", {"frequency": 1, "period": 2, "periodUnit": "h"}, "eletriptan-maximum-dose"),
        ("methotrexate 2.5 MG Oral Tablet", DAILY, "methotrexate-daily"),
    ],
)
def test_a_count_ends_the_doses(client: FlaskClient, knowledge: Knowledge, drug: str, repeat: Any, rule: str) -> None:
    """An order of one dose in all is neither twelve a day nor a daily one."""
    for counted, fires in (({}, True), ({"count": 1}, False), ({"count": 60}, True)):
        body = hook_call(knowledge, [drug], [])
        orders_in(body)[0]["dosageInstruction"] = [instruction(1, "{tbl}", repeat | counted)]
        found = {r["id"] for card in answer_of(client, body)["cards"] for r in rules_of(card)}
        assert (rule in found) == fires
