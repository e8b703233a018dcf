"""Which rules match, and with which drugs in their slots.

Only rules that name an ingredient of a new order are looked at, and only drugs that are there: matching
costs what matches, not what exists.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date
from itertools import product

from cds_service.core.products import goes_on_with
from cds_service.core.values import Knowledge, Medication, Participant, Rule, Slot

Present = Mapping[str, list[Medication]]


def match_rules(
    medications: tuple[Medication, ...], knowledge: Knowledge, today: date
) -> Iterator[tuple[Rule, tuple[Participant, ...]]]:
    """Each rule with each set of drugs that fills its slots; at least one is an order of this session."""
    present: dict[str, list[Medication]] = {}
    for medication in medications:
        for name in medication.ingredients:
            present.setdefault(name, []).append(medication)
    for rule in _candidates(medications, knowledge):
        if any(slot.members.isdisjoint(present) for slot in rule.slots):
            continue
        for participants in _matches(rule, present, medications, today):
            yield rule, participants


def _candidates(medications: tuple[Medication, ...], knowledge: Knowledge) -> list[Rule]:
    """The rules in use that name a drug of a new order."""
    new = {name for medication in medications if medication.is_new for name in medication.ingredients}
    positions = {position for name in new for position in knowledge.rules_by_ingredient.get(name, ())}
    return [knowledge.rules[position] for position in sorted(positions)]


def _matches(
    rule: Rule, present: Present, medications: tuple[Medication, ...], today: date
) -> Iterator[tuple[Participant, ...]]:
    fillings = [
        [
            Participant(slot.id, medication, name)
            for name in sorted(slot.members.intersection(present))
            for medication in present[name]
            if _fits(slot, name, medication, medications, today)
        ]
        for slot in rule.slots
    ]
    if len(rule.slots) == 1 and (rule.slots[0].at_least > 1 or rule.slots[0].scale):
        yield from _counted(rule.slots[0], fillings[0])
        return
    if len(rule.slots) == 1 and rule.slots[0].twice:
        yield from _twice(fillings[0])
        return
    being = rule.slots[0].being
    for participants in product(*fillings):
        if (being or any(map(_is_ordered, participants))) and _is_match(participants):
            yield participants


def _fits(slot: Slot, name: str, medication: Medication, medications: tuple[Medication, ...], today: date) -> bool:
    if medication.route not in slot.routes or not _role_fits(slot, medication, medications, today):
        return False
    if slot.not_in_product_with and any(n in slot.not_in_product_with for n in medication.ingredients if n != name):
        return False
    any_product = not (slot.only_brands or slot.except_brands or slot.forms or slot.except_forms)
    return any_product or _product_fits(slot, name, medication)


def _product_fits(slot: Slot, name: str, medication: Medication) -> bool:
    brand = medication.product.brand.lower() if medication.product else ""
    if brand in slot.except_brands or (slot.only_brands and brand not in slot.only_brands):
        return False
    form = medication.product.form if medication.product else ""
    if form in slot.except_forms:
        return False
    lasting = slot.or_extended_release and medication.is_lasting
    return not slot.forms or form in slot.forms or brand in slot.or_brands or name in slot.or_drugs or lasting


def _role_fits(slot: Slot, medication: Medication, medications: tuple[Medication, ...], today: date) -> bool:
    if slot.being == "stopped":
        return medication.role == "stopping" and medication.is_new and not _ordered_again(medication, medications)
    if medication.role == "stopping":
        return slot.washout_days > 0
    if medication.role == "stopped":
        return slot.washout_days > 0 and _within_washout(medication, slot.washout_days, today)
    return medication.role in ("ordering", "taking")


def _ordered_again(stopping: Medication, medications: tuple[Medication, ...]) -> bool:
    """A stop order beside a new order of the same drug is a change of dose."""
    names = set(stopping.ingredients)
    return any(m.role == "ordering" and names & set(m.ingredients) for m in medications)


def _within_washout(medication: Medication, days: int, today: date) -> bool:
    """The day it was stopped has no hour, so the last day of the washout still counts."""
    return medication.stopped_on is None or (today - medication.stopped_on).days <= days


def _is_ordered(participant: Participant) -> bool:
    """Something new must be involved: an order being placed now, for order-select a selected one."""
    return participant.medication.role == "ordering" and participant.medication.is_new


def _is_match(participants: tuple[Participant, ...]) -> bool:
    """No drug and no product meets itself; two drugs of one product may be two of three that meet."""
    if len({id(p.medication) for p in participants}) < min(len(participants), 2):
        return False
    for i, one in enumerate(participants):
        for other in participants[i + 1 :]:
            if one.ingredient == other.ingredient:
                return False
            if one.medication is not other.medication and one.medication.ingredients == other.medication.ingredients:
                return False
    return True


def _counted(slot: Slot, fillings: list[Participant]) -> Iterator[tuple[Participant, ...]]:
    """One finding with every different ingredient of the group, the new one standing for its ingredient."""
    by_ingredient: dict[str, Participant] = {}
    for participant in sorted(fillings, key=lambda p: (not p.medication.is_new, p.medication.entry.key)):
        by_ingredient.setdefault(participant.ingredient, participant)
    chosen = tuple(by_ingredient[name] for name in sorted(by_ingredient))
    several = len({p.medication.entry.key for p in chosen}) > 1 or slot.at_least == 1
    if len(chosen) >= slot.at_least and several and _scores_enough(slot, chosen) and any(map(_is_ordered, chosen)):
        yield chosen


def _scores_enough(slot: Slot, chosen: tuple[Participant, ...]) -> bool:
    return slot.scale is None or sum(slot.scale.scores[p.ingredient] for p in chosen) >= slot.score_at_least


def _twice(fillings: list[Participant]) -> Iterator[tuple[Participant, ...]]:
    """One ingredient in two orders, or in an order and a product that is taken and that it does not go on with."""
    ordered = sorted(fillings, key=lambda p: (not p.medication.is_new, p.ingredient, p.medication.entry.key))
    for i, one in enumerate(ordered):
        for other in ordered[i + 1 :]:
            if one.ingredient == other.ingredient and _is_ordered(one) and _adds_up(one.medication, other.medication):
                yield one, other


def _adds_up(order: Medication, other: Medication) -> bool:
    """Two orders do. An order for what is taken already goes on with it, whatever its dose."""
    if order is other or other.role not in ("ordering", "taking"):
        return False
    return other.role == "ordering" or not goes_on_with(order, other)
