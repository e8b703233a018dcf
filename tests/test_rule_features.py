"""What a card file may ask beyond patient facts: schedules, absent drugs, scores, doubled drugs, caps, alternatives."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from cds_service.core.values import Knowledge
from tests.helpers import (
    HEALTHY,
    JSON,
    answer_of,
    apply_suggestion,
    cards_of_topic,
    hook_call,
    orders_in,
    suggestions_of,
)
from tests.own_cards import service_with

MTX = "methotrexate 2.5 MG Oral Tablet"
LOUD = {"severity": "major", "indicator": "warning"}


def own_cards(client: FlaskClient, knowledge: Knowledge, *args: Any, **kwargs: Any) -> list[JSON]:
    """The cards of the one rule of the test."""
    return cards_of_topic(answer_of(client, hook_call(knowledge, *args, **kwargs)), "absorption")


def modifier(name: str, when: JSON) -> JSON:
    """A modifier that makes the card a warning."""
    return {"name": name, "when": when, "because": "the test says so", **LOUD}


# --- Schedules and weekly doses --------------------------------------------------------------------------


@pytest.fixture(scope="module")
def weekly(tmp_path_factory: pytest.TempPathFactory) -> FlaskClient:
    """Warns where a drug is taken on several days, its schedule is not stated, or a week comes to more than 20 mg."""
    card = {
        "modifiers": [
            modifier("several days", {"days_a_week": {"drug": {"at_least": 2}}}),
            modifier("no schedule", {"days_a_week": {"drug": "unknown"}}),
            modifier("much a week", {"weekly_dose": {"drug": {"above": 20}}}),
        ]
    }
    return service_with(tmp_path_factory.mktemp("weekly") / "cards", card)


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ({"dose": "6 tablets", "per_week": 1}, ""),
        ({"dose": "6 tablets", "days": ["mon"], "times_a_day": 1}, ""),
        ({"dose": "8 tablets", "per_week": 1}, ""),
        ({"sig": "Take 6 tablets once weekly"}, ""),
        ({"sig": "15 mg every 7 days"}, ""),
        ({"dose": "9 tablets", "per_week": 1}, "methotrexate 22.5 mg/week"),
        ({"dose": "3 tablets", "days": ["mon", "tue", "wed"], "times_a_day": 1}, "methotrexate 3 days a week"),
        ({"dose": "1 tablet", "times_a_day": 1}, "methotrexate 7 days a week"),
        ({"dose": "2 tablets", "per_week": 2}, "methotrexate 2 days a week"),
        ({"sig": "Take one tablet daily"}, "methotrexate 7 days a week"),
        ({}, "weekly schedule of methotrexate not stated"),
        ({"sig": "as directed"}, "weekly schedule of methotrexate not stated"),
        ({"sig": "6 tablets three times weekly"}, "weekly schedule of methotrexate not stated"),
        ({"sig": "once a week; not every day"}, "weekly schedule of methotrexate not stated"),
    ],
    ids=str,
)
def test_the_days_and_the_dose_of_a_week_are_read(
    weekly: FlaskClient, knowledge: Knowledge, line: JSON, says: str
) -> None:
    """Structure first, then plain words; what says both or neither counts as not stated."""
    (card,) = own_cards(weekly, knowledge, [{"drug": MTX, **line}], [])
    assert card["indicator"] == ("warning" if says else "info"), card["detail"]
    assert says in card["detail"]


# --- What is not there ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def absent(tmp_path_factory: pytest.TempPathFactory) -> FlaskClient:
    """Warns where no folic acid is taken, or no cancer is on the list."""
    card = {
        "modifiers": [
            modifier("no folic acid", {"without_drug": {"any_of": ["folic acid"]}}),
            modifier("no psychosis", {"without_condition": {"any_of": ["psychosis"]}}),
        ]
    }
    return service_with(tmp_path_factory.mktemp("absent") / "cards", card)


def test_a_drug_that_is_not_taken_raises(absent: FlaskClient, knowledge: Knowledge) -> None:
    """Without the protecting drug the card is louder; with it, taken or ordered now, it is not."""
    ill = HEALTHY | {"conditions": ["psychosis"]}
    assert own_cards(absent, knowledge, [MTX], [], ill)[0]["indicator"] == "warning"
    assert own_cards(absent, knowledge, [MTX], ["folic acid 1 MG Oral Tablet"], ill)[0]["indicator"] == "info"
    assert own_cards(absent, knowledge, [MTX, "folic acid 1 MG Oral Tablet"], [], ill)[0]["indicator"] == "info"


def test_what_was_not_seen_is_not_absent(absent: FlaskClient, knowledge: Knowledge) -> None:
    """Without the medication list or the problem list nobody knows: the card stays quiet and names what is missing."""
    body = hook_call(knowledge, [MTX], ["folic acid 1 MG Oral Tablet"], HEALTHY | {"conditions": ["psychosis"]})
    del body["prefetch"]["medicationRequests"]
    (card,) = cards_of_topic(answer_of(absent, body), "absorption")
    assert card["indicator"] == "info"
    assert "Medication list" in card["detail"]
    body = hook_call(knowledge, [MTX], ["folic acid 1 MG Oral Tablet"])
    assert cards_of_topic(answer_of(absent, body), "absorption")[0]["indicator"] == "warning"
    del body["prefetch"]["conditions"]
    (card,) = cards_of_topic(answer_of(absent, body), "absorption")
    assert card["indicator"] == "info"
    assert "Problem list" in card["detail"]


# --- Which drug of a class ------------------------------------------------------------------------------


def test_one_drug_of_a_class_may_be_louder(tmp_path: Path, knowledge: Knowledge) -> None:
    """`slot_drug` tells the members of a class apart, `combination_product` how they come."""
    card = {
        "drugs": {"drug": {"any_of": ["opioids"]}},
        "modifiers": [
            modifier("tramadol", {"slot_drug": {"drug": ["tramadol"]}}),
            modifier("with another", {"combination_product": True}),
        ],
    }
    client = service_with(tmp_path / "cards", card)
    loud = {
        drug: own_cards(client, knowledge, [drug], [])[0]["indicator"] == "warning"
        for drug in ("codeine sulfate 30 MG Oral Tablet", "tramadol hydrochloride 50 MG Oral Tablet", "Percocet 5/325")
    }
    assert list(loud.values()) == [False, True, True]


# --- Scores ---------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def burden(tmp_path_factory: pytest.TempPathFactory) -> FlaskClient:
    """Two or more drugs whose anticholinergic scores come to 4."""
    slot = {"any_of": ["tricyclic-antidepressants", "sedating-antihistamines", "muscle-relaxants", "opioids"]}
    slot |= {"score": {"scale": "acbcalc-2023", "at_least": 4}, "at_least": 2}
    face = {
        "severity": "moderate",
        "indicator": "info",
        "summary": "{drugs} come to {score}",
        "advice": "Do nothing, this is a test.",
    }
    return service_with(tmp_path_factory.mktemp("score") / "cards", {"drugs": {"drug": slot}, "card": face})


def test_scores_are_added_over_the_whole_list(burden: FlaskClient, knowledge: Knowledge) -> None:
    """One card with every contributor and its score, whichever is the new one; none below the threshold."""
    amitriptyline, baclofen = "amitriptyline hydrochloride 25 MG Oral Tablet", "baclofen 10 MG Oral Tablet"
    for new, old in ((amitriptyline, baclofen), (baclofen, amitriptyline)):
        (card,) = own_cards(burden, knowledge, [new], [old])
        assert "score 4: amitriptyline 3, baclofen 1" in card["detail"]
        assert "come to 4" in card["summary"]
    assert own_cards(burden, knowledge, [amitriptyline], []) == []
    assert own_cards(burden, knowledge, [baclofen], ["codeine sulfate 30 MG Oral Tablet"]) == []
    (card,) = own_cards(burden, knowledge, [baclofen], [amitriptyline, "codeine sulfate 30 MG Oral Tablet"])
    assert "score 5" in card["detail"]


def test_scores_of_old_drugs_alone_stay_silent(burden: FlaskClient, knowledge: Knowledge) -> None:
    """Something new must add to the sum."""
    taking = ["amitriptyline hydrochloride 25 MG Oral Tablet", "baclofen 10 MG Oral Tablet"]
    assert own_cards(burden, knowledge, ["amoxicillin 500 MG Oral Capsule"], taking) == []


# --- The same drug twice --------------------------------------------------------------------------------


CLONIDINE_PATCH = "168 HR clonidine 0.00833 MG/HR Transdermal System"
BUPRENORPHINE_PATCH = "168 HR buprenorphine 0.01 MG/HR Transdermal System"


@pytest.fixture(scope="module")
def twice(tmp_path_factory: pytest.TempPathFactory) -> FlaskClient:
    """Any opioid, acetaminophen, clonidine or haloperidol in two products."""
    slot = {"any_of": ["opioids", "acetaminophen", "clonidine", "haloperidol"], "twice": True}
    face = {
        "severity": "moderate",
        "indicator": "info",
        "summary": "{drug} twice: {products}",
        "advice": "Do nothing, this is a test.",
    }
    return service_with(tmp_path_factory.mktemp("twice") / "cards", {"drugs": {"drug": slot}, "card": face})


@pytest.mark.parametrize(
    ("ordering", "taking", "fires"),
    [
        (["Percocet 5/325"], ["acetaminophen 500 MG Oral Tablet"], True),
        (["acetaminophen 500 MG Oral Tablet"], ["Percocet 5/325"], True),
        (["acetaminophen 500 MG Oral Tablet", "acetaminophen 325 MG Oral Tablet"], [], True),
        (["Percocet 5/325", "acetaminophen 500 MG Oral Tablet"], [], True),
        (["acetaminophen 500 MG Oral Tablet"], ["acetaminophen 500 MG Oral Tablet"], False),
        (["acetaminophen 325 MG Oral Tablet"], ["acetaminophen 500 MG Oral Tablet"], False),
        (["acetaminophen"], ["acetaminophen 650 MG Extended Release Oral Tablet"], False),
        (["acetaminophen 500 MG Oral Tablet"], ["acetaminophen 650 MG Extended Release Oral Tablet"], True),
        (["clonidine hydrochloride 0.1 MG Oral Tablet"], [CLONIDINE_PATCH], True),
        ([CLONIDINE_PATCH], ["clonidine hydrochloride 0.1 MG Oral Tablet"], True),
        (["buprenorphine 2 MG Sublingual Tablet"], [BUPRENORPHINE_PATCH], True),
        ([CLONIDINE_PATCH], ["clonidine 0.2 mg/24 hr patch"], False),
        (["clonidine"], [CLONIDINE_PATCH], False),
        (["clonidine 0.1 mg"], ["clonidine hydrochloride 0.2 MG Oral Tablet"], False),
        ([{"drug": "clonidine hydrochloride 0.1 MG Oral Tablet", "replaces": "168"}], [CLONIDINE_PATCH], False),
        (["haloperidol 5 MG Oral Tablet"], ["haloperidol decanoate 100 MG/ML Injectable Solution"], False),
        (["acetaminophen 500 MG Oral Tablet"], [], False),
        (["Percocet 5/325"], [], False),
        (["amoxicillin 500 MG Oral Capsule"], ["Percocet 5/325", "acetaminophen 500 MG Oral Tablet"], False),
        ([{"drug": "acetaminophen 500 MG Oral Tablet", "replaces": "Percocet"}], ["Percocet 5/325"], False),
    ],
    ids=str,
)
def test_the_same_drug_twice(
    twice: FlaskClient, knowledge: Knowledge, ordering: list[Any], taking: list[Any], fires: bool
) -> None:
    """Products with a drug in common add up; an order that goes on with what is taken, or replaces it, does not."""
    cards = own_cards(twice, knowledge, ordering, taking)
    assert bool(cards) == fires
    assert all("acetaminophen + acetaminophen" not in card["summary"] + card["detail"] for card in cards)


# --- Doses capped by another drug -------------------------------------------------------------------------


@pytest.fixture(scope="module")
def capped(tmp_path_factory: pytest.TempPathFactory) -> FlaskClient:
    """At most 20 mg of simvastatin a day beside amlodipine."""
    card = {
        "drugs": {"object": {"any_of": ["simvastatin"]}, "precipitant": {"any_of": ["amlodipine"]}},
        "dose": {
            "drug": "object",
            "unknown_dose": "above",
            "bands": [{"label": "limit of the test", "max_per_day": 20, "doses_per_day": [1]}],
        },
        "card": {
            **LOUD,
            "summary": "{object} {dose} with {precipitant}: above {limit}",
            "advice": "Do nothing, this is a test.",
            "suggestions": ["reduce-dose"],
        },
    }
    return service_with(tmp_path_factory.mktemp("capped") / "cards", card)


def simvastatin(strength: int) -> JSON:
    """One tablet a day."""
    return {"drug": f"simvastatin {strength} MG Oral Tablet", "dose": "1 tablet", "times_a_day": 1}


@pytest.mark.parametrize("strength", [5, 20, 40])
def test_a_cap_is_silent_up_to_it_whichever_is_new(capped: FlaskClient, knowledge: Knowledge, strength: int) -> None:
    """20 mg is the last dose that stays silent, with the statin or its partner being new."""
    amlodipine = "amlodipine 5 MG Oral Tablet"
    for new, old in ((simvastatin(strength), amlodipine), (amlodipine, simvastatin(strength))):
        cards = own_cards(capped, knowledge, [new], [old])
        assert bool(cards) == (strength > 20)
        assert all(f"{strength} mg/day with amlodipine" in card["summary"] for card in cards)


@pytest.mark.parametrize(("strength", "total"), [(5, 0), (10, 0), (20, 30)])
def test_a_cap_counts_other_products_whichever_is_new(
    capped: FlaskClient, knowledge: Knowledge, strength: int, total: int
) -> None:
    """Simvastatin beside a combination that holds 10 mg of it, with the statin, the combination or its partner new."""
    amlodipine = "amlodipine 5 MG Oral Tablet"
    combined = {"drug": "ezetimibe 10 MG / simvastatin 10 MG Oral Tablet", "dose": "1 tablet", "times_a_day": 1}
    lines = [simvastatin(strength), combined, amlodipine]
    for new in lines:
        cards = own_cards(capped, knowledge, [new], [line for line in lines if line is not new])
        assert bool(cards) == bool(total)
        assert all(f"{total} mg/day with amlodipine" in card["summary"] for card in cards)
        assert all("together with what is taken already" in card["detail"] for card in cards)


def test_a_cap_does_not_count_a_product_that_ends(capped: FlaskClient, knowledge: Knowledge) -> None:
    """With the combination stopped in this session, simvastatin 20 mg is within the cap of 20."""
    combined = {"drug": "ezetimibe 10 MG / simvastatin 10 MG Oral Tablet", "dose": "1 tablet", "times_a_day": 1}
    ordering = ["amlodipine 5 MG Oral Tablet", combined | {"status": "stopped"}]
    assert own_cards(capped, knowledge, ordering, [simvastatin(20), combined]) == []


def test_an_order_without_a_dose_counts_as_above_the_cap(capped: FlaskClient, knowledge: Knowledge) -> None:
    """It says so, and offers no dose that nobody stated."""
    body = hook_call(knowledge, ["simvastatin 20 MG Oral Tablet"], ["amlodipine 5 MG Oral Tablet"])
    answer = answer_of(capped, body)
    (card,) = cards_of_topic(answer, "absorption")
    assert card["summary"] == "Simvastatin + amlodipine: daily dose not known; labelled limit 20 mg/day"
    assert suggestions_of(answer, "update") == []


def test_the_reduced_order_is_within_the_cap(capped: FlaskClient, knowledge: Knowledge) -> None:
    """The suggestion leads to an order that draws no card."""
    body = hook_call(knowledge, [{**simvastatin(20), "dose": "2 tablets"}], ["amlodipine 5 MG Oral Tablet"])
    (suggestion,) = suggestions_of(answer_of(capped, body), "update")
    assert answer_of(capped, apply_suggestion(body, suggestion))["cards"] == []


def test_a_lower_order_is_judged_and_not_the_dose_it_follows(capped: FlaskClient, knowledge: Knowledge) -> None:
    """With the statin ordered anew within the cap, the higher dose of the chart is over."""
    lines = [simvastatin(20), "amlodipine 5 MG Oral Tablet"]
    assert own_cards(capped, knowledge, lines, [simvastatin(40)]) == []


@pytest.mark.parametrize(
    ("strength", "pieces", "offered"),
    [(20, 4, "20 mg/day"), (40, 2, "")],
    ids=["makes up the cap", "too strong for it"],
)
def test_of_two_limits_the_lower_decides_what_is_offered(
    client: FlaskClient, knowledge: Knowledge, strength: int, pieces: int, offered: str
) -> None:
    """Simvastatin beside amlodipine: the general limit would allow 40 mg, the cap 20."""
    line = {"drug": f"simvastatin {strength} MG Oral Tablet", "dose": f"{pieces} tablets", "times_a_day": 1}
    answer = answer_of(client, hook_call(knowledge, [line], ["amlodipine 5 MG Oral Tablet"]))
    assert "above the 40 mg/day" in answer["cards"][0]["summary"] + answer["cards"][0]["detail"]
    labels = {suggestion["label"] for suggestion in suggestions_of(answer, "update")}
    assert all(offered in label for label in labels)
    assert bool(labels) == bool(offered)


# --- Alternatives ---------------------------------------------------------------------------------------


AZITHROMYCIN = """
replace-in-a-test:
  kind: replace
  label: "Replace {drug} by azithromycin (choose the dose)"
  description: "Change {drug} to azithromycin without a dosage"
  for: [clarithromycin]
  by: azithromycin
"""


@pytest.fixture(scope="module")
def alternative(tmp_path_factory: pytest.TempPathFactory) -> FlaskClient:
    """Clarithromycin with simvastatin, answered by azithromycin, which itself warns with digoxin."""
    pair = {
        "drugs": {"object": {"any_of": ["simvastatin"]}, "precipitant": {"any_of": ["clarithromycin"]}},
        "card": {
            **LOUD,
            "summary": "{drugs}",
            "advice": "Do nothing, this is a test.",
            "suggestions": ["replace-in-a-test"],
        },
    }
    other = {
        "id": "own-second",
        "topic": "kidney",
        "drugs": {"object": {"any_of": ["digoxin"]}, "precipitant": {"any_of": ["azithromycin"]}},
        "card": {**LOUD, "summary": "{drugs}", "advice": "Do nothing else, this is a test."},
    }
    return service_with(tmp_path_factory.mktemp("alternative") / "cards", pair, other, suggestions=AZITHROMYCIN)


CLARITHROMYCIN = {"drug": "clarithromycin 500 MG Oral Tablet", "dose": "1 tablet", "times_a_day": 2}


def test_an_alternative_replaces_the_drug_and_drops_its_dosage(alternative: FlaskClient, knowledge: Knowledge) -> None:
    """The order stays the same order, for another drug and without the old one's dose and amount; its card is gone."""
    body = hook_call(knowledge, [CLARITHROMYCIN], [simvastatin(20)])
    order = orders_in(body)[0]
    order |= {
        "dispenseRequest": {"quantity": {"value": 14}, "numberOfRepeatsAllowed": 0},
        "reasonCode": [{"text": "kept"}],
        "text": {"status": "generated", "div": "<div xmlns='http://www.w3.org/1999/xhtml'>x</div>"},
    }
    (suggestion,) = suggestions_of(answer_of(alternative, body), "update")
    changed = suggestion["actions"][0]["resource"]
    kept = {"resourceType", "id", "status", "intent", "subject", "authoredOn", "reasonCode"}
    assert {k: v for k, v in changed.items() if k in kept} == {k: v for k, v in order.items() if k in kept}
    assert changed["medicationCodeableConcept"]["coding"][0]["code"] == knowledge.ingredients["azithromycin"].rxnorm
    assert changed.keys() - kept == {"medicationCodeableConcept", "dispenseRequest"}
    assert changed["dispenseRequest"] == {"numberOfRepeatsAllowed": 0}
    assert answer_of(alternative, apply_suggestion(body, suggestion))["cards"] == []


@pytest.mark.parametrize("shape", ["contained", "reference", "newer"])
def test_an_alternative_leaves_nothing_of_the_old_drug(
    alternative: FlaskClient, knowledge: Knowledge, shape: str
) -> None:
    """However the order names its drug, the changed order names only the new one; other members stay as they came."""
    body = hook_call(knowledge, [CLARITHROMYCIN], [simvastatin(20)])
    (order,) = orders_in(body)
    concept = order.pop("medicationCodeableConcept")
    medication = {"resourceType": "Medication", "id": "m", "code": concept}
    if shape == "contained":
        order |= {"contained": [medication, {"resourceType": "Organization", "id": "o"}]}
        order |= {"medicationReference": {"reference": "#m"}}
    elif shape == "reference":
        body["context"]["draftOrders"]["entry"].append({"resource": medication})
        order |= {"medicationReference": {"reference": "Medication/m"}}
    else:
        order |= {"medication": {"concept": concept}}
    order |= {"vendorMember": {}, "eventHistory": []}
    (suggestion,) = suggestions_of(answer_of(alternative, body), "update")
    changed = suggestion["actions"][0]["resource"]
    assert "clarithromycin" not in str(changed).lower()
    assert "azithromycin" in str(changed)
    assert (changed["vendorMember"], changed["eventHistory"]) == ({}, [])
    assert [c["id"] for c in changed.get("contained", [])] == (["o"] if shape == "contained" else [])


@pytest.mark.parametrize(
    ("ordering", "also", "why"),
    [
        (CLARITHROMYCIN, ["digoxin 0.125 MG Oral Tablet"], "it draws a card as loud"),
        (CLARITHROMYCIN, ["azithromycin 250 MG Oral Tablet"], "it is taken already"),
        (CLARITHROMYCIN | {"no_id": True}, [], "the order has no id"),
    ],
    ids=str,
)
def test_an_alternative_that_is_no_better_is_not_offered(
    alternative: FlaskClient, knowledge: Knowledge, ordering: JSON, also: list[str], why: str
) -> None:
    """The card stays, without the suggestion."""
    answer = answer_of(alternative, hook_call(knowledge, [ordering], [simvastatin(20), *also]))
    assert cards_of_topic(answer, "absorption")
    assert suggestions_of(answer, "update") == [], why


def test_what_is_taken_already_is_not_replaced(alternative: FlaskClient, knowledge: Knowledge) -> None:
    """Only an order of this session can be changed: with the statin new, there is nothing to replace."""
    answer = answer_of(alternative, hook_call(knowledge, [simvastatin(20)], [CLARITHROMYCIN]))
    assert cards_of_topic(answer, "absorption")
    assert suggestions_of(answer, "update") == []


# --- One drug in several products -------------------------------------------------------------------------


def test_a_daily_limit_counts_what_other_products_bring(tmp_path: Path, knowledge: Knowledge) -> None:
    """Acetaminophen ordered beside a combination that is taken: the sum counts, and no order is cut for it."""
    card = {
        "drugs": {"drug": {"any_of": ["acetaminophen"]}},
        "dose": {"bands": [{"label": "limit of the test", "max_per_day": 4000, "doses_per_day": [1, 2, 3, 4]}]},
        "card": {
            **LOUD,
            "summary": "{drug} {dose} is above {limit}",
            "advice": "Do nothing, this is a test.",
            "suggestions": ["reduce-dose"],
        },
    }
    client = service_with(tmp_path / "cards", card)
    plain = {"drug": "acetaminophen 500 MG Oral Tablet", "dose": "2 tablets", "times_a_day": 3}
    combined = {"drug": "acetaminophen 325 MG / oxycodone hydrochloride 5 MG Oral Tablet", "dose": "1 tablet"}
    assert own_cards(client, knowledge, [plain], [combined | {"times_a_day": 3}]) == []
    told_again = combined | {"drug": "acetaminophen 325 MG / oxycodone hydrochloride 5 MG", "times_a_day": 2}
    assert own_cards(client, knowledge, [plain], [combined | {"times_a_day": 3}, told_again]) == [], "it is the same"
    (over,) = own_cards(client, knowledge, [plain], [combined | {"times_a_day": 4}])
    assert "4,300 mg/day together with what is taken already" in over["detail"]
    assert "suggestions" not in over
    assert own_cards(client, knowledge, [plain | {"times_a_day": 4}], [plain]) == [], "the order goes on with it"


# --- Results that are a range -------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def bounded(tmp_path_factory: pytest.TempPathFactory) -> FlaskClient:
    """Warns below an eGFR of 60; without one, below a CrCl of 60."""
    below = {"any": [{"egfr": {"below": 60}}, {"egfr": "unknown", "crcl": {"below": 60}}]}
    at = [
        {"name": f"{fact} {value}", "ordering": [MTX], "facts": {fact: value}, "expect": {**LOUD}}
        for fact in ("egfr", "crcl")
        for value in (59, 60)
    ]
    silent = {"name": "it is silent", "ordering": ["amoxicillin"], "expect": "no card"}
    card = {"modifiers": [modifier("low", below)], "examples": [*at, silent]}
    return service_with(tmp_path_factory.mktemp("bounded") / "cards", card)


@pytest.mark.parametrize(
    ("comparator", "value", "indicator", "says"),
    [
        ("", 59, "warning", "eGFR 59"),
        ("", 60, "info", ""),
        ("<", 60, "warning", "eGFR <60"),
        ("<=", 60, "info", "known only as eGFR <=60"),
        ("<", 90, "info", "known only as eGFR <90"),
        (">", 60, "info", ""),
        (">=", 60, "info", ""),
        (">", 30, "info", "known only as eGFR >30"),
        ("<", 15, "warning", "eGFR <15"),
    ],
    ids=str,
)
def test_a_range_on_both_sides_of_a_limit_is_unknown(
    bounded: FlaskClient, knowledge: Knowledge, comparator: str, value: int, indicator: str, says: str
) -> None:
    """What is ">60" is above 60; "<90" may be anything below: what it would change is said, nothing is assumed."""
    body = hook_call(knowledge, [MTX], [], {"age": 50, "egfr": value})
    quantity = body["prefetch"]["observations"]["entry"][0]["resource"]["valueQuantity"]
    quantity |= {"comparator": comparator} if comparator else {}
    (card,) = cards_of_topic(answer_of(bounded, body), "absorption")
    assert card["indicator"] == indicator
    assert says in card["detail"]
    assert ("Not known" in card["detail"]) == says.startswith("known only")


def test_a_known_crcl_answers_for_an_egfr_that_is_not_on_file(bounded: FlaskClient, knowledge: Knowledge) -> None:
    """A rule that says what counts instead misses nothing once that is known."""
    (card,) = cards_of_topic(answer_of(bounded, hook_call(knowledge, [MTX], [], {"age": 50, "crcl": 80})), "absorption")
    assert "Not known" not in card["detail"]
    (card,) = cards_of_topic(answer_of(bounded, hook_call(knowledge, [MTX], [], {"age": 50})), "absorption")
    assert "eGFR (none in the last" in card["detail"]


# --- Dose forms that are left out ------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def without_solution(tmp_path_factory: pytest.TempPathFactory) -> FlaskClient:
    """Speaks of itraconazole, but not of its oral solution."""
    slot = {"drug": {"any_of": ["itraconazole"], "except_forms": ["Oral Solution"]}}
    return service_with(tmp_path_factory.mktemp("forms") / "cards", {"drugs": slot})


@pytest.mark.parametrize(
    ("drug", "cards"),
    [
        ("itraconazole 100 MG Oral Capsule", 1),
        ("itraconazole", 1),
        ("itraconazole 10 MG/ML Oral Solution", 0),
    ],
    ids=["capsule", "form not stated", "solution"],
)
def test_a_slot_may_leave_out_dose_forms(
    without_solution: FlaskClient, knowledge: Knowledge, drug: str, cards: int
) -> None:
    """A form that is left out is silent; an order without a form still counts."""
    assert len(own_cards(without_solution, knowledge, [drug], [])) == cards


# --- Several instructions and several orders ---------------------------------------------------------------


def instructions(body: JSON, *dosages: JSON) -> JSON:
    """The hook call with these instead of the first order's dosage."""
    orders_in(body)[0]["dosageInstruction"] = list(dosages)
    return body


def tablets(count: int, repeat: JSON, **more: Any) -> JSON:
    """An instruction for so many tablets."""
    return {"doseAndRate": [{"doseQuantity": {"value": count, "unit": "tablet"}}], "timing": {"repeat": repeat}, **more}


ONCE_A_WEEK = {"frequency": 1, "period": 1, "periodUnit": "wk"}
ON_MONDAY = {"frequency": 1, "period": 1, "periodUnit": "d", "dayOfWeek": ["mon"]}


@pytest.mark.parametrize(
    ("dosages", "says"),
    [
        ([tablets(4, ONCE_A_WEEK, sequence=1), tablets(6, ONCE_A_WEEK, sequence=2)], ""),
        ([tablets(4, ONCE_A_WEEK, sequence=1), tablets(9, ONCE_A_WEEK, sequence=2)], "methotrexate 22.5 mg/week"),
        ([tablets(3, ON_MONDAY), tablets(3, ON_MONDAY)], ""),
        ([tablets(3, ON_MONDAY), tablets(3, ON_MONDAY | {"dayOfWeek": ["tue"]})], "methotrexate 2 days a week"),
        ([tablets(2, ONCE_A_WEEK), tablets(2, ONCE_A_WEEK)], "methotrexate 2 days a week"),
        ([tablets(1, {"frequency": 1, "period": 3, "periodUnit": "d"})], "methotrexate 2.3 days a week"),
    ],
    ids=["a rise from week to week", "above 20 mg after the rise", "twice on Mondays", "two days", "two a week", "3 d"],
)
def test_instructions_follow_each_other_or_share_a_day(
    weekly: FlaskClient, knowledge: Knowledge, dosages: list[JSON], says: str
) -> None:
    """A titration is not two days a week, and neither are two doses on one named day."""
    body = instructions(hook_call(knowledge, [MTX], []), *dosages)
    (card,) = cards_of_topic(answer_of(weekly, body), "absorption")
    assert card["indicator"] == ("warning" if says else "info"), card["detail"]
    assert says in card["detail"]


def test_two_orders_of_one_drug_are_one_dose(weekly: FlaskClient, knowledge: Knowledge) -> None:
    """6 tablets of one strength and one of another come to 25 mg a week, whichever order is looked at."""
    lines = [
        {"drug": MTX, "dose": "6 tablets", "per_week": 1},
        {"drug": "methotrexate 10 MG Oral Tablet", "dose": "1 tablet", "per_week": 1},
    ]
    for ordering in (lines, lines[::-1]):
        (card,) = own_cards(weekly, knowledge, ordering, [])
        assert card["indicator"] == "warning"
        assert "methotrexate 25 mg/week" in card["detail"]


def cap(name: str, precipitant: str, limit: int, **more: Any) -> JSON:
    """A limit of simvastatin beside another drug, with a reduced dose to take over."""
    return {
        "id": name,
        "drugs": {"object": {"any_of": ["simvastatin"]}, "precipitant": {"any_of": [precipitant]}},
        "dose": {"drug": "object", "bands": [{"label": "a limit", "max_per_day": limit, "doses_per_day": [1]}]},
        "card": {
            **LOUD,
            "summary": "{object} {dose} with {precipitant}: above {limit}",
            "advice": "Do nothing, this is a test.",
            "suggestions": ["reduce-dose"],
        },
        **more,
    }


@pytest.mark.parametrize(("strength", "offered"), [(5, ["10"]), (10, ["10"]), (20, [])])
def test_of_two_caps_the_lower_one_is_offered(
    tmp_path: Path, knowledge: Knowledge, strength: int, offered: list[str]
) -> None:
    """A reduced dose is within every limit of the session; where the strength allows none, none is offered."""
    client = service_with(tmp_path / "cards", cap("own-a", "verapamil", 10), cap("own-b", "amlodipine", 20))
    line = {**simvastatin(strength), "dose": f"{80 // strength} tablets"}
    body = hook_call(knowledge, [line], ["amlodipine 5 MG Oral Tablet", "verapamil hydrochloride 80 MG Oral Tablet"])
    answer = answer_of(client, body)
    labels = [s["label"] for s in suggestions_of(answer, "update")]
    assert labels == [f"Reduce simvastatin to {mg} mg once daily ({mg} mg/day)" for mg in offered]
    for suggestion in suggestions_of(answer, "update"):
        assert answer_of(client, apply_suggestion(body, suggestion))["cards"] == []


REPLACE_STATIN = """
replace-in-a-test:
  kind: replace
  label: "Replace {drug} by pravastatin (choose the dose)"
  description: "Change {drug} to pravastatin without a dosage"
  for: [simvastatin]
  by: pravastatin
"""


@pytest.mark.parametrize(("topic", "kinds"), [("absorption", 2), ("kidney", 1)])
def test_a_correction_never_brings_a_replaced_drug_back(
    tmp_path: Path, knowledge: Knowledge, topic: str, kinds: int
) -> None:
    """On one card the two exclude each other; on two cards the alternative waits until the dose is right."""
    pair = {"object": {"any_of": ["simvastatin"]}, "precipitant": {"any_of": ["clarithromycin"]}}
    face = {**LOUD, "summary": "{drugs}", "advice": "Do nothing, this is it.", "suggestions": ["replace-in-a-test"]}
    other = {"id": "own-second", "topic": topic, "drugs": pair, "card": face}
    client = service_with(tmp_path / "cards", cap("own-a", "amlodipine", 20), other, suggestions=REPLACE_STATIN)
    lines = [{**simvastatin(20), "dose": "2 tablets"}]
    body = hook_call(knowledge, lines, ["amlodipine 5 MG Oral Tablet", CLARITHROMYCIN])
    answer = answer_of(client, body)
    assert len(suggestions_of(answer, "update")) == kinds
    for card in answer["cards"]:
        updates = [s for s in card.get("suggestions", []) if s["actions"][0]["type"] == "update"]
        assert len(updates) < 2 or card["selectionBehavior"] == "at-most-one"
    within = hook_call(knowledge, [simvastatin(20)], ["amlodipine 5 MG Oral Tablet", CLARITHROMYCIN])
    (replacement,) = suggestions_of(answer_of(client, within), "update")
    assert "pravastatin" in replacement["label"]


@pytest.mark.parametrize(("comparator", "limit"), [("", ""), ("<", "300 mg/day"), ("<=", ""), (">", "")])
def test_a_result_below_a_limit_falls_into_the_lower_band(
    tmp_path: Path, knowledge: Knowledge, comparator: str, limit: str
) -> None:
    """An eGFR reported as "<15" is not 15: the limit below 15 counts."""
    bands = [
        {"label": "15 or more", "at_least": 15, "max_per_day": 600, "doses_per_day": [1]},
        {"label": "below 15", "below": 15, "max_per_day": 300, "doses_per_day": [1]},
    ]
    examples = [
        {"name": f"egfr {value}", "ordering": ["gabapentin"], "facts": {"egfr": value}, "expect": "no card"}
        for value in (14, 15)
    ]
    fires = {"name": "it fires", "ordering": ["gabapentin"], "expect": LOUD}
    card = {
        "drugs": {"drug": {"any_of": ["gabapentin"]}},
        "dose": {"by": "egfr", "bands": bands},
        "card": {**LOUD, "summary": "{drug} {dose}: above {limit}", "advice": "Do nothing, this is a test."},
        "examples": [*examples, fires],
    }
    client = service_with(tmp_path / "cards", card)
    line = {"drug": "gabapentin 300 MG Oral Capsule", "dose": "2 capsules", "times_a_day": 1}
    body = hook_call(knowledge, [line], [], {"age": 50, "egfr": 15})
    quantity = body["prefetch"]["observations"]["entry"][0]["resource"]["valueQuantity"]
    quantity |= {"comparator": comparator} if comparator else {}
    summaries = [card["summary"] for card in cards_of_topic(answer_of(client, body), "absorption")]
    assert len(summaries) == bool(limit)
    assert all(limit in summary for summary in summaries)
