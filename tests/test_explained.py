"""Rules in plain sentences: nothing a rule tests is left out, and what it reads of a patient is told truly."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

import pytest
from flask.testing import FlaskClient

from cds_service.core.judging import _KINDS
from cds_service.core.values import ConditionGroup, Knowledge, Rule
from cds_service.core.values import Test as OneTest
from cds_service.examples import example_request
from cds_service.explained.attributes import ElementUse, is_social, source_attributes
from cds_service.explained.card import ToldCard, tell_card
from cds_service.explained.drugs import drugs_in_words
from cds_service.explained.reads import every_test
from cds_service.explained.said import Said, amount, joined
from cds_service.explained.when import TELLERS
from cds_service.knowledge import cards_folder
from cds_service.knowledge.card_files import CardFiles
from tests.helpers import TODAY, answer_of, rules_of

JSON = dict[str, Any]
Told = list[tuple[Rule, ToldCard]]


@pytest.fixture(scope="module")
def files() -> CardFiles:
    """The released card files."""
    return CardFiles(cards_folder())


@pytest.fixture(scope="module")
def told(knowledge: Knowledge, files: CardFiles) -> Told:
    """Every card in words."""
    return [(rule, tell_card(rule, knowledge, files.content_of(rule))) for rule in knowledge.rules]


def logic_of(card: ToldCard) -> list[Said]:
    """Every statement about when the card fires and what raises it, alternatives too."""
    roots = [*card.when, *card.dose, *(slot.drugs for slot in card.slots), *(n for s in card.slots for n in s.notes)]
    roots += [said for part in (*card.variants, *card.modifiers) for said in part.when]
    return [*_flat(roots)]


def _flat(statements: Iterable[Said]) -> Iterator[Said]:
    for said in statements:
        yield said
        for branch in said.any_of:
            yield from _flat(branch)


def words_of(card: ToldCard) -> str:
    """All statements with the full lists behind them."""
    return "\n".join(f"{said.text} {' '.join(said.drugs)}" for said in logic_of(card))


def test_each_kind_of_test_can_be_told() -> None:
    """Whatever the core can judge has words."""
    assert TELLERS.keys() == _KINDS.keys()


def test_no_test_of_any_card_is_left_out(told: Told, knowledge: Knowledge) -> None:
    """Each limit, condition, drug and sex that a card tests stands in its sentences."""
    for rule, card in told:
        words = words_of(card)
        for test in every_test(rule):
            for part in _told_parts(test, knowledge):
                assert part in words, f"{rule.id}: {part!r} of {test.kind} is not told"


def _told_parts(test: OneTest, knowledge: Knowledge) -> Iterator[str]:
    if test.kind != "with_drug":
        yield from (amount(limit) for _, limit in test.bounds)
    if test.kind in ("condition", "without_condition"):
        yield from (knowledge.conditions[name].name for name in test.names)
    if test.kind in ("sex", "with_drug", "without_drug", "slot_drug"):
        yield from test.names
    if test.days:
        yield f"{test.days} days"
    if test.subject in knowledge.labs:
        yield knowledge.labs[test.subject].name


def test_each_slot_and_each_dose_limit_is_told(told: Told) -> None:
    """Members by name or in the full list; washouts and brands; every band with its limit."""
    for rule, card in told:
        words = words_of(card)
        for slot, said in zip(rule.slots, card.slots, strict=True):
            assert set(said.members) == slot.members
            assert set(said.drugs.drugs) in (set(), slot.members)
            assert said.drugs.drugs or all(name in said.drugs.text for name in slot.members), rule.id
            assert not slot.washout_days or f"{slot.washout_days} days" in words
            assert all(brand.title() in words for brand in slot.only_brands | slot.except_brands | slot.or_brands)
            assert all(f"or in any form: {name}" in words for name in slot.or_drugs)
        for band in rule.dose.bands if rule.dose else ():
            assert f"{amount(band.max_per_day)} mg a day" in words, rule.id


def test_what_the_page_shows_of_modifiers_is_what_the_rule_has(told: Told) -> None:
    """Name, severity, indicator and reason of each, in the order of the file, with the sources of the file."""
    for rule, card in told:
        shown = [(m.name, m.severity, m.indicator) for m in card.modifiers]
        assert shown == [(m.name, m.severity, m.indicator) for m in rule.modifiers]
        assert {key for m in card.modifiers for key in m.sources} <= {use.key for use in rule.evidence}


def test_a_long_list_is_told_by_its_group(knowledge: Knowledge) -> None:
    """All opioids are "opioids"; all but one say which one; three drugs are three names."""
    opioids = knowledge.groups["opioids"]
    whole = drugs_in_words(opioids.members, knowledge)
    assert (whole.text, whole.drugs) == (opioids.plural, tuple(sorted(opioids.members)))
    assert drugs_in_words(opioids.members - {"morphine"}, knowledge).text == f"{opioids.plural} (but not morphine)"
    assert drugs_in_words({"warfarin", "aspirin", "digoxin"}, knowledge) == Said("aspirin, digoxin or warfarin")


def test_a_list_of_lists_stays_readable() -> None:
    """Where an entry has an "or" of its own, semicolons part the entries."""
    assert joined(["COPD or respiratory failure", "asthma", "falls"], "or") == (
        "COPD or respiratory failure; asthma; or falls"
    )


def uses_of(rule_id: str, knowledge: Knowledge) -> dict[str, ElementUse]:
    """The uses of data elements of one card, by element."""
    rule = next(rule for rule in knowledge.rules if rule.id == rule_id)
    return {use.element: use for use in source_attributes(rule, knowledge, {}).uses}


def test_the_thirteen_attributes_of_the_regulation_are_all_there(told: Told) -> None:
    """Four about where it comes from, nine about data elements, numbered as 45 CFR 170.315(b)(11)(iv)(A) has them."""
    for _, card in told:
        source = card.source_attributes
        assert [use.paragraph for use in source.uses] == list(range(5, 14))
        assert [c.url for c in source.citations] == [use.url for use in card.evidence]
        assert source.developer == "the authors of cds-service"
        assert source.funding == "not stated"
        assert [source.released, *source.revised] == [entry.date for entry in reversed(card.file.history)]
        never = [use for use in source.uses if use.element in ("race", "ethnicity", "language")]
        assert not any(use.used for use in never)


def test_a_calculated_kidney_function_counts_as_use_of_sex_and_date_of_birth(knowledge: Knowledge) -> None:
    """A dose table by CrCl reads neither by name, and both through the formula; the race note says what is so."""
    uses = uses_of("dabigatran-renal-dose", knowledge)
    assert uses["sex"].how == "used: where eGFR or CrCl is calculated from it"
    assert uses["date of birth"].how == "used: as age; where eGFR or CrCl is calculated from it"
    assert uses["race"].how.startswith("not used. Where a laboratory reports an eGFR by an older formula")
    unread = uses_of("methotrexate-aspirin-high-dose", knowledge)
    assert {use.how for use in unread.values()} == {"not used"}


def test_health_status_and_social_determinants_come_from_the_conditions(knowledge: Knowledge) -> None:
    """Pregnancy and alcohol are named as what they are in USCDI; a condition coded Z55 to Z65 is social."""
    rule = next(rule for rule in knowledge.rules if rule.id == "acitretin-ribavirin-pregnancy")
    assert uses_of(rule.id, knowledge)["health status assessments data"].how.endswith("pregnancy (Pregnancy Status)")
    assert not any(is_social(group) for group in knowledge.conditions.values())
    homeless = ConditionGroup("homelessness", "homelessness", frozenset(), ("Z590",), (), frozenset())
    changed = replace(knowledge, conditions={**knowledge.conditions, "homelessness": homeless})
    when = (OneTest("condition", names=("homelessness",)),)
    social = source_attributes(replace(rule, when=when), changed, {}).uses[7]
    assert (social.paragraph, social.used, social.how) == (12, True, "used, as entries of the chart: homelessness")


def test_a_card_that_says_it_does_not_use_sex_or_age_answers_alike_without_them(
    client: FlaskClient, told: Told, knowledge: Knowledge, files: CardFiles
) -> None:
    """The first example of each such card, for a man of 25 and a woman of 85: its finding is the same."""
    compared = 0
    for rule, card in told:
        uses = {use.element: use.used for use in card.source_attributes.uses}
        if rule.status != "active" or uses["sex"] or uses["date of birth"]:
            continue
        example = next(e for e in files.content_of(rule)["examples"] if e["expect"] != "no card")
        one, other = (
            _found(client, example, rule.id, knowledge, sex, age) for sex, age in (("male", 25), ("female", 85))
        )
        assert one == other, rule.id
        compared += 1
    assert compared > 50


def _found(client: FlaskClient, example: JSON, rule_id: str, knowledge: Knowledge, sex: str, age: int) -> list[JSON]:
    facts = {**example.get("facts", {}), "sex": sex, "age": age}
    answer = answer_of(client, example_request({**example, "facts": facts}, knowledge, TODAY), _url(example))
    return [entry for card in answer["cards"] for entry in rules_of(card) if entry["id"] == rule_id]


def _url(example: JSON) -> str:
    return f"/cds-services/interactions-{example.get('hook', 'order-sign')}"
