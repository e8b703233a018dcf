"""Judge a daily dose against the labelled limit for this patient's kidney function."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from decimal import ROUND_FLOOR, Decimal

from cds_service.core.judging import Situation
from cds_service.core.products import goes_on_with
from cds_service.core.values import DoseBand, DoseFinding, DoseLimit, Fact, Finding, Medication, Participant


def judge_dose(finding: Finding, limit: DoseLimit, situation: Situation) -> Finding | None:
    """The finding with the dose and the limit, or None where the dose is within it.

    A limit with one band holds for everyone and looks at no kidney function. A dose that cannot be worked
    out is reported (as `info`) only where reduced kidney function lowers the limit; with normal or unknown
    kidney function there is nothing to compare. With `unknown_is_above` it counts as above the limit.
    A drug of the chart that is ordered anew in this session is judged by the new order.
    """
    if _is_ordered_anew(finding.dosed, situation):
        return None
    known = situation.facts.known if len(limit.bands) > 1 else {}
    age = situation.facts.known.get("age")
    if age is not None and age.value is not None and age.value < limit.minimum_age:
        return None
    fact = known.get(limit.by)
    stands_in = fact is None and limit.stand_in in known
    fact = fact or known.get(limit.stand_in)
    band = _band(limit, fact)
    allowed = _allowed(band, fact)
    total, problem, taken = _total(finding, situation)
    assumed = bool(problem) and limit.unknown_is_above
    above = total > allowed or assumed
    if not above and (not problem or fact is None or band is limit.bands[0]):
        return None
    certain = len(limit.bands) == 1 or (fact is not None and not stands_in and not fact.comparator)
    daily = total if total > allowed else None
    judged = DoseFinding(daily, allowed, fact, stands_in, band, certain, _not_used(limit, fact, known), problem, taken)
    deciding = tuple(dict.fromkeys((*([fact] if fact else []), *finding.deciding)))
    return replace(finding, dose=judged, indicator=finding.indicator if above else "info", deciding=deciding)


def _not_used(limit: DoseLimit, fact: Fact | None, known: Mapping[str, Fact]) -> Fact | None:
    """The other measure of kidney function, so that nobody takes it for the one that counted."""
    other = known.get(limit.stand_in)
    return other if other is not fact else None


def _band(limit: DoseLimit, fact: Fact | None) -> DoseBand:
    """The band the value lies in; unknown kidney function leaves only the limit that holds for everyone."""
    if fact is None or fact.value is None:
        return limit.bands[0]
    for band in limit.bands:
        if _is_in(band, fact.value):
            return band
    return limit.bands[-1]


def _is_in(band: DoseBand, value: Decimal) -> bool:
    return not (
        (band.above is not None and value <= band.above)
        or (band.at_least is not None and value < band.at_least)
        or (band.below is not None and value >= band.below)
        or (band.at_most is not None and value > band.at_most)
    )


def _allowed(band: DoseBand, fact: Fact | None) -> Decimal:
    if band.proportional_to is None or fact is None or fact.value is None:
        return band.max_per_day
    scaled = band.max_per_day * min(fact.value, band.proportional_to) / band.proportional_to
    return scaled.to_integral_value(ROUND_FLOOR)


def _total(finding: Finding, situation: Situation) -> tuple[Decimal, str, Decimal]:
    """(mg per day after the session, why an order could not be counted, mg that other products bring).

    Two orders of one drug are one dose, and so is what is taken in another product (a combination) and goes on;
    an order that states none does not lessen what the others state.
    """
    participant = finding.dosed
    name = participant.ingredient
    if participant.medication.role == "taking":
        return (*_one(participant.medication, name), Decimal(0))
    routes = {participant.medication.route}
    taken = _going_on(name, routes, situation)
    total, problem = taken, ""
    for medication in situation.medications:
        if not _is_ordered(medication, name, routes):
            continue
        mg, why = _one(medication, name)
        total, problem = total + mg, why or problem
    return total, problem, taken


def _going_on(name: str, routes: set[str], situation: Situation) -> Decimal:
    """What is taken already in products that no order of the session goes on with."""
    orders = [m for m in situation.medications if m.role == "ordering"]
    taken = [m for m in situation.medications if m.role == "taking" and m.route in routes and name in m.ingredients]
    most: dict[tuple[object, ...], Decimal] = {}
    for medication in taken:
        if not any(goes_on_with(order, medication) for order in orders):
            kind = medication.kind_of_product
            most[kind] = max(most.get(kind, Decimal(0)), _one(medication, name)[0])
    return sum(most.values(), Decimal(0))


def _one(medication: Medication, name: str) -> tuple[Decimal, str]:
    daily = medication.daily.get(name)
    if daily is None or daily.mg is None:
        return Decimal(0), daily.problem if daily else "the order states no dose"
    return daily.mg, ""


def _is_ordered_anew(participant: Participant, situation: Situation) -> bool:
    routes = {participant.medication.route}
    return participant.medication.role == "taking" and any(
        _is_ordered(m, participant.ingredient, routes) for m in situation.medications
    )


def _is_ordered(medication: Medication, name: str, routes: set[str]) -> bool:
    return medication.role == "ordering" and name in medication.ingredients and medication.route in routes
