"""Reduce a dose to the highest labelled regimen that the ordered strength makes up."""

from __future__ import annotations

from decimal import ROUND_FLOOR, Decimal

from cds_service.core.dosing import mass_factor, piece_milligrams, unit_kind
from cds_service.core.planning import Plan, continues_therapy, may_be_rewritten
from cds_service.core.values import (
    Action,
    DoseFinding,
    Finding,
    Knowledge,
    Medication,
    OrderChange,
    Quantity,
    Regimen,
    Suggestion,
    SuggestionPlan,
)
from cds_service.core.wording import amount


def plan_corrections(
    findings: tuple[Finding, ...], medications: tuple[Medication, ...], knowledge: Knowledge
) -> dict[str, Regimen]:
    """The dose each order would be reduced to, for the orders where a card offers that.

    Not for running therapy that must be tapered: a cut to the limit in one step is what the advice warns of.
    Where several limits hold for one order, only a dose within all of them is offered.
    """
    planned: dict[str, Regimen] = {}
    lowest = _lowest_limits(findings, medications, knowledge)
    for finding in findings:
        entry = next((p for n in finding.suggestions if (p := knowledge.suggestions[n]).kind == "reduce-dose"), None)
        if finding.dose is None or entry is None:
            continue
        medication = _only_order(finding, medications, knowledge)
        if medication is not None and continues_therapy(medication, entry, medications):
            continue
        regimen = _highest_regimen(medication, finding.dose) if medication else None
        if medication is not None and regimen is not None and regimen.mg_per_day <= lowest[medication.entry.key]:
            planned[medication.entry.key] = regimen
    return planned


def _lowest_limits(
    findings: tuple[Finding, ...], medications: tuple[Medication, ...], knowledge: Knowledge
) -> dict[str, Decimal]:
    """The lowest limit found for each order: what one rule allows may still be too much for another."""
    limits: dict[str, Decimal] = {}
    for finding in findings:
        medication = _only_order(finding, medications, knowledge) if finding.dose else None
        if finding.dose is not None and medication is not None:
            key = medication.entry.key
            limits[key] = min(limits.get(key, finding.dose.limit), finding.dose.limit)
    return limits


def reduce_dose(
    entry: SuggestionPlan, finding: Finding, _: tuple[Medication, ...], __: str, plan: Plan
) -> list[Suggestion]:
    """The order with the dose that `plan_corrections` worked out; none where it found none."""
    medication = _only_order(finding, plan.medications, plan.knowledge)
    regimen = plan.corrected.get(medication.entry.key) if medication else None
    if medication is None or regimen is None:
        return []
    words = {
        "drug": finding.dosed.ingredient,
        "dose": amount(regimen.mg_per_day / regimen.doses_per_day),
        "often": _often(regimen.doses_per_day, plan.knowledge),
        "total": amount(regimen.mg_per_day),
    }
    change = OrderChange(regimen=regimen)
    action = Action("update", entry.description.format(**words), medication.entry.key, change)
    return [Suggestion(entry.id, entry.kind, entry.label.format(**words), (action,), entry.note.format(**words))]


def _only_order(finding: Finding, medications: tuple[Medication, ...], knowledge: Knowledge) -> Medication | None:
    """The one order of this drug, if it may be rewritten at all."""
    name = finding.dosed.ingredient
    orders = [m for m in medications if m.role == "ordering" and name in m.ingredients]
    if len(orders) != 1 or not may_be_rewritten(orders[0], knowledge) or not orders[0].is_new:
        return None
    return orders[0]


def _highest_regimen(medication: Medication, dose: DoseFinding) -> Regimen | None:
    """The highest labelled regimen the ordered strength makes up; none when eGFR stands in for CrCl.

    No single dose is higher than the ordered one, for fewer, larger doses would be no reduction; unless the label gives
    one number of doses a day, as it does at low kidney function.
    """
    stated = medication.entry.dosages[0].dose
    piece = piece_milligrams(medication.product)
    if not dose.certain or dose.taken or dose.daily is None or stated is None or piece is None:
        return None
    in_unit = _milligrams_in(stated.unit, piece)
    if in_unit is None:
        return None
    best: tuple[Decimal, int] | None = None
    for count in dose.band.doses_per_day:
        highest = dose.limit / count
        if len(dose.band.doses_per_day) > 1:
            highest = min(highest, stated.value * in_unit)
        pieces = (highest / piece).to_integral_value(ROUND_FLOOR)
        total = pieces * piece * count
        if pieces < 1 or (dose.band.min_per_day is not None and total < dose.band.min_per_day):
            continue
        if best is None or total > best[0]:
            best = (total, count)
    if best is None:
        return None
    return Regimen(Quantity(best[0] / best[1] / in_unit, stated.unit), best[1], best[0])


def _milligrams_in(unit: str, piece: Decimal) -> Decimal | None:
    """mg in one unit of the ordered dose, where that is a mass or a piece of `piece` mg."""
    kind = unit_kind(unit)
    if kind == "mass":
        return mass_factor(unit)
    return piece if kind == "piece" else None


def _often(count: int, knowledge: Knowledge) -> str:
    return knowledge.wording.get(f"times_{count}", f"{count} times a day")
