"""The tests of a `when` as statements: what must be so for it to hold. One teller for each kind of Test."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass

from cds_service.core.values import Knowledge, Rule, Test
from cds_service.core.wording import months_of
from cds_service.explained.drugs import drugs_in_words
from cds_service.explained.said import PLAIN_SLOTS, Said, amount, joined, routes_in_words, slot_name

_BOUNDS = {"at_least": "at least", "above": "above", "below": "below", "at_most": "at most"}
_DOSINGS = {
    "daily_dose": ("daily dose", " mg"),
    "weekly_dose": ("weekly dose", " mg"),
    "days_a_week": ("number of days a week", ""),
}


@dataclass(frozen=True, slots=True)
class Subject:
    """What the tests speak about: a rule, and the knowledge that names its facts."""

    rule: Rule
    knowledge: Knowledge


def tell_all(tests: tuple[Test, ...], subject: Subject) -> tuple[Said, ...]:
    """A statement for each test; all must hold."""
    return tuple(TELLERS[test.kind](test, subject) for test in tests)


def the_slot(slot: str, subject: Subject) -> str:
    """How a sentence names the drug in a slot."""
    if slot in PLAIN_SLOTS:
        return slot_name(slot) if slot.startswith("drug_") else f"the {slot}"
    return next(f"the {s.label}" for s in subject.rule.slots if s.id == slot)


def fact_name(fact: str, knowledge: Knowledge) -> str:
    """A fact as a card writes it."""
    return knowledge.labs[fact].name if fact in knowledge.labs else fact.replace("_", " ")


def condition_names(ids: Collection[str], knowledge: Knowledge, word: str = "or") -> str:
    """Conditions as a card writes them, as one phrase."""
    return joined([knowledge.conditions[name].name for name in ids], word)


def _bounds(test: Test, unit: str) -> str:
    return " and ".join(f"{_BOUNDS[name]} {amount(limit)}{unit}" for name, limit in test.bounds)


def _number(test: Test, subject: Subject) -> Said:
    lab = subject.knowledge.labs.get(test.subject)
    unit = " years" if test.subject == "age" else f" {lab.unit}" if lab and lab.unit else ""
    return Said(f"{fact_name(test.subject, subject.knowledge)} is {_bounds(test, unit)}")


def _unknown(test: Test, subject: Subject) -> Said:
    lab = subject.knowledge.labs.get(test.subject)
    since = f" (none in the last {months_of(lab, subject.knowledge)})" if lab else ""
    return Said(f"{fact_name(test.subject, subject.knowledge)} is not known{since}")


def _sex(test: Test, _: Subject) -> Said:
    return Said(f"the patient is {joined(test.names, 'or')}")


def _condition(test: Test, subject: Subject) -> Said:
    names = condition_names(test.names, subject.knowledge)
    if test.days:
        return Said(f"{names} began within the last {test.days} days, resolved or not")
    return Said(f"{'a problem, active or resolved' if test.history else 'an active problem'}: {names}")


def _without_condition(test: Test, subject: Subject) -> Said:
    return Said(f"the problem list was seen and has no active {condition_names(test.names, subject.knowledge)}")


def _with_drug(test: Test, subject: Subject) -> Said:
    drugs = drugs_in_words(test.names, subject.knowledge)
    count = int(test.bounds[0][1]) if test.bounds else 1
    several, verb = (f"at least {count} different drugs of these", "are") if count > 1 else ("one of these", "is")
    route = "by any route" if test.any_route else "acting in the whole body"
    return Said(f"{several}, {route}, {verb} ordered or taken as well: {drugs.text}", drugs.drugs)


def _without_drug(test: Test, subject: Subject) -> Said:
    drugs = drugs_in_words(test.names, subject.knowledge)
    return Said(f"the medication list was seen and none of these is ordered or taken: {drugs.text}", drugs.drugs)


def _slot_drug(test: Test, subject: Subject) -> Said:
    drugs = drugs_in_words(test.names, subject.knowledge)
    one_of = "one of these: " if drugs.drugs else ""
    return Said(f"{the_slot(test.subject, subject)} is {one_of}{drugs.text}", drugs.drugs)


def _combination_product(_: Test, __: Subject) -> Said:
    return Said("one of the drugs comes in a product with others")


def _dosing(test: Test, subject: Subject) -> Said:
    what, unit = _DOSINGS[test.kind]
    return Said(f"the {what} of {the_slot(test.subject, subject)} is {_bounds(test, unit)}")


def _dosing_unknown(test: Test, subject: Subject) -> Said:
    what, _ = _DOSINGS[test.kind.removesuffix("_unknown")]
    return Said(f"the {what} of {the_slot(test.subject, subject)} cannot be worked out from the orders")


def _some_route(test: Test, _: Subject) -> Said:
    return Said(f"at least one of the drugs is given {routes_in_words(test.names)}")


def _every_route(test: Test, _: Subject) -> Said:
    return Said(f"each of the drugs is given {routes_in_words(test.names)}")


def _started_together(_: Test, __: Subject) -> Said:
    return Said("all of the drugs are ordered now and none was taken before")


def _renewal(_: Test, __: Subject) -> Said:
    return Said("each order goes on with what is taken already, at the same or a lower dose, with the same partners")


def _stop_date_unknown(_: Test, __: Subject) -> Said:
    return Said("one of the drugs was stopped on a day that is not known")


def _any(test: Test, subject: Subject) -> Said:
    return Said("one of these holds", any_of=tuple(tell_all(branch, subject) for branch in test.branches))


TELLERS: dict[str, Callable[[Test, Subject], Said]] = {
    "any": _any,
    "number": _number,
    "unknown": _unknown,
    "sex": _sex,
    "condition": _condition,
    "without_condition": _without_condition,
    "with_drug": _with_drug,
    "without_drug": _without_drug,
    "slot_drug": _slot_drug,
    "combination_product": _combination_product,
    "daily_dose": _dosing,
    "daily_dose_unknown": _dosing_unknown,
    "weekly_dose": _dosing,
    "weekly_dose_unknown": _dosing_unknown,
    "days_a_week": _dosing,
    "days_a_week_unknown": _dosing_unknown,
    "some_route": _some_route,
    "every_route": _every_route,
    "started_together": _started_together,
    "unchanged_renewal": _renewal,
    "stop_date_unknown": _stop_date_unknown,
}
