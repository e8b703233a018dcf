"""`cards/coverage.md`: every claim of the founding documents is listed, and each named card exists."""

from __future__ import annotations

import csv
import re
from pathlib import Path

import pytest

from cds_service.core.values import Knowledge
from cds_service.knowledge import cards_folder

ROWS = re.findall(
    r"^\| (S-\d{3}) \| (.+?) \| (.+?) \|$", (cards_folder() / "coverage.md").read_text(encoding="utf-8"), re.M
)
CLAIMS = Path(__file__).resolve().parent.parent.parent / "shared" / "clinical" / "seed_claims.csv"
EXCUSED_TYPES = {"background", "adverse_effect"}
EXCUSED_VERDICTS = {"wrong", "unverified"}


def cards_in(answer: str) -> list[str]:
    """The card ids a row names."""
    return re.findall(r"`([a-z0-9-]+)`", answer)


def test_every_claim_is_listed_once() -> None:
    """S-001 to S-144, each in one row, in order."""
    assert [claim for claim, _, _ in ROWS] == [f"S-{number:03d}" for number in range(1, 145)]


@pytest.mark.parametrize(("claim", "answer"), [(claim, answer) for claim, _, answer in ROWS])
def test_each_row_names_a_card_or_says_why_none(knowledge: Knowledge, claim: str, answer: str) -> None:
    """A card that exists and is in use, or "no rule" with the reason."""
    in_use = {rule.id for rule in knowledge.rules if rule.status == "active"}
    if answer.startswith("no rule"):
        assert len(answer) > len("no rule: ")
    else:
        assert cards_in(answer)
    assert [card for card in cards_in(answer) if card not in in_use] == []


def test_no_rule_is_an_answer_only_where_it_may_be() -> None:
    """Only for background, lists of adverse effects, and claims found wrong or unverified."""
    if not CLAIMS.is_file():
        pytest.skip(f"the table of the claims is not beside the project: {CLAIMS.name}")
    with CLAIMS.open(encoding="utf-8", newline="") as file:
        claims = {row["id"]: row for row in csv.DictReader(file)}
    assert set(claims) == {claim for claim, _, _ in ROWS}
    wrong = [
        claim
        for claim, _, answer in ROWS
        if answer.startswith("no rule")
        and claims[claim]["type"] not in EXCUSED_TYPES
        and claims[claim]["verdict"] not in EXCUSED_VERDICTS
    ]
    assert wrong == []


LISTED = re.findall(
    r"^\| ((?:I|ONC|Beers)-\d+) \| (.+?) \| (.+?) \|$",
    (cards_folder() / "coverage.md").read_text(encoding="utf-8"),
    re.M,
)
INTERACTIONS = CLAIMS.with_name("interactions.csv")


@pytest.mark.parametrize(("row", "answer"), [(row, answer) for row, _, answer in LISTED])
def test_each_listed_row_names_cards_in_use_or_says_draft_or_why_none(
    knowledge: Knowledge, row: str, answer: str
) -> None:
    """A row marked draft names a card that exists and is not used; any other names cards in use or gives a reason."""
    status = {rule.id: rule.status for rule in knowledge.rules}
    expected = {"draft"} if answer.startswith("draft: ") else {"active", "silent"}
    assert [card for card in cards_in(answer) if status.get(card) not in expected] == []
    assert cards_in(answer) or (answer.startswith("no rule: ") and row.startswith("I-"))


def test_every_collected_interaction_is_listed_once() -> None:
    """Each row of the fact table has its row here, and the lists of ONC and Beers are whole."""
    rows = [row for row, _, _ in LISTED]
    assert len(rows) == len(set(rows))
    assert [row for row in rows if row.startswith("ONC")] == [f"ONC-{n:02d}" for n in range(1, 16)]
    if not INTERACTIONS.is_file():
        pytest.skip(f"the table of the interactions is not beside the project: {INTERACTIONS.name}")
    with INTERACTIONS.open(encoding="utf-8", newline="") as file:
        assert {row["id"] for row in csv.DictReader(file)} == {row for row in rows if row.startswith("I-")}


def test_unverified_interactions_are_drafts_or_have_a_source_of_their_own(knowledge: Knowledge) -> None:
    """What nobody has read in a source is not shown: its card is a draft, or cites more than general knowledge."""
    if not INTERACTIONS.is_file():
        pytest.skip(f"the table of the interactions is not beside the project: {INTERACTIONS.name}")
    answers = {row: answer for row, _, answer in LISTED}
    rules = {rule.id: rule for rule in knowledge.rules}
    with INTERACTIONS.open(encoding="utf-8", newline="") as file:
        unverified = [row["id"] for row in csv.DictReader(file) if row["status"] == "unverified"]
    assert unverified
    for row in unverified:
        for card in cards_in(answers[row]):
            assert rules[card].status == "draft" or rules[card].evidence, row
