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
