"""Would an alternative be any better? The same check, on the same chart, with the order's drug replaced.

An alternative that draws a card as loud as the one it answers would only move the problem.
"""

from __future__ import annotations

from dataclasses import replace

from cds_service.core.dosing import NO_DOSE
from cds_service.core.findings import find_interactions, is_shown
from cds_service.core.renewals import find_renewed
from cds_service.core.values import (
    Facts,
    Ingredient,
    Knowledge,
    Medication,
    Product,
    indicator_rank,
)

SILENT = -1


def loudness_of(
    alternative: Ingredient,
    order: Medication,
    medications: tuple[Medication, ...],
    facts: Facts,
    knowledge: Knowledge,
) -> int:
    """Rank of the loudest card that `order` would draw with `alternative` in it; SILENT where it draws none."""
    changed = _with_drug(order, alternative)
    others = tuple(changed if m is order else m for m in medications)
    findings, _ = find_interactions(others, facts, knowledge, find_renewed(others))
    ranks = [indicator_rank(f.indicator) for f in findings if is_shown(f) and changed.entry.key in f.orders]
    return max(ranks, default=SILENT)


def _with_drug(order: Medication, drug: Ingredient) -> Medication:
    """The order as it would be signed: another drug, no dosage yet."""
    return replace(
        order,
        ingredients=(drug.name,),
        product=Product((drug.name,), {}, "", "", "", ""),
        label=drug.name,
        unread=(),
        disagrees=False,
        route="systemic",
        daily={drug.name: NO_DOSE},
        weekly={drug.name: NO_DOSE},
        days_a_week=None,
        doses_per_day=None,
        times=(),
        times_stated=False,
        form_group="",
    )
