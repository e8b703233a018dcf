"""Every example of every card file, through the front door: each shows what its pharmacist wrote."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from cds_service.core.values import Knowledge
from cds_service.examples import example_request
from cds_service.knowledge import cards_folder
from cds_service.knowledge.folder import CARD_FOLDERS, read_folder
from cds_service.knowledge.load import read_cards
from cds_service.lint import EXAMPLE_DAY
from cds_service.settings import read_settings
from tests.helpers import JSON, SELECT, SIGN, answer_of, app_of, rules_of

CARDS = read_cards(read_folder(cards_folder()), [])
EXAMPLES = [
    pytest.param(card, example, id=f"{card['id']}: {example['name']}")
    for card in CARDS.values()
    for example in card["examples"]
]
Example = Mapping[str, Any]


@pytest.fixture(scope="module")
def example_client() -> FlaskClient:
    """The service on the day the examples are written for."""
    app: Flask = app_of(read_settings({"CDS_AUTH": "off", "CDS_RATE": "0"}), EXAMPLE_DAY)
    return app.test_client()


def mine(answer: JSON, card_id: str) -> list[tuple[JSON, JSON]]:
    """(card, what it says of this rule) for each card that names the rule, in the order of the answer."""
    return [(card, rule) for card in answer["cards"] for rule in rules_of(card) if rule["id"] == card_id]


@pytest.mark.parametrize(("card", "example"), EXAMPLES)
def test_an_example_shows_what_it_says(
    example_client: FlaskClient, knowledge: Knowledge, card: Mapping[str, Any], example: Example
) -> None:
    """The rule fires, as loud and as bad as written, with exactly these suggestions and texts, or not at all."""
    body = example_request(example, knowledge, EXAMPLE_DAY)
    answer = answer_of(example_client, body, SELECT if body["hook"] == "order-select" else SIGN)
    found = mine(answer, card["id"])
    expect = example["expect"]
    if card["status"] != "active" or expect == "no card" or is_only_counted(card, expect):
        assert not found
        return
    assert found, "the rule is on no card"
    shown, rule = found[0]
    assert (rule["severity"], rule["indicator"]) == (expect["severity"], expect["indicator"])
    assert shown["indicator"] == expect.get("card_indicator", shown["indicator"])
    assert_content(shown, expect, knowledge)


def is_only_counted(card: Mapping[str, Any], expect: Example) -> bool:
    """A minor finding is counted, not shown, unless its card says so."""
    return expect["severity"] == "minor" and not card.get("show_minor")


def assert_content(shown: JSON, expect: Example, knowledge: Knowledge) -> None:
    """The suggestions and the texts of a card are those the example names."""
    if "suggestions" in expect:
        labels = [s["label"] for s in shown.get("suggestions", [])]
        beginnings = [knowledge.suggestions[name].label.partition("{")[0] for name in expect["suggestions"]]
        kinds = list(dict.fromkeys(next((b for b in beginnings if la.startswith(b)), la) for la in labels))
        assert kinds == beginnings
    for text in expect.get("says", ()):
        assert text in shown["summary"] or text in shown["detail"]


def test_every_active_card_has_a_loud_and_a_silent_example() -> None:
    """No rule is released without a case in which it must fire and one in which it must not."""
    lacking = {
        card["id"]
        for card in CARDS.values()
        if card["status"] == "active" and len({e["expect"] == "no card" for e in card["examples"]}) < 2
    }
    assert not lacking


def test_no_card_file_is_left_out(knowledge: Knowledge) -> None:
    """Every file under the three card folders is read and becomes a rule."""
    files = {p.stem for part in CARD_FOLDERS for p in (cards_folder() / part).glob("*.yaml")}
    assert {rule.id for rule in knowledge.rules} == files
