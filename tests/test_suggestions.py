"""Suggestions: when they are offered, when not, and that taking one settles it."""

from __future__ import annotations

from typing import Any

import pytest
from flask.testing import FlaskClient

from cds_service.core.values import Knowledge
from tests.helpers import (
    BACLOFEN,
    GABAPENTIN,
    JSON,
    answer_of,
    apply_suggestion,
    cns_card,
    hook_call,
    suggestions_of,
)


def test_staggering_is_named_in_the_card_and_never_recommended(client: FlaskClient, knowledge: Knowledge) -> None:
    """The label names the times, the detail says that the risk remains."""
    card = cns_card(answer_of(client, hook_call(knowledge)))
    (suggestion,) = card["suggestions"]
    assert "isRecommended" not in suggestion
    assert "10:00, 16:00, 22:00" in suggestion["label"]
    assert "does not remove" in card["detail"]


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ({"no_id": True}, "no id"),
        ({"as_needed": True}, "as needed"),
        ({"at": ["08:00", "14:00", "20:00"]}, "times are stated"),
        ({"drug": "gabapentin 300 MG Oral Tablet [Gralise]"}, "taken with the evening meal"),
        ({"times_a_day": 1}, "one dose has nothing to spread"),
        ({"dose": None}, "no dose in figures"),
    ],
    ids=str,
)
def test_some_orders_are_never_rewritten(client: FlaskClient, knowledge: Knowledge, line: JSON, why: str) -> None:
    """No update for an order without id, as needed, with stated times or without a dose in figures."""
    order = {k: v for k, v in (GABAPENTIN | line).items() if v is not None}
    taken = BACLOFEN | {"at": ["08:00", "14:00", "20:00"], "as_needed": True}
    answer = answer_of(client, hook_call(knowledge, [order], [{k: v for k, v in taken.items() if k != "times_a_day"}]))
    assert cns_card(answer)
    assert suggestions_of(answer, "update") == [], why


@pytest.mark.parametrize(
    ("taking", "facts"),
    [
        ([BACLOFEN, "oxycodone hydrochloride 5 MG Oral Tablet"], {"age": 40, "egfr": 95}),
        ([BACLOFEN], {"age": 40, "egfr": 59}),
        ([BACLOFEN], {"age": 40}),
        ([BACLOFEN], {"age": 40, "egfr": 95, "conditions": ["sleep-apnoea"]}),
    ],
    ids=["opioid", "eGFR below 60", "no eGFR", "sleep apnoea"],
)
def test_staggering_is_not_offered_where_it_could_mislead(
    client: FlaskClient, knowledge: Knowledge, taking: list[Any], facts: JSON
) -> None:
    """Not with an opioid, lung disease, sleep apnoea, or kidney function that is low or unknown."""
    assert suggestions_of(answer_of(client, hook_call(knowledge, taking=taking, facts=facts)), "update") == []


def test_a_staggered_order_fired_again_is_not_staggered_again(client: FlaskClient, knowledge: Knowledge) -> None:
    """The card is no louder after its suggestion was taken, and the suggestion is gone."""
    body = hook_call(knowledge)
    (suggestion,) = suggestions_of(answer_of(client, body), "update")
    again = answer_of(client, apply_suggestion(body, suggestion))
    assert cns_card(again)["indicator"] == "info"
    assert suggestions_of(again, "update") == []


@pytest.mark.parametrize(
    ("strength", "dose", "times", "offered"),
    [
        (650, "1 tablet", 7, "650 mg four times daily (2,600 mg/day)"),
        (500, "500 mg", 9, "500 mg four times daily (2,000 mg/day)"),
        (500, "2 tablets", 6, "1,000 mg four times daily (4,000 mg/day)"),
        (500, "4 tablets", 3, "1,000 mg four times daily (4,000 mg/day)"),
    ],
)
def test_a_reduction_never_raises_the_single_dose(
    client: FlaskClient, knowledge: Knowledge, strength: int, dose: str, times: int, offered: str
) -> None:
    """Fewer doses a day are the same size or smaller, and a large dose may be cut."""
    line = {"drug": f"acetaminophen {strength} MG Oral Tablet", "dose": dose, "times_a_day": times}
    (suggestion,) = suggestions_of(answer_of(client, hook_call(knowledge, [line], [])), "update")
    assert suggestion["label"] == f"Reduce acetaminophen to {offered}"


def test_a_reduction_within_the_limit_settles_it(client: FlaskClient, knowledge: Knowledge) -> None:
    """Taken and fired again, the reduced order draws no card."""
    line = {"drug": "acetaminophen 650 MG Oral Tablet", "dose": "1 tablet", "times_a_day": 7}
    body = hook_call(knowledge, [line], [])
    (suggestion,) = suggestions_of(answer_of(client, body), "update")
    assert answer_of(client, apply_suggestion(body, suggestion))["cards"] == []


def test_an_ordered_test_is_not_offered_again(client: FlaskClient, knowledge: Knowledge) -> None:
    """The kidney function order is a complete draft; among the drafts it satisfies its own suggestion."""
    body = hook_call(knowledge, facts={"age": 40})
    (suggestion,) = suggestions_of(answer_of(client, body), "create")
    order = suggestion["actions"][0]["resource"]
    assert (order["resourceType"], order["status"], order["intent"]) == ("ServiceRequest", "draft", "order")
    assert order["subject"] == {"reference": "Patient/example"}
    assert order["code"]["coding"][0]["system"] == "http://loinc.org"
    assert order["reasonCode"]
    assert "id" not in order
    assert suggestions_of(answer_of(client, apply_suggestion(body, suggestion)), "create") == []


LEVOTHYROXINE = {"drug": "levothyroxine sodium 0.1 MG Oral Tablet", "dose": "1 tablet", "times_a_day": 1}
CALCIUM = {"drug": "calcium carbonate 1250 MG Oral Tablet", "dose": "1 tablet", "times_a_day": 2}
IRON = {"drug": "ferrous sulfate 325 MG Oral Tablet", "dose": "1 tablet", "times_a_day": 1}
CIPROFLOXACIN = {"drug": "ciprofloxacin 500 MG Oral Tablet", "dose": "1 tablet", "times_a_day": 2}
DOXYCYCLINE = {"drug": "doxycycline hyclate 100 MG Oral Capsule", "dose": "1 capsule", "times_a_day": 2}


def spacing_of(client: FlaskClient, knowledge: Knowledge, ordering: JSON, taking: JSON, facts: JSON) -> list[list[str]]:
    """The clock times of each update that spaces the doses of what is ordered."""
    answer = answer_of(client, hook_call(knowledge, [ordering], [taking], facts))
    resources = [s["actions"][0]["resource"] for s in suggestions_of(answer, "update")]
    return [r["dosageInstruction"][0]["timing"]["repeat"]["timeOfDay"] for r in resources]


@pytest.mark.parametrize(
    ("ordering", "taking", "times"),
    [
        (LEVOTHYROXINE, IRON, ["22:00:00"]),
        (LEVOTHYROXINE, CALCIUM, []),
        (IRON, LEVOTHYROXINE, ["19:00:00"]),
        (CALCIUM, LEVOTHYROXINE, ["13:00:00", "19:00:00"]),
        (CIPROFLOXACIN, CALCIUM, ["06:00:00", "18:00:00"]),
        (CIPROFLOXACIN, CALCIUM | {"times_a_day": 3}, []),
        (DOXYCYCLINE, IRON, ["12:00:00", "22:00:00"]),
    ],
    ids=[
        "once a day, at bedtime",
        "bedtime is too near the second dose of calcium",
        "iron goes round the morning dose of the hormone",
        "both doses of calcium",
        "2 hours before calcium, 10 after it",
        "no hour is 6 after one dose and 2 before the next",
        "4 hours after iron",
    ],
)
def test_what_minerals_bind_is_spaced_by_the_hours_of_its_label(
    client: FlaskClient, knowledge: Knowledge, ordering: JSON, taking: JSON, times: list[str]
) -> None:
    """Levothyroxine 4 hours apart, quinolones 2 hours before or 6 after, tetracyclines 2 before or 4 after."""
    spacing = spacing_of(client, knowledge, ordering, taking, {"age": 40, "egfr": 95})
    assert spacing == ([times] if times else [])


def test_spacing_needs_neither_kidney_function_nor_a_problem_list(client: FlaskClient, knowledge: Knowledge) -> None:
    """Other than staggering sedatives, keeping minerals apart is right in every patient."""
    body = hook_call(knowledge, [CIPROFLOXACIN], [CALCIUM], {"age": 70})
    del body["prefetch"]["conditions"]
    assert suggestions_of(answer_of(client, body), "update")


def test_doses_that_are_apart_already_are_not_spaced_again(client: FlaskClient, knowledge: Knowledge) -> None:
    """With stated times that keep the hours of the label nothing is offered."""
    calcium = {"drug": CALCIUM["drug"], "dose": "1 tablet", "at": ["08:00"]}
    body = hook_call(knowledge, [CIPROFLOXACIN], [calcium])
    (suggestion,) = suggestions_of(answer_of(client, body), "update")
    again = answer_of(client, apply_suggestion(body, suggestion))
    assert suggestions_of(again, "update") == []


def test_all_entries_of_a_mineral_are_kept_apart(client: FlaskClient, knowledge: Knowledge) -> None:
    """Calcium in two entries of the chart, in the morning and at night, leaves one hour between them."""
    once = CIPROFLOXACIN | {"times_a_day": 1}
    calcium = {"drug": CALCIUM["drug"], "dose": "1 tablet"}
    morning, night = calcium | {"at": ["08:00"]}, calcium | {"at": ["20:00"]}
    answer = answer_of(client, hook_call(knowledge, [once], [morning, night]))
    (suggestion,) = suggestions_of(answer, "update")
    (time,) = suggestion["actions"][0]["resource"]["dosageInstruction"][0]["timing"]["repeat"]["timeOfDay"]
    hour = int(time[:2])
    assert all((taken - hour) % 24 >= 2 and (hour - taken) % 24 >= 6 for taken in (8, 20)), time


POTASSIUM_RAISED = ("spironolactone 25 MG Oral Tablet", "tacrolimus 1 MG Oral Capsule")


@pytest.mark.parametrize(
    ("drugs", "facts", "label", "codes"),
    [
        (POTASSIUM_RAISED, {}, "Order potassium and creatinine with eGFR in 3–5 days", ["2823-3", "2160-0"]),
        (
            ("digoxin 0.125 MG Oral Tablet", "furosemide 40 MG Oral Tablet"),
            {},
            "Order potassium and magnesium",
            ["2823-3", "19123-9"],
        ),
        (
            ("naltrexone hydrochloride 50 MG Oral Tablet",),
            {"conditions": ["liver-disease"]},
            "Order ALT and AST",
            ["1742-6", "1920-8"],
        ),
    ],
    ids=["potassium and creatinine", "potassium and magnesium", "ALT and AST"],
)
def test_what_a_button_names_is_what_is_ordered(
    client: FlaskClient, knowledge: Knowledge, drugs: tuple[str, ...], facts: JSON, label: str, codes: list[str]
) -> None:
    """An order for each test; once they are ordered, none is offered again."""
    patient = {"age": 50, "sex": "male", "egfr": 90, **facts}
    body = hook_call(knowledge, drugs[:1], drugs[1:], patient)
    (suggestion,) = [s for s in suggestions_of(answer_of(client, body), "create") if s["label"] == label]
    resources = [action["resource"] for action in suggestion["actions"]]
    assert [r["code"]["coding"][0]["code"] for r in resources] == codes
    assert len({r["code"]["text"] for r in resources}) == 2
    again = answer_of(client, apply_suggestion(body, suggestion))
    assert label.split()[1] not in " ".join(s["label"] for s in suggestions_of(again, "create"))


def test_a_button_names_only_the_tests_that_are_not_ordered(client: FlaskClient, knowledge: Knowledge) -> None:
    """With creatinine among the drafts potassium alone is left, with potassium among them creatinine."""
    body = hook_call(knowledge, [POTASSIUM_RAISED[0]], [POTASSIUM_RAISED[1]], {"age": 50, "egfr": 90})
    (suggestion,) = suggestions_of(answer_of(client, body), "create")
    left = []
    for action in suggestion["actions"]:
        part = apply_suggestion(body, {"actions": [action]})
        left += [s["label"] for s in suggestions_of(answer_of(client, part), "create")]
    assert left == ["Order creatinine with eGFR in 3–5 days", "Order potassium in 3–5 days"]


def test_a_creatinine_that_is_ordered_is_not_offered_again(client: FlaskClient, knowledge: Knowledge) -> None:
    """An NSAID beside tacrolimus asks for creatinine, once."""
    body = hook_call(
        knowledge, ["ibuprofen 400 MG Oral Tablet"], ["tacrolimus 1 MG Oral Capsule"], {"age": 50, "egfr": 90}
    )
    (suggestion,) = suggestions_of(answer_of(client, body), "create")
    assert suggestion["label"] == "Order creatinine with eGFR in 1–2 weeks"
    assert suggestions_of(answer_of(client, apply_suggestion(body, suggestion)), "create") == []
