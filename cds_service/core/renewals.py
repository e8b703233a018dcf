"""Which orders go on unchanged with what is taken: the same drug, at the same or a lower dose."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from cds_service.core.values import Dosage, Medication

Use = tuple[str, str]  # an ingredient by a route


def find_renewed(medications: tuple[Medication, ...]) -> frozenset[Use]:
    """The drugs whose orders in the session all together stay at or below a dose that is taken already.

    Where no dose can be worked out (milliequivalents, patches, instructions in words), the one order of a drug goes on
    with what is taken if product and instructions are the same.
    """
    ordered: dict[str, list[Medication]] = {}
    taken: dict[Use, list[Medication]] = {}
    for medication in medications:
        for name in medication.ingredients:
            if medication.role == "ordering":
                ordered.setdefault(name, []).append(medication)
            if medication.was_taken:
                taken.setdefault((name, medication.route), []).append(medication)
    uses = {(name, order.route) for name, orders in ordered.items() for order in orders}
    return frozenset(use for use in uses if _is_covered(use[0], ordered[use[0]], taken.get(use, [])))


def _is_covered(name: str, orders: list[Medication], taken: list[Medication]) -> bool:
    doses = [mg for mg in (_daily(order, name) for order in orders) if mg is not None]
    if len(doses) == len(orders):
        return any(mg is not None and sum(doses) <= mg for mg in (_daily(m, name) for m in taken))
    return len(orders) == 1 and any(_is_same(orders[0], m) for m in taken)


def _daily(medication: Medication, name: str) -> Decimal | None:
    return medication.daily[name].mg if name in medication.daily else None


def _is_same(order: Medication, taken: Medication) -> bool:
    """The same product, with its strength, by the same instructions. What was not understood may hide a difference."""
    if order.unread or taken.unread or order.disagrees or taken.disagrees:
        return False
    return _product(order) == _product(taken) is not None and _instructions(order) == _instructions(taken) is not None


def _product(medication: Medication) -> tuple[object, ...] | None:
    """Ingredients, strengths, form and release; None where a strength is not stated."""
    product = medication.product
    if product is None or not product.strengths.keys() >= set(product.ingredients):
        return None
    return set(product.ingredients), product.strengths, product.form, product.extended_release


def _instructions(medication: Medication) -> tuple[Dosage, ...] | None:
    """Everything the instructions say except for their period; None where one says nothing of how much or how often."""
    dosages = medication.entry.dosages
    if not dosages or not all(map(_says_how, dosages)):
        return None
    return tuple(map(_undated, dosages))


def _says_how(dosage: Dosage) -> bool:
    often = dosage.period or dosage.timing_codes or dosage.times_of_day or dosage.when
    return bool(dosage.text.strip() or (dosage.dose and often))


def _undated(dosage: Dosage) -> Dosage:
    return replace(dosage, starts=None, ends=None, text=" ".join(dosage.text.lower().split()))
