"""What planning a suggestion may look at, and what an order must be like to be acted on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from cds_service.core.renewals import Use
from cds_service.core.tokens import tokens_of
from cds_service.core.values import (
    Facts,
    Finding,
    HookRequest,
    Knowledge,
    Medication,
    Regimen,
    SuggestionPlan,
)


@dataclass(frozen=True, slots=True)
class Plan:
    """What planning a suggestion may look at.

    `corrected` are the dose changes planned per order, `renewed` the drugs that go on unchanged.
    """

    request: HookRequest
    medications: tuple[Medication, ...]
    facts: Facts
    knowledge: Knowledge
    corrected: Mapping[str, Regimen]
    renewed: frozenset[Use]


def new_orders(finding: Finding) -> list[Medication]:
    """The orders of this session that a finding is about, without stop orders."""
    return [p.medication for p in finding.participants if p.medication.role == "ordering" and p.medication.is_new]


def may_be_rewritten(medication: Medication, knowledge: Knowledge) -> bool:
    """An order with an id, understood in full, with one plain instruction that its text only repeats.

    No taper, nothing as needed, no dose only in text, no word ("with milk", "for 3 days") that a rewritten
    text would lose.
    """
    entry = medication.entry
    if not entry.resource_id or not entry.rewritable or entry.problems or medication.unread or medication.disagrees:
        return False
    dosage = entry.dosages[0]
    if dosage.as_needed or dosage.dose is None or medication.doses_per_day is None:
        return False
    return _says_only_the_dose(dosage.text, medication, knowledge)


def _says_only_the_dose(text: str, medication: Medication, knowledge: Knowledge) -> bool:
    vocabulary = knowledge.vocabulary
    own = {word for name in medication.ingredients for word in tokens_of(name)}
    own |= set(tokens_of(medication.product.brand)) if medication.product else set()
    return all(
        word in vocabulary.plain_instruction
        or word in vocabulary.units
        or word in own
        or not any(letter.isalpha() for letter in word)
        for word in tokens_of(text)
    )


def is_renewed(medication: Medication, plan: Plan) -> bool:
    """Whether the order only goes on with what is taken: without it a running drug ends."""
    return all((name, medication.route) in plan.renewed for name in medication.ingredients)


def continues_therapy(medication: Medication, entry: SuggestionPlan, medications: tuple[Medication, ...]) -> bool:
    """Whether the order re-signs a running drug that must be tapered."""
    names = set(medication.ingredients) & entry.never_stop_abruptly
    taken = {n for m in medications if m.was_taken for n in m.ingredients}
    return bool(names & taken) or (medication.entry.status == "active" and bool(names))
