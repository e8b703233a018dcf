"""The rows of the table of what the service must answer, each asserted on its own.

The golden answers beside the fixtures pin every byte; these rows say what the answers must mean, so that a
refresh cannot enshrine an error. A row is a fixture and the cards it must get, no more and no fewer.
"""

from __future__ import annotations

import copy
import json
import re
from dataclasses import dataclass
from typing import Any

import pytest

from cds_service.fixtures import fixtures_folder, read_fixture
from tests.helpers import apply_suggestion, cards_of_topic, orders_in, outcome_text, rules_of, strict_json
from tests.refresh_fixtures import client_on, fire

JSON = dict[str, Any]
LOUDNESS = ("info", "warning", "critical")

# --- What a suggestion is, read from its action -------------------------------------------------------------

STAGGER, REDUCE, REMOVE = "stagger the doses", "reduce the dose", "remove the order"
KIDNEY_TEST, ECG, LIVER_TESTS = "order kidney function", "order an ECG", "order liver tests"
TESTS = {"2160-0": KIDNEY_TEST, "11524-6": ECG, "1742-6": LIVER_TESTS}
TOUCHES_THE_ORDER = (STAGGER, REDUCE, REMOVE)


def kind_of(suggestion: JSON) -> str:
    """Which of the six suggestions this is."""
    (action,) = suggestion["actions"]
    if action["type"] == "delete":
        return REMOVE
    resource = action["resource"]
    if action["type"] == "create":
        return TESTS[resource["code"]["coding"][0]["code"]]
    return STAGGER if "timeOfDay" in resource["dosageInstruction"][0]["timing"]["repeat"] else REDUCE


def kinds_of(card: JSON) -> set[str]:
    """The kinds of suggestions a card carries."""
    return {kind_of(suggestion) for suggestion in card.get("suggestions", [])}


# --- The table ----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Card:
    """One card that must come: topic, how loud, how bad, what it says, offers and never offers.

    `says` are patterns looked for in summary and detail, without regard to case.
    """

    topic: str
    indicator: str
    severity: str | None = None
    says: tuple[str, ...] = ()
    offers: tuple[str, ...] = ()
    never: tuple[str, ...] = ()
    rule: str | None = None


@dataclass(frozen=True)
class Row:
    """One row: the fixture and all its cards, loudest first."""

    fixture: str
    cards: tuple[Card, ...] = ()


CNS = "cns-depression"
PAIR = ("gabapentin", "baclofen")
KIDNEY = "baclofen-kidney"
INFARCTION = "amitriptyline-myocardial-infarction"
EGFR_38 = r"eGFR 38 mL/min/1\.73 m² \(2026-11-03\)"

ROWS = (
    # gabapentin 300 mg three times a day, on baclofen 10 mg three times a day
    Row("gabapentin-with-baclofen", (Card(CNS, "info", "moderate", PAIR, offers=(STAGGER,), never=(KIDNEY_TEST,)),)),
    Row(
        "gabapentin-with-baclofen-no-labs",
        (Card(CNS, "info", None, (*PAIR, "egfr"), offers=(KIDNEY_TEST,), never=(STAGGER,)),),
    ),
    Row(
        "gabapentin-with-baclofen-70-no-labs",
        (Card(CNS, "warning", None, (*PAIR, "age 70"), offers=(KIDNEY_TEST,), never=(STAGGER,)),),
    ),
    Row(
        "gabapentin-and-baclofen-started-together",
        (
            Card(
                CNS,
                "warning",
                None,
                (*PAIR, "started together|start"),
            ),
        ),
    ),
    Row(
        "gabapentin-with-baclofen-72-egfr-38",
        (Card(CNS, "warning", "major", (*PAIR, "age 72", EGFR_38), never=(STAGGER,)),),
    ),
    Row("gabapentin-renewal-with-baclofen-72-egfr-38", (Card(CNS, "info", None, (*PAIR, "unchanged renewal")),)),
    Row("gabapentin-renewal-linked-with-baclofen-72-egfr-38", (Card(CNS, "info", None, (*PAIR, "unchanged renewal")),)),
    Row(
        "gabapentin-with-baclofen-72-egfr-24",
        (
            Card(CNS, "critical", "major", (*PAIR, "eGFR 24"), never=(STAGGER,)),
            Card("dose", "warning", None, ("gabapentin", "900 mg/day", "700 mg/day"), never=(STAGGER, REDUCE)),
        ),
    ),
    Row(
        "gabapentin-with-baclofen-and-amitriptyline",
        (
            Card(
                CNS,
                "warning",
                None,
                (*PAIR, "amitriptyline", "(three|3)( or more)? (CNS|central|sedating)"),
                never=(STAGGER,),
            ),
        ),
    ),
    Row(
        "gabapentin-with-baclofen-and-oxycodone",
        (Card(CNS, "critical", "major", (*PAIR, "oxycodone", "opioid"), never=(STAGGER,)),),
    ),
    Row("gabapentin-with-oxycodone", (Card(CNS, "warning", None, ("gabapentin", "oxycodone"), never=(STAGGER,)),)),
    Row("gabapentin-with-amitriptyline", (Card(CNS, "info", None, ("gabapentin", "amitriptyline")),)),
    Row("gabapentin-with-amitriptyline-70", (Card(CNS, "warning", None, ("gabapentin", "amitriptyline", "age 70")),)),
    Row("baclofen-with-amitriptyline", (Card(CNS, "info", None, ("baclofen", "amitriptyline")),)),
    Row(
        "baclofen-without-order-id-with-amitriptyline-70",
        (Card(CNS, "warning", None, ("baclofen", "amitriptyline", "lowest dose|start"), never=TOUCHES_THE_ORDER),),
    ),
    # one drug alone
    Row("baclofen-72-egfr-38", (Card(CNS, "warning", None, ("encephalopathy", "eGFR 38", "age 72"), rule=KIDNEY),)),
    Row("baclofen-72-egfr-24", (Card(CNS, "critical", "major", ("encephalopathy", "eGFR 24"), rule=KIDNEY),)),
    Row(
        "gabapentin-600-crcl-40",
        (Card("dose", "warning", None, ("1,800 mg/day", "1,400 mg/day", "CrCl\\)? 40"), offers=(REDUCE,)),),
    ),
    Row("gabapentin-84-years-42-kg", (Card("dose", "warning", None, ("900 mg/day", "700 mg/day", r"27\.8")),)),
    Row("gabapentin-2-pills-crcl-70"),
    Row(
        "vaginal-baclofen-and-amitriptyline",
        (Card(CNS, "info", None, ("baclofen", "amitriptyline", "vaginal|local", "tell the patient")),),
    ),
    Row("amitriptyline-with-methylcobalamin"),
    Row(
        "amitriptyline-with-angle-closure-glaucoma", (Card("glaucoma", "warning", None, ("amitriptyline", "glaucoma")),)
    ),
    Row("amitriptyline-with-urinary-retention", (Card("urinary-retention", "warning", None, ("urin", "retention")),)),
    Row("amitriptyline-with-epilepsy", (Card("seizures", "warning", None, ("amitriptyline", "seizure")),)),
    Row("amitriptyline-with-past-seizures", (Card("seizures", "warning", None, ("amitriptyline", "seizure")),)),
    Row(
        "amitriptyline-with-long-qt",
        (Card("qt-prolongation", "warning", None, ("amitriptyline", "long QT"), offers=(ECG,)),),
    ),
    Row(
        "amitriptyline-10-days-after-infarction",
        (Card("tricyclic-heart", "critical", "contraindicated", ("amitriptyline", "2026-11-12"), rule=INFARCTION),),
    ),
    # an old infarction is a heart disease, and no longer a contraindication
    Row(
        "amitriptyline-40-days-after-infarction",
        (Card("tricyclic-heart", "info", "moderate", ("amitriptyline",), rule="amitriptyline-heart-disease"),),
    ),
    Row("amitriptyline-at-5-years", (Card("suicidality", "critical", None, ("amitriptyline", "age 5")),)),
    Row("amitriptyline-at-10-years", (Card("suicidality", "warning", None, ("suicid", "age 10")),)),
    Row("amitriptyline-at-22-years", (Card("suicidality", "info", None, ("suicid", "age 22")),)),
    # after a drug that was stopped
    Row(
        "amitriptyline-5-days-after-phenelzine",
        (Card("mao-inhibitor", "critical", None, ("amitriptyline", "phenelzine", "14 days", "2026-11-17")),),
    ),
    Row("amitriptyline-20-days-after-phenelzine"),
    Row(
        "amitriptyline-after-phenelzine-date-unknown",
        (Card("mao-inhibitor", "warning", None, ("amitriptyline", "phenelzine", "not known|unknown|not on file")),),
    ),
    Row(
        "phenelzine-3-weeks-after-fluoxetine",
        (Card("mao-inhibitor", "critical", None, ("phenelzine", "fluoxetine", "(five|5) weeks")),),
    ),
    Row(
        "naltrexone-with-gabapentin",
        (Card(CNS, "info", None, ("naltrexone", "gabapentin", "drows|sleepi", "no pharmacokinetic interaction")),),
    ),
    Row(
        "naltrexone-with-oxycodone",
        (Card("naltrexone-opioid", "critical", "contraindicated", ("naltrexone", "oxycodone")),),
    ),
    Row(
        "oxycodone-with-naltrexone",
        (Card("naltrexone-opioid", "critical", "contraindicated", ("naltrexone", "oxycodone")),),
    ),
    Row(
        "naltrexone-3-days-after-oxycodone",
        (Card("naltrexone-opioid", "critical", None, ("naltrexone", "oxycodone", "2026-11-19")),),
    ),
    Row(
        "naltrexone-10-days-after-methadone",
        (Card("naltrexone-opioid", "critical", None, ("naltrexone", "methadone", "2026-11-12")),),
    ),
    Row("morphine-naltrexone-capsule"),
    # an order that stops a drug
    Row("baclofen-stopped", (Card("withdrawal", "warning", None, ("baclofen", "taper"), never=(REMOVE,)),)),
    Row("baclofen-stopped-by-an-order-of-its-own", (Card("withdrawal", "warning", None, ("baclofen", "taper")),)),
    Row("baclofen-stopped-beside-gabapentin", (Card("withdrawal", "warning", None, ("baclofen", "taper")),)),
    Row("baclofen-dose-changed"),
    # orders that are read from text, or not at all
    Row("neurontin-as-text-with-baclofen", (Card(CNS, "info", "moderate", PAIR, offers=(STAGGER,)),)),
    Row("unknown-drug", (Card("check", "info", None, ("Xyzzyol 5 mg", "not checked")),)),
    Row(
        "half-known-combination-with-baclofen",
        (
            Card(CNS, "info", None, PAIR, never=(STAGGER, REDUCE)),
            Card("check", "info", None, ("xyzzyol", "not checked")),
        ),
    ),
    # nothing to say
    Row("amoxicillin-with-an-old-pair"),
    Row("metformin-with-lisinopril"),
    Row("only-a-laboratory-order"),
    Row("order-form-not-filled-in"),
    # below the table: what does not change the answer, and order-select
    Row("baclofen-with-gabapentin", (Card(CNS, "info", "moderate", PAIR, offers=(STAGGER,)),)),
    Row("gabapentin-with-baclofen-in-four-sources", (Card(CNS, "info", "moderate", PAIR, offers=(STAGGER,)),)),
    Row("gabapentin-with-baclofen-echoed", (Card(CNS, "info", "moderate", PAIR, offers=(STAGGER,)),)),
    Row("gabapentin-with-baclofen-that-does-not-count"),
    Row("gabapentin-with-baclofen-kidney-test-ordered", (Card(CNS, "info", None, PAIR, never=(KIDNEY_TEST, STAGGER)),)),
    Row("order-select-gabapentin-with-baclofen", (Card(CNS, "info", "moderate", PAIR, offers=(STAGGER,)),)),
    Row("order-select-gabapentin-beside-baclofen-draft", (Card(CNS, "warning", None, PAIR),)),
    Row("order-select-amoxicillin-beside-a-drafted-pair"),
)

# The chart as it comes on bad days: what was not seen is said, and nothing that was seen is lost.
CNS_AS_EVER = Card(CNS, "info", "moderate", PAIR, offers=(STAGGER,))


def notice(rule: str, indicator: str, *says: str) -> Card:
    """A card about the check itself."""
    return Card("check", indicator, None, says, rule=rule)


ODD_CHARTS = (
    Row("prefetch-medication-list-missing", (notice("no-medication-list", "warning", "only against each other"),)),
    Row("prefetch-medication-list-failed", (notice("medication-list-failed", "warning", "only against each other"),)),
    Row(
        "prefetch-medication-list-has-more-pages",
        (notice("medication-list-partial", "warning", "part"), Card(CNS, "info", "moderate", PAIR, never=(STAGGER,))),
    ),
    Row("prefetch-medication-list-null"),
    Row(
        "prefetch-missing",
        (
            notice("no-medication-list", "warning", "only against each other"),
            notice("chart-incomplete", "info", "age and sex"),
        ),
    ),
    Row("prefetch-another-patients-medication", (notice("medication-list-partial", "warning", "of another patient"),)),
    Row(
        "prefetch-laboratory-results-failed",
        (Card(CNS, "info", None, (*PAIR, "laboratory results"), never=(STAGGER,)),),
    ),
    Row("prefetch-current-drug-unknown", (notice("current-drug-not-read", "info", "Plughol 20 mg tabs"),)),
    Row("medication-reference-contained", (CNS_AS_EVER,)),
    Row("medication-reference-in-bundle", (CNS_AS_EVER,)),
    Row("medication-reference-display-only", (CNS_AS_EVER,)),
    Row("medication-reference-unresolved", (notice("current-drug-not-read", "info"),)),
    Row("hook-does-not-fit-the-url", (CNS_AS_EVER,)),
    Row("order-subject-unresolved", (CNS_AS_EVER,)),
    Row("order-invalid-r4", (CNS_AS_EVER,)),
    Row("code-and-text-disagree", (notice("code-and-text-disagree", "warning", *PAIR),)),
    Row("sandbox-order-select-no-medication"),
    Row("sandbox-order-select-pama-servicerequest"),
)

each_row = pytest.mark.parametrize("row", [*ROWS, *ODD_CHARTS], ids=lambda row: row.fixture)


# --- Asking -------------------------------------------------------------------------------------------------


def body_of(name: str) -> JSON:
    """The hook call of a fixture."""
    return dict(json.loads(read_fixture(fixtures_folder() / name).request()))


def ask(name: str, body: JSON) -> JSON:
    """The answer to a changed hook call, on the day and at the service of its fixture."""
    fixture = read_fixture(fixtures_folder() / name)
    response = client_on(fixture.today).post(f"/cds-services/{fixture.service}", json=body)
    assert response.status_code == 200, response.get_data(as_text=True)
    return dict(strict_json(response.get_data()))


def answer_to(name: str) -> JSON:
    """The answer to a fixture as it stands."""
    return dict(strict_json(fire(read_fixture(fixtures_folder() / name)).get_data()))


def outline(answer: JSON) -> list[str]:
    """The cards in one line each, for messages."""
    return [f"{c['source']['topic']['code']} {c['indicator']}: {c['summary']}" for c in answer["cards"]]


def suggestion_of(name: str, kind: str) -> JSON:
    """The one suggestion of this kind in the answer to a fixture."""
    (found,) = (s for c in answer_to(name)["cards"] for s in c.get("suggestions", []) if kind_of(s) == kind)
    return dict(found)


# --- Each row -----------------------------------------------------------------------------------------------


@each_row
def test_the_cards_are_those_of_the_table(row: Row) -> None:
    """As many cards as the row says, of its topics, loudest first."""
    answer = answer_to(row.fixture)
    assert [(c["source"]["topic"]["code"], c["indicator"]) for c in answer["cards"]] == [
        (card.topic, card.indicator) for card in row.cards
    ], outline(answer)


@each_row
def test_each_card_says_what_the_table_asks(row: Row) -> None:
    """Severity, the drugs and facts named, what is offered and what is not."""
    answer = answer_to(row.fixture)
    for expected, card in zip(row.cards, answer["cards"], strict=True):
        lead = rules_of(card)[0]
        assert expected.severity in (None, lead.get("severity"))
        assert expected.rule in (None, lead["id"])
        told = f"{card['summary']}\n{card['detail']}"
        silent_about = [p for p in expected.says if not re.search(p, told, re.IGNORECASE)]
        assert not silent_about, told
        assert kinds_of(card) >= set(expected.offers)
        assert not kinds_of(card) & set(expected.never)


@each_row
def test_a_suggestion_taken_and_fired_again_quietens_its_card(row: Row) -> None:
    """The card is gone, or it no longer offers what was just taken and is no louder."""
    body, answer = body_of(row.fixture), answer_to(row.fixture)
    for card in answer["cards"]:
        for suggestion in card.get("suggestions", []):
            taken = ask(row.fixture, apply_suggestion(body, suggestion))
            left = cards_of_topic(taken, card["source"]["topic"]["code"])
            if kind_of(suggestion) in (REDUCE, REMOVE):
                assert not left, outline(taken)
            for still in left:
                assert kind_of(suggestion) not in kinds_of(still)
                assert LOUDNESS.index(still["indicator"]) <= LOUDNESS.index(card["indicator"])
            others = {c["source"]["topic"]["code"] for c in taken["cards"]}
            assert others <= {c["source"]["topic"]["code"] for c in answer["cards"]}, "a new problem came up"


@pytest.mark.parametrize("name", ["metformin-with-lisinopril", "only-a-laboratory-order", "order-form-not-filled-in"])
def test_where_nothing_is_to_be_said_the_answer_is_empty(name: str) -> None:
    """Exactly {"cards": []}: everything was read and the check finished."""
    assert answer_to(name) == {"cards": []}


def test_text_gets_the_same_card_as_a_code() -> None:
    """Neurontin as text is told like gabapentin by code: summary, detail, and what is offered."""
    by_code = answer_to("gabapentin-with-baclofen")["cards"][0]
    by_text = answer_to("neurontin-as-text-with-baclofen")["cards"][0]
    for member in ("summary", "detail", "indicator", "links"):
        assert by_text[member] == by_code[member]
    assert [s["label"] for s in by_text["suggestions"]] == [s["label"] for s in by_code["suggestions"]]


def test_the_creatinine_clearance_decides_though_the_egfr_is_twice_as_high() -> None:
    """84 years, 42 kg, creatinine 1.0 mg/dL: CrCl 27.8 with its inputs, and no word that 55.6 was used."""
    (card,) = answer_to("gabapentin-84-years-42-kg")["cards"]
    for part in ("27.8", "Cockcroft", "creatinine 1 mg/dL (2026-11-03)", "weight 42 kg (2026-11-03)", "age 84"):
        assert part in card["detail"], card["detail"]
    assert "55.6" not in card["summary"]


def test_the_old_pair_is_not_told_again_by_another_order() -> None:
    """Amoxicillin for a patient on gabapentin and baclofen with eGFR 24: neither drug is named."""
    text = json.dumps(answer_to("amoxicillin-with-an-old-pair"))
    assert "gabapentin" not in text
    assert "baclofen" not in text


def test_stopping_a_drug_brings_no_interaction_card_for_it() -> None:
    """The only card of a stop order is the one about stopping."""
    answer = answer_to("baclofen-stopped-beside-gabapentin")
    assert not cards_of_topic(answer, CNS), outline(answer)


# --- What the actions hold ----------------------------------------------------------------------------------


def test_staggering_keeps_dose_count_and_period() -> None:
    """10:00, 16:00 and 22:00 beside baclofen at 08:00, 14:00 and 20:00; the rest of the order as it was."""
    name = "gabapentin-with-baclofen"
    (order,) = orders_in(body_of(name))
    suggestion = suggestion_of(name, STAGGER)
    (action,) = suggestion["actions"]
    after, before = action["resource"], copy.deepcopy(order)
    dosage, old = after["dosageInstruction"][0], before["dosageInstruction"][0]
    repeat = dosage["timing"]["repeat"]
    assert repeat.pop("timeOfDay") == ["10:00:00", "16:00:00", "22:00:00"]
    assert repeat == old["timing"]["repeat"] == {"frequency": 3, "period": 1, "periodUnit": "d"}
    for time in ("10:00", "16:00", "22:00"):
        assert time in suggestion["label"]
        assert time in dosage["text"]
    assert "three times" not in dosage["text"]
    assert "code" not in dosage["timing"]
    for changed in (dosage, old):
        del changed["text"], changed["timing"]
    assert after == before


def test_staggering_is_never_recommended_and_says_what_it_does() -> None:
    """It eases peaks and does not remove the risk; the times of the other drug are named as assumed."""
    name = "gabapentin-with-baclofen"
    assert suggestion_of(name, STAGGER).get("isRecommended", False) is False
    (card,) = answer_to(name)["cards"]
    assert "10:00, 16:00, 22:00" in card["detail"]
    assert re.search(r"baclofen 08:00, 14:00, 20:00 \(assumed\)", card["detail"])
    assert re.search("does not\\s+remove the risk", card["detail"])


def test_no_suggestion_of_any_row_is_recommended_over_the_prescriber() -> None:
    """isRecommended is never set: the service offers, the prescriber chooses."""
    for row in (*ROWS, *ODD_CHARTS):
        for card in answer_to(row.fixture)["cards"]:
            assert all("isRecommended" not in s for s in card.get("suggestions", []))


def test_the_kidney_test_is_a_complete_order() -> None:
    """A draft order for creatinine by LOINC, for this patient, by this user, today, with a reason."""
    (action,) = suggestion_of("gabapentin-with-baclofen-no-labs", KIDNEY_TEST)["actions"]
    resource = action["resource"]
    context = body_of("gabapentin-with-baclofen-no-labs")["context"]
    assert action["type"] == "create"
    assert (resource["resourceType"], resource["status"], resource["intent"]) == ("ServiceRequest", "draft", "order")
    assert resource["subject"] == {"reference": f"Patient/{context['patientId']}"}
    assert resource["encounter"] == {"reference": f"Encounter/{context['encounterId']}"}
    assert resource["requester"] == {"reference": context["userId"]}
    assert resource["authoredOn"] == "2026-11-22"
    (coding,) = resource["code"]["coding"]
    assert (coding["system"], coding["code"]) == ("http://loinc.org", "2160-0")
    assert resource["code"]["text"]
    assert resource["reasonCode"][0]["text"]


def test_the_reduced_dose_rewrites_all_that_depends_on_it() -> None:
    """600 mg twice daily: one tablet, two times, sixty tablets for thirty days, and a text that says so."""
    name = "gabapentin-600-crcl-40"
    (before,) = orders_in(body_of(name))
    suggestion = suggestion_of(name, REDUCE)
    (action,) = suggestion["actions"]
    after = action["resource"]
    dosage, old = after["dosageInstruction"][0], before["dosageInstruction"][0]
    assert re.search("600 mg twice (daily|a day)", suggestion["label"])
    assert "1,200 mg/day" in suggestion["label"]
    assert dosage["timing"] == {"repeat": {"frequency": 2, "period": 1, "periodUnit": "d"}}
    assert dosage["doseAndRate"] == old["doseAndRate"]
    assert "twice" in dosage["text"]
    assert "patientInstruction" not in dosage
    assert dosage["route"] == old["route"]
    assert after["dispenseRequest"]["quantity"] == before["dispenseRequest"]["quantity"] | {"value": 60}
    assert after["dispenseRequest"]["expectedSupplyDuration"] == before["dispenseRequest"]["expectedSupplyDuration"]
    same = set(before) - {"dosageInstruction", "dispenseRequest"}
    assert set(after) == set(before)
    assert {k: after[k] for k in same} == {k: before[k] for k in same}


def test_an_update_keeps_extensions_and_the_digits_of_decimals() -> None:
    """0.50 in an extension of the order is 0.50 in the update."""
    raw = fire(read_fixture(fixtures_folder() / "gabapentin-600-crcl-40")).get_data(as_text=True)
    assert '"valueDecimal":0.50' in raw.replace(" ", "")


def test_a_removed_order_leaves_no_card() -> None:
    """Wherever removing is offered, the same call without the order gets no card about it."""
    offered = 0
    for row in ROWS:
        for card in answer_to(row.fixture)["cards"]:
            for suggestion in card.get("suggestions", []):
                if kind_of(suggestion) == REMOVE:
                    offered += 1
                    (action,) = suggestion["actions"]
                    left = ask(row.fixture, apply_suggestion(body_of(row.fixture), suggestion))
                    assert action["resourceId"] not in json.dumps(left)
    assert offered > 0


# --- What changes nothing else ------------------------------------------------------------------------------

SYMMETRIC = (
    "gabapentin-with-baclofen",
    "gabapentin-with-baclofen-no-labs",
    "gabapentin-with-baclofen-70-no-labs",
    "gabapentin-with-baclofen-72-egfr-38",
    "gabapentin-with-baclofen-72-egfr-24",
    "gabapentin-with-oxycodone",
    "gabapentin-with-amitriptyline",
    "gabapentin-with-amitriptyline-70",
    "baclofen-with-amitriptyline",
    "naltrexone-with-gabapentin",
    "naltrexone-with-oxycodone",
)


def chart_of(body: JSON) -> list[JSON]:
    """The entries of the medication list."""
    return list((body.get("prefetch", {}).get("medicationRequests") or {}).get("entry", []))


def add_to_chart(body: JSON, key: str, *resources: JSON) -> None:
    """Add resources to one prefetch value."""
    found = body["prefetch"][key]
    found["entry"] = [*found.get("entry", []), *({"resource": r} for r in resources)]
    found["total"] = len(found["entry"])


@pytest.mark.parametrize("name", SYMMETRIC)
def test_swapping_draft_and_chart_keeps_the_card(name: str) -> None:
    """Which of the two was there first changes neither loudness, nor severity, nor the drugs the summary names."""
    body = body_of(name)
    (draft,), (entry,) = orders_in(body), chart_of(body)
    swapped = copy.deepcopy(body)
    swapped["context"]["draftOrders"]["entry"] = [{"resource": entry["resource"] | {"status": "draft"}}]
    swapped["prefetch"]["medicationRequests"]["entry"] = [
        {"resource": draft | {"status": "active", "authoredOn": "2026-05-04"}}
    ]
    one, other = answer_to(name), ask(name, swapped)
    topic = one["cards"][0]["source"]["topic"]["code"]
    (first,), (second,) = cards_of_topic(one, topic), cards_of_topic(other, topic)
    assert first["indicator"] == second["indicator"]
    assert rules_of(first)[0] in rules_of(second)
    assert rules_of(first)[0].get("severity") == rules_of(second)[0].get("severity")
    for drug in next(row for row in ROWS if row.fixture == name).cards[0].says[:2]:
        assert re.search(drug, first["summary"], re.IGNORECASE)
        assert re.search(drug, second["summary"], re.IGNORECASE)


@each_row
def test_the_order_of_entries_changes_nothing(row: Row) -> None:
    """Drafts and every part of the chart turned round: the same answer, uuids too."""
    turned = body_of(row.fixture)
    turned["context"]["draftOrders"]["entry"].reverse()
    for part in turned.get("prefetch", {}).values():
        if isinstance(part, dict) and part.get("resourceType") == "Bundle":
            part.get("entry", []).reverse()
    assert ask(row.fixture, turned) == answer_to(row.fixture)


@pytest.mark.parametrize("with_dosage", [True, False], ids=["with-dosage", "without-dosage"])
@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.fixture)
def test_a_drug_in_four_sources_counts_once(row: Row, with_dosage: bool) -> None:
    """What is taken is told again as statement, dispense and administration: the same answer."""
    body = body_of(row.fixture)
    for entry in chart_of(body):
        order = entry["resource"]
        if order["status"] != "active" or order.get("doNotPerform"):
            continue
        drug = {k: order[k] for k in ("medicationCodeableConcept", "subject")}
        dosage = order["dosageInstruction"] if with_dosage else []
        add_to_chart(
            body,
            "medicationStatements",
            {"resourceType": "MedicationStatement", "id": f"s-{order['id']}", "status": "active", **drug}
            | ({"dosage": dosage} if dosage else {}),
        )
        add_to_chart(
            body,
            "medicationDispenses",
            {
                "resourceType": "MedicationDispense",
                "id": f"d-{order['id']}",
                "status": "completed",
                "whenHandedOver": "2026-11-05",
                "daysSupply": {"value": 30, "unit": "days", "system": "http://unitsofmeasure.org", "code": "d"},
                **drug,
            }
            | ({"dosageInstruction": dosage} if dosage else {}),
        )
        add_to_chart(
            body,
            "medicationAdministrations",
            {
                "resourceType": "MedicationAdministration",
                "id": f"a-{order['id']}",
                "status": "completed",
                "effectiveDateTime": "2026-11-22T08:00:00Z",
                **drug,
            },
        )
    assert ask(row.fixture, body) == answer_to(row.fixture)


@pytest.mark.parametrize("status", ["draft", "active"])
@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.fixture)
def test_the_draft_sent_again_in_the_chart_changes_nothing(row: Row, status: str) -> None:
    """A draft that the record system has stored already is not a drug the patient takes."""
    body = body_of(row.fixture)
    orders = [o for o in orders_in(body) if o["resourceType"] == "MedicationRequest" and "id" in o]
    known = {entry["resource"]["id"] for entry in chart_of(body)}
    echoed = [copy.deepcopy(o) | {"status": status} for o in orders if o["id"] not in known]
    add_to_chart(body, "medicationRequests", *echoed)
    assert ask(row.fixture, body) == answer_to(row.fixture)


@pytest.mark.parametrize("row", [r for r in ROWS if chart_of(body_of(r.fixture))], ids=lambda row: row.fixture)
def test_entries_that_are_void_do_not_count(row: Row) -> None:
    """Entered in error, cancelled or not to be performed: as if the chart were empty."""
    empty, names = body_of(row.fixture), [e["resource"]["id"] for e in chart_of(body_of(row.fixture))]
    empty["prefetch"]["medicationRequests"] |= {"entry": [], "total": 0}
    for void in ({"status": "entered-in-error"}, {"status": "cancelled"}, {"doNotPerform": True}):
        body = body_of(row.fixture)
        for entry in chart_of(body):
            entry["resource"] |= void
        assert ask(row.fixture, body) == ask(row.fixture, empty), names


# --- Requests that are refused ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "status", "words"),
    [
        ("error-malformed-json", 400, "the request body"),
        ("error-not-a-number", 400, "the request body"),
        ("error-nested-too-deeply", 400, "the request body"),
        ("error-missing-draft-orders", 400, "context.draftOrders"),
        ("error-missing-hook-instance", 400, "hookInstance"),
        ("error-context-is-a-list", 400, "context"),
        ("error-another-patients-order", 400, r"context.draftOrders.entry\[0\].resource.subject"),
        ("error-unknown-service", 404, "no such service"),
        ("sandbox-order-sign-tab-reclick-no-draft-orders", 400, "context.draftOrders"),
    ],
)
def test_a_request_that_cannot_be_understood_is_refused(name: str, status: int, words: str) -> None:
    """An OperationOutcome names the path of what is wrong, and there are no cards."""
    response = fire(read_fixture(fixtures_folder() / name))
    assert response.status_code == status
    assert re.search(words, outcome_text(response))
    assert "cards" not in strict_json(response.get_data())
