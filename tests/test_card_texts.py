"""What a card says is true of the drugs of this patient, not of their neighbours in the class."""

from __future__ import annotations

from typing import Any

import pytest
from flask.testing import FlaskClient

from cds_service.core.values import Knowledge
from tests.helpers import JSON, answer_of, hook_call, rules_of

SELEGILINE_PATCH = "24 HR selegiline 0.25 MG/HR Transdermal System"
ADULT = {"age": 50, "sex": "male", "egfr": 90}


def card_of(client: FlaskClient, knowledge: Knowledge, rule: str, drugs: tuple[Any, Any], facts: JSON = ADULT) -> JSON:
    """The card that this rule leads, for one drug ordered and others taken."""
    ordered, taken = drugs
    answer = answer_of(client, hook_call(knowledge, [ordered], taken if isinstance(taken, list) else [taken], facts))
    return next(card for card in answer["cards"] if rules_of(card)[0]["id"] == rule)


def advice_of(card: JSON) -> str:
    """The card's detail as far as it says what to do."""
    return str(card["detail"]).split("**What can happen:**")[0]


@pytest.mark.parametrize(
    ("rule", "other"),
    [
        ("transdermal-selegiline-antidepressant", "sertraline 50 MG Oral Tablet"),
        ("transdermal-selegiline-fluoxetine", "fluoxetine 20 MG Oral Capsule"),
        ("transdermal-selegiline-opioid", "meperidine hydrochloride 50 MG Oral Tablet"),
        ("transdermal-selegiline-other", "carbamazepine 200 MG Oral Tablet"),
        ("tricyclic-transdermal-selegiline", "amitriptyline hydrochloride 25 MG Oral Tablet"),
    ],
)
def test_the_patch_is_always_that_of_selegiline(
    client: FlaskClient, knowledge: Knowledge, rule: str, other: str
) -> None:
    """Whichever of the two is ordered: the other one is a tablet."""
    for drugs in ((other, SELEGILINE_PATCH), (SELEGILINE_PATCH, other)):
        summary = card_of(client, knowledge, rule, drugs)["summary"]
        assert "(selegiline as a patch):" in summary
        assert summary.count("patch") == 1


def test_selegiline_by_mouth_is_no_patch(client: FlaskClient, knowledge: Knowledge) -> None:
    """Capsules have a card of their own, which does not speak of a patch."""
    drugs = ("amitriptyline hydrochloride 25 MG Oral Tablet", "selegiline hydrochloride 5 MG Oral Capsule")
    assert "patch" not in card_of(client, knowledge, "tricyclic-oral-selegiline", drugs)["summary"]


PANTOPRAZOLE = "pantoprazole 40 MG Delayed Release Oral Tablet"


@pytest.mark.parametrize(
    ("rule", "ordered", "taken", "facts"),
    [
        ("oral-anticoagulant-aspirin", "aspirin 81 MG Oral Tablet", "apixaban 5 MG Oral Tablet", {}),
        ("oral-anticoagulant-aspirin", "aspirin 81 MG Oral Tablet", "phenprocoumon 3 MG Oral Tablet", {}),
        ("oral-anticoagulant-antiplatelet", "clopidogrel 75 MG Oral Tablet", "apixaban 5 MG Oral Tablet", {}),
        (
            "anticoagulant-bleeding-history",
            "apixaban 5 MG Oral Tablet",
            "metformin hydrochloride 500 MG Oral Tablet",
            {"conditions": ["peptic-ulcer"]},
        ),
        (
            "anticoagulant-ssri-snri",
            "sertraline 50 MG Oral Tablet",
            "warfarin sodium 5 MG Oral Tablet",
            {"age": 70, "conditions": ["peptic-ulcer"]},
        ),
    ],
    ids=["aspirin", "aspirin, phenprocoumon", "clopidogrel", "ulcer", "sertraline"],
)
def test_stomach_protection_that_is_taken_is_not_added(
    client: FlaskClient, knowledge: Knowledge, rule: str, ordered: str, taken: str, facts: JSON
) -> None:
    """A proton pump inhibitor is asked for only where nothing protects the stomach."""
    patient = ADULT | facts
    asked = [
        "Add a proton pump inhibitor" in advice_of(card_of(client, knowledge, rule, (ordered, taking), patient))
        for taking in ([taken], [taken, PANTOPRAZOLE])
    ]
    assert asked == [True, False]


@pytest.mark.parametrize("beside", ["warfarin sodium 5 MG Oral Tablet", "apixaban 5 MG Oral Tablet"])
def test_no_bleed_asks_for_no_stomach_protection(client: FlaskClient, knowledge: Knowledge, beside: str) -> None:
    """Under 65 an SSRI beside an anticoagulant needs none."""
    drugs = ("sertraline 50 MG Oral Tablet", beside)
    assert "proton pump" not in advice_of(card_of(client, knowledge, "anticoagulant-ssri-snri", drugs))


def test_naloxone_is_asked_for_where_it_is_not_at_hand(client: FlaskClient, knowledge: Knowledge) -> None:
    """The sentence is true of a patient who has it, and of one who takes it only as a part of a tablet."""
    drugs = (
        "oxycodone hydrochloride 5 MG Oral Tablet",
        ["lorazepam 1 MG Oral Tablet", "naloxone 4 MG/ACTUAT Nasal Spray"],
    )
    advice = advice_of(card_of(client, knowledge, "opioid-benzodiazepine", drugs))
    assert "supply naloxone unless it is at hand" in advice


@pytest.mark.parametrize(
    ("rule", "drugs", "since"),
    [
        (
            "digoxin-verapamil",
            ("digoxin 0.125 MG Oral Tablet", "verapamil hydrochloride 80 MG Oral Tablet"),
            "(none in the last month)",
        ),
        (
            "ras-inhibitor-potassium-supplement",
            ("lisinopril 10 MG Oral Tablet", "potassium chloride 20 MEQ Extended Release Oral Tablet"),
            "(none in the last 3 months)",
        ),
    ],
)
def test_one_month_is_not_many(
    client: FlaskClient, knowledge: Knowledge, rule: str, drugs: tuple[str, str], since: str
) -> None:
    """A heart rate counts for a month, potassium for three."""
    assert since in card_of(client, knowledge, rule, drugs)["detail"]


TIZANIDINE, TACROLIMUS, CYCLOSPORINE = (
    "tizanidine 4 MG Oral Tablet",
    "tacrolimus 1 MG Oral Capsule",
    "cyclosporine 100 MG Oral Capsule",
)
AMITRIPTYLINE, GEMFIBROZIL = "amitriptyline hydrochloride 25 MG Oral Tablet", "gemfibrozil 600 MG Oral Tablet"
ALBUTEROL = "albuterol 0.09 MG/ACTUAT Metered Dose Inhaler"
APNOEA = ADULT | {"conditions": ["sleep-apnoea"]}
CONTRACEPTIVE = "ethinyl estradiol 0.03 MG / levonorgestrel 0.15 MG Oral Tablet"


@pytest.mark.parametrize(
    ("rule", "other", "drugs", "sentence"),
    [
        (
            "tizanidine-weak-cyp1a2-inhibitor",
            TIZANIDINE,
            [
                "cimetidine 400 MG Oral Tablet",
                CONTRACEPTIVE,
                "verapamil hydrochloride 80 MG Oral Tablet",
                "famotidine 20 MG Oral Tablet",
            ],
            "nizatidine or an antacid",
        ),
        (
            "tizanidine-weak-cyp1a2-inhibitor",
            TIZANIDINE,
            [CONTRACEPTIVE, "cimetidine 400 MG Oral Tablet", "acyclovir 400 MG Oral Tablet"],
            "progestin-only",
        ),
        (
            "calcineurin-inhibitor-potassium-sparing",
            TACROLIMUS,
            ["spironolactone 25 MG Oral Tablet", "potassium chloride 20 MEQ Extended Release Oral Tablet"],
            "thiazide or loop diuretic instead",
        ),
        (
            "calcineurin-inhibitor-potassium-sparing",
            TACROLIMUS,
            ["potassium chloride 20 MEQ Extended Release Oral Tablet", "spironolactone 25 MG Oral Tablet"],
            "below 4.0 mmol/L",
        ),
        (
            "calcineurin-inhibitor-nsaid",
            CYCLOSPORINE,
            ["diclofenac sodium 50 MG Delayed Release Oral Tablet", "meloxicam 15 MG Oral Tablet"],
            "doubles its level",
        ),
        (
            "tricyclic-sympathomimetic",
            AMITRIPTYLINE,
            ["pseudoephedrine hydrochloride 30 MG Oral Tablet", "methylphenidate hydrochloride 10 MG Oral Tablet"],
            "blocked nose",
        ),
        (
            "statin-gemfibrozil",
            GEMFIBROZIL,
            [
                "rosuvastatin 10 MG Oral Tablet",
                "atorvastatin 20 MG Oral Tablet",
                "pravastatin sodium 40 MG Oral Tablet",
            ],
            "rosuvastatin 10 mg once a day",
        ),
        (
            "nonselective-beta-blocker-beta-agonist",
            ALBUTEROL,
            [
                {"drug": "timolol 5 MG/ML Ophthalmic Solution", "route": "ophthalmic"},
                "propranolol hydrochloride 40 MG Oral Tablet",
            ],
            "eye clinic",
        ),
        (
            "nonselective-beta-blocker-beta-agonist",
            ALBUTEROL,
            [
                "propranolol hydrochloride 40 MG Oral Tablet",
                {"drug": "timolol 5 MG/ML Ophthalmic Solution", "route": "ophthalmic"},
            ],
            "metoprolol or bisoprolol",
        ),
    ],
    ids=[
        "cimetidine",
        "contraceptive",
        "diuretic",
        "potassium",
        "diclofenac",
        "nose",
        "rosuvastatin",
        "drops",
        "tablets",
    ],
)
def test_advice_about_one_drug_is_not_given_for_its_neighbours(
    client: FlaskClient, knowledge: Knowledge, rule: str, other: str, drugs: list[Any], sentence: str
) -> None:
    """In both directions: said of the first drug, and not of the others of its class."""
    for drug in drugs:
        for pair in ((drug, other), (other, drug)):
            assert (sentence in advice_of(card_of(client, knowledge, rule, pair))) == (drug is drugs[0]), drug


def test_diclofenac_beside_tacrolimus_is_not_called_doubled(client: FlaskClient, knowledge: Knowledge) -> None:
    """It is cyclosporine that does it."""
    drugs = ("diclofenac sodium 50 MG Delayed Release Oral Tablet", TACROLIMUS)
    assert "doubles" not in advice_of(card_of(client, knowledge, "calcineurin-inhibitor-nsaid", drugs))


@pytest.mark.parametrize(
    ("drug", "said"),
    [
        ("diazepam 5 MG Oral Tablet", "diazepam is contraindicated"),
        ("lorazepam 1 MG Oral Tablet", "such as for seizures"),
        ("zolpidem tartrate 5 MG Oral Tablet", "If zolpidem is needed"),
    ],
)
def test_a_sedative_in_sleep_apnoea_gets_its_own_advice(
    client: FlaskClient, knowledge: Knowledge, drug: str, said: str
) -> None:
    """Diazepam is contraindicated; that is not said of others, and a Z-drug is not for seizures."""
    answer = answer_of(client, hook_call(knowledge, [drug], [], APNOEA))
    card = next(c for c in answer["cards"] if rules_of(c)[0]["id"] == "benzodiazepine-zdrug-lung-disease")
    assert said in advice_of(card)
    assert ("diazepam" in advice_of(card)) == drug.startswith("diazepam")
    assert ("seizures" in advice_of(card)) != drug.startswith("zolpidem")


@pytest.mark.parametrize("anticoagulant", ["warfarin sodium 5 MG Oral Tablet", "apixaban 5 MG Oral Tablet"])
def test_no_two_cards_name_different_doses_of_acetaminophen(
    client: FlaskClient, knowledge: Knowledge, anticoagulant: str
) -> None:
    """Ibuprofen in heart failure, beside lisinopril and an anticoagulant: one figure on all three cards."""
    patient = {"age": 60, "egfr": 50, "conditions": ["heart-failure"]}
    taking = [anticoagulant, "lisinopril 10 MG Oral Tablet"]
    answer = answer_of(client, hook_call(knowledge, ["ibuprofen 400 MG Oral Tablet"], taking, patient))
    about = [advice_of(card) for card in answer["cards"] if "acetaminophen" in advice_of(card)]
    assert len(about) == 3
    figures = {figure for text in about for figure in ("2,000 mg/day", "3,000 mg/day") if figure in text}
    assert figures == {"2,000 mg/day" if anticoagulant.startswith("warfarin") else "3,000 mg/day"}
