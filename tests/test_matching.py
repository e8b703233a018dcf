"""Matching with one class rule alone: who may meet whom, whatever other cards there are."""

from __future__ import annotations

import copy
import re
from typing import Any

import pytest
import yaml
from flask.testing import FlaskClient

from cds_service.core.values import Knowledge
from cds_service.knowledge import cards_folder
from tests.helpers import (
    BACLOFEN,
    GABAPENTIN,
    SELECT,
    answer_of,
    cards_of_topic,
    cns_card,
    hook_call,
    suggestions_of,
)
from tests.own_cards import service_with

PAIR = "gabapentin-baclofen-cns-depression"
AMITRIPTYLINE = {"drug": "amitriptyline 25 MG Oral Tablet", "dose": "1 tablet", "bedtime": True}
GROUP = {"any_of": ["gabapentin", "baclofen", "amitriptyline"]}


@pytest.fixture(scope="module")
def class_rule(tmp_path_factory: pytest.TempPathFactory) -> FlaskClient:
    """A service whose one rule is a class rule: any two of three sedating drugs."""
    path = cards_folder() / "interactions" / f"{PAIR}.yaml"
    card = yaml.safe_load(path.read_text(encoding="utf-8"))
    card |= {"drugs": {"drug_a": GROUP, "drug_b": copy.deepcopy(GROUP)}, "modifiers": [], "variants": []}
    card["history"][-1]["content"] = ""
    return service_with(tmp_path_factory.mktemp("class") / "cards", card)


@pytest.mark.parametrize("draft", [GABAPENTIN, "gabapentin 600 MG Oral Tablet", "Neurontin 300mg caps"], ids=str)
def test_a_drug_never_meets_itself_in_a_class_rule(
    class_rule: FlaskClient, knowledge: Knowledge, draft: object
) -> None:
    """Another strength or brand of what is taken already is the same drug."""
    body = hook_call(knowledge, [draft, GABAPENTIN], [GABAPENTIN])
    assert answer_of(class_rule, body)["cards"] == []


def test_two_products_with_one_drug_in_common_do_not_meet_in_it(class_rule: FlaskClient, knowledge: Knowledge) -> None:
    """A combination holding what is taken already is no second drug of the group."""
    combined = "chlordiazepoxide 10 MG / amitriptyline hydrochloride 25 MG Oral Tablet"
    assert answer_of(class_rule, hook_call(knowledge, [combined], [AMITRIPTYLINE]))["cards"] == []


def test_two_drugs_of_the_group_meet_in_one_card(class_rule: FlaskClient, knowledge: Knowledge) -> None:
    """Both ways of filling the slots are one problem."""
    assert cns_card(answer_of(class_rule, hook_call(knowledge)))


def test_the_old_pair_is_not_told_again(class_rule: FlaskClient, knowledge: Knowledge) -> None:
    """A new drug meets each of two old ones; what the old ones do to each other is not its business."""
    answer = answer_of(class_rule, hook_call(knowledge, [AMITRIPTYLINE], [GABAPENTIN, BACLOFEN]))
    (card,) = cards_of_topic(answer, "cns-depression")
    assert "amitriptyline" in card["summary"].lower()
    assert "gabapentin + baclofen" not in card["detail"]
    assert "baclofen + gabapentin" not in card["detail"]


def further(card: dict[str, Any]) -> list[str]:
    """The pairs that a card tells of after the one it leads with."""
    return re.findall(r"^- (\w+ \+ \w+): ", card["detail"], re.M)


def test_what_is_not_selected_and_what_is_taken_stay_silent(class_rule: FlaskClient, knowledge: Knowledge) -> None:
    """For order-select a pair of an unselected draft and a taken drug waits until it is selected."""
    lines = [AMITRIPTYLINE, {**GABAPENTIN, "not_selected": True}]
    body = hook_call(knowledge, lines, [BACLOFEN], hook="order-select")
    card = cns_card(answer_of(class_rule, body, SELECT))
    assert "amitriptyline + baclofen" in card["summary"].lower()
    assert further(card) == ["amitriptyline + gabapentin"], "the selected drug with each of the others"
    body["context"]["selections"] = ["order-1"]
    assert len(further(cns_card(answer_of(class_rule, body, SELECT)))) == 1


def test_no_staggering_beside_an_opioid(class_rule: FlaskClient, knowledge: Knowledge) -> None:
    """Spreading doses is not offered where an opioid is taken, even on a card that is only info."""
    body = hook_call(knowledge)
    assert suggestions_of(answer_of(class_rule, body), "update")
    opioid = hook_call(knowledge, taking=[BACLOFEN, "oxycodone hydrochloride 5 MG Oral Tablet"])
    answer = answer_of(class_rule, opioid)
    assert cns_card(answer)["indicator"] == "info"
    assert suggestions_of(answer, "update") == []


@pytest.mark.parametrize("ids", [("a", "b"), ("b", "a")])
def test_a_renewal_never_hides_a_new_order_of_the_same_drug(
    client: FlaskClient, knowledge: Knowledge, ids: tuple[str, str]
) -> None:
    """Of two orders of one drug the new one leads the card, whichever id comes first."""
    once = {"drug": "baclofen 10 MG Oral Tablet", "dose": "1 tablet", "times_a_day": 1}
    more = {"drug": "baclofen 20 MG Oral Tablet", "dose": "1 tablet", "times_a_day": 4}
    body = hook_call(knowledge, [once, more], [once], {"age": 70, "egfr": 20})
    for entry, own_id in zip(body["context"]["draftOrders"]["entry"], ids, strict=True):
        entry["resource"]["id"] = own_id
    lead = answer_of(client, body)["cards"][0]
    assert lead["indicator"] == "critical"
    assert "Unchanged renewal" not in lead["detail"]


def test_two_drugs_of_one_product_are_two_of_three(client: FlaskClient, knowledge: Knowledge) -> None:
    """An ACE inhibitor and a diuretic in one tablet meet an NSAID as two tablets do; the tablet alone meets nothing."""
    tablet = "hydrochlorothiazide 12.5 MG / lisinopril 10 MG Oral Tablet"
    for new, old in ((tablet, ["ibuprofen 400 MG Oral Tablet"]), ("ibuprofen 400 MG Oral Tablet", [tablet])):
        (card,) = cards_of_topic(answer_of(client, hook_call(knowledge, [new], old)), "kidney-injury")
        assert {"lisinopril", "hydrochlorothiazide", "ibuprofen"} <= set(
            card["summary"].lower().replace(":", "").split()
        )
    assert cards_of_topic(answer_of(client, hook_call(knowledge, [tablet], [])), "kidney-injury") == []


def test_a_whole_chapter_of_a_classification_counts(client: FlaskClient, knowledge: Knowledge) -> None:
    """A condition may be one letter of ICD-10-CM: daily methotrexate is not called a mistake in a cancer coded so."""
    daily = {"drug": "methotrexate 2.5 MG Oral Tablet", "dose": "1 tablet", "times_a_day": 1}
    body = hook_call(knowledge, [daily], [])
    loud = {c["indicator"] for c in cards_of_topic(answer_of(client, body), "methotrexate")}
    coding = {"system": "http://hl7.org/fhir/sid/icd-10-cm", "code": "C92.00"}
    body["prefetch"]["conditions"]["entry"] = [
        {"resource": {"resourceType": "Condition", "id": "c", "code": {"coding": [coding]}}}
    ]
    assert loud == {"critical"}
    assert "critical" not in {c["indicator"] for c in cards_of_topic(answer_of(client, body), "methotrexate")}
