"""Drug by drug, in both directions: pairs every checker must catch, and pairs that only train people to click.

`fixtures/pairs/` holds the lists with the source of each pair. The patient is a man of 50 with healthy kidneys and an
empty problem list, so that nothing but the pair speaks.
"""

from __future__ import annotations

import csv
from itertools import combinations
from pathlib import Path

import pytest
from flask.testing import FlaskClient

from cds_service.core.naming import read_name
from cds_service.core.values import INDICATORS, Knowledge
from cds_service.knowledge import cards_folder
from cds_service.knowledge.folder import read_folder
from cds_service.knowledge.supports import different_problems, read_evidence
from tests.helpers import JSON, answer_of, hook_call

PAIRS = Path(__file__).resolve().parents[1] / "fixtures" / "pairs"
MAN = {"age": 50, "sex": "male", "egfr": 90}
Row = dict[str, str]


def rows(kind: str) -> list[Row]:
    """All pairs of one kind, with the file they stand in."""
    found = []
    for path in sorted((PAIRS / kind).glob("*.csv")):
        with path.open(encoding="utf-8", newline="") as lines:
            found += [{**row, "file": path.name} for row in csv.DictReader(lines)]
    return found


def both_ways(kind: str) -> list[object]:
    """Each pair twice: one drug ordered and the other taken, and the other way round."""
    return [
        pytest.param(row, new, old, id=f"{row['file']} {row[new]} on {row[old]}")
        for row in rows(kind)
        for new, old in (("drug_a", "drug_b"), ("drug_b", "drug_a"))
    ]


def cards_about(knowledge: Knowledge, answer: JSON, *drugs: str) -> list[JSON]:
    """The cards that name all these drugs, notices about the check left out."""
    names = [set(read_name(drug, knowledge.vocabulary).ingredients) for drug in drugs]
    return [
        card
        for card in answer["cards"]
        if card["source"]["topic"]["code"] != "check"
        and all(any(name in f"{card['summary']} {card['detail']}".lower() for name in each) for each in names)
    ]


@pytest.mark.parametrize(("row", "new", "old"), both_ways("must-catch"))
def test_a_pair_that_must_be_caught_is(client: FlaskClient, knowledge: Knowledge, row: Row, new: str, old: str) -> None:
    """One card about the pair, at least as loud as its source asks for a patient without any other risk."""
    answer = answer_of(client, hook_call(knowledge, [row[new]], [row[old]], MAN))
    found = cards_about(knowledge, answer, row[new], row[old])
    assert found, [card["summary"] for card in answer["cards"]]
    loudest = max(INDICATORS.index(card["indicator"]) for card in found)
    assert loudest >= INDICATORS.index(row["least"]), [(c["indicator"], c["summary"]) for c in found]


@pytest.fixture(scope="module")
def apart(knowledge: Knowledge) -> set[frozenset[str]]:
    """Pairs of topics that may stay two cards, by cards/different-problems.yaml."""
    return set(different_problems(read_folder(cards_folder()), knowledge.topics, []))


@pytest.mark.parametrize(("row", "new", "old"), both_ways("must-catch"))
def test_a_pair_is_told_once(
    client: FlaskClient, knowledge: Knowledge, apart: set[frozenset[str]], row: Row, new: str, old: str
) -> None:
    """One problem, one card: two cards about one pair are of topics that somebody said are two problems."""
    answer = answer_of(client, hook_call(knowledge, [row[new]], [row[old]], MAN))
    topics = [card["source"]["topic"]["code"] for card in cards_about(knowledge, answer, row[new], row[old])]
    assert len(topics) == len(set(topics))
    assert {frozenset(pair) for pair in combinations(topics, 2)} <= apart


@pytest.mark.parametrize(("row", "new", "old"), both_ways("low-value"))
def test_a_low_value_pair_stays_quiet(client: FlaskClient, knowledge: Knowledge, row: Row, new: str, old: str) -> None:
    """No warning and nothing critical without another reason; and every order was read."""
    answer = answer_of(client, hook_call(knowledge, [row[new]], [row[old]], MAN))
    assert [card["summary"] for card in answer["cards"] if card["indicator"] != "info"] == []
    assert [card["summary"] for card in answer["cards"] if card["source"]["topic"]["code"] == "check"] == []


def test_the_lists_are_long_enough_and_no_pair_stands_twice() -> None:
    """At least 300 pairs to catch and 100 to keep quiet about, each once and with a level that exists."""
    for kind, least in (("must-catch", 300), ("low-value", 100)):
        pairs = [frozenset((row["drug_a"].lower(), row["drug_b"].lower())) for row in rows(kind)]
        twice = sorted({" + ".join(sorted(pair)) for pair in pairs if pairs.count(pair) > 1})
        assert not twice
        assert len(pairs) >= least
    assert {row["least"] for row in rows("must-catch")} <= set(INDICATORS)


@pytest.mark.parametrize("kind", ["must-catch", "low-value"])
def test_every_pair_has_a_source_and_is_understood(knowledge: Knowledge, kind: str) -> None:
    """The sources are keys of cards/evidence/, and both names are read in full."""
    sources = read_evidence(read_folder(cards_folder()), [])
    for row in rows(kind):
        assert row["source"].split(), row
        assert not set(row["source"].split()) - sources.keys(), row
        for drug in (row["drug_a"], row["drug_b"]):
            product = read_name(drug, knowledge.vocabulary)
            assert product.ingredients, row
            assert not product.unread, row
