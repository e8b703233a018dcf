"""Judge a daily dose against the labelled limit for this patient's kidney function."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from decimal import ROUND_FLOOR, Decimal

from cds_service.core.judging import Situation
from cds_service.core.totals import is_order_of, total_of
from cds_service.core.values import DoseBand, DoseFinding, DoseLimit, Fact, Finding, Participant

_JUST_BELOW = Decimal("0.001")  # a result of "<15" is not 15


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
    total = total_of(finding.dosed, situation.medications, lambda medication: medication.daily)
    above = total.mg > allowed or (bool(total.problem) and limit.unknown_is_above)
    if not above and (not total.problem or fact is None or band is limit.bands[0]):
        return None
    certain = len(limit.bands) == 1 or (fact is not None and not stands_in and not fact.comparator)
    judged = DoseFinding(
        daily=total.mg if total.mg > allowed else None,
        limit=allowed,
        fact=fact,
        stands_in=stands_in,
        band=band,
        certain=certain,
        not_used=_not_used(limit, fact, known),
        problem=total.problem,
        taken=total.taken,
    )
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
    value = fact.value - _JUST_BELOW if fact.comparator == "<" else fact.value
    for band in limit.bands:
        if _is_in(band, value):
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


def _is_ordered_anew(participant: Participant, situation: Situation) -> bool:
    return participant.medication.role == "taking" and any(
        is_order_of(m, participant.ingredient, participant.medication.route) for m in situation.medications
    )
