"""The slots of a rule in words: which drugs fill them, and which orders of those count."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from cds_service.core.values import Knowledge, Rule, Slot
from cds_service.explained.drugs import drugs_in_words
from cds_service.explained.said import PLAIN_SLOTS, Said, joined, routes_in_words


@dataclass(frozen=True, slots=True)
class ToldSlot:
    """One slot: its name, its drugs, and what else must be so of an order that fills it."""

    id: str
    name: str
    drugs: Said
    members: tuple[str, ...]
    notes: tuple[Said, ...]


def tell_slots(rule: Rule, knowledge: Knowledge) -> tuple[ToldSlot, ...]:
    """Each slot of the rule."""
    return tuple(
        ToldSlot(
            slot.id,
            _capital(PLAIN_SLOTS.get(slot.id, slot.label)),
            drugs_in_words(slot.members, knowledge),
            tuple(sorted(slot.members)),
            tuple(_notes(slot, knowledge)),
        )
        for slot in rule.slots
    )


def tell_meeting(rule: Rule) -> str:
    """Which drugs must meet for the rule to be looked at."""
    slot = rule.slots[0]
    if slot.being:
        return "Looked at when a stop order for the drug is among the orders, and no new order for the same drug."
    if slot.scale:
        return (
            f"Looked at when the scores of all drugs of the patient on the scale “{slot.scale.name}” come to at least "
            f"{slot.score_at_least} and one of these drugs is being ordered."
        )
    if slot.twice:
        return "Looked at when one ingredient is ordered twice, or ordered beside another product that is taken."
    if len(rule.slots) == 1 and slot.at_least > 1:
        return f"Looked at when at least {slot.at_least} different drugs of these meet, one of them being ordered."
    if len(rule.slots) == 1:
        return f"Looked at when {'one of these drugs' if len(slot.members) > 1 else 'the drug'} is being ordered."
    return "Looked at when these drugs meet: at least one is being ordered, the others are ordered or taken."


def _notes(slot: Slot, knowledge: Knowledge) -> Iterator[Said]:
    yield Said(_routes(slot))
    if slot.washout_days:
        yield Said(f"one that was stopped within the last {slot.washout_days} days, or on an unknown day, still counts")
    if slot.only_brands:
        yield Said(f"only the brands {_brands(slot.only_brands)}")
    if slot.except_brands:
        yield Said(f"not the brands {_brands(slot.except_brands)}")
    yield from _notes_on_forms(slot, knowledge)
    if slot.not_in_product_with:
        others = drugs_in_words(slot.not_in_product_with, knowledge)
        yield Said(f"not where the same product also holds {others.text}", others.drugs)
    if slot.scale:
        scores = sorted(slot.scale.scores.items(), key=lambda entry: (-entry[1], entry[0]))
        yield Said("each drug counts with its score", tuple(f"{name} {score}" for name, score in scores))


def _notes_on_forms(slot: Slot, knowledge: Knowledge) -> Iterator[Said]:
    if slot.forms:
        yield Said(f"only these dose forms: {_forms(slot.forms)}")
    if slot.or_brands:
        yield Said(f"or an order that names only the brand: {_brands(slot.or_brands)}")
    if slot.or_extended_release:
        yield Said("or any form that its name calls extended release")
    if slot.or_drugs:
        others = drugs_in_words(slot.or_drugs, knowledge)
        yield Said(f"or in any form: {others.text}", others.drugs)
    if slot.except_forms:
        yield Said(f"not these dose forms: {_forms(slot.except_forms)}")


def _routes(slot: Slot) -> str:
    if slot.lower_variable:
        usual = routes_in_words({"systemic"})
        return f"given {usual}; vaginal and rectal use counts too and makes the card one step quieter"
    return f"given {routes_in_words(slot.routes)}"


def _brands(names: Iterable[str]) -> str:
    return joined([name.title() for name in sorted(names)], "or")


def _forms(names: Iterable[str]) -> str:
    return joined([name or "a form that is not stated" for name in sorted(names, key=lambda n: (not n, n))], "or")


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
