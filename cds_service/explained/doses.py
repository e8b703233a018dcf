"""The dose limits of a rule in words."""

from __future__ import annotations

from cds_service.core.values import DoseBand, DoseLimit
from cds_service.explained.said import Said, amount, joined
from cds_service.explained.when import Subject, fact_name, the_slot


def tell_dose(limit: DoseLimit, subject: Subject) -> tuple[Said, ...]:
    """What is compared with what, band by band, and what an unknown dose or fact comes to."""
    drug = the_slot(limit.slot, subject)
    measured = f"the daily dose of {drug}, all its orders together on the highest day,"
    first = limit.bands[0]
    if len(limit.bands) == 1:
        told = [Said(f"{measured} is above {_most(first)}, for everyone")]
    else:
        name = fact_name(limit.by, subject.knowledge)
        told = [Said(f"{measured} is above the limit for the patient’s {name}", any_of=_bands(limit, subject))]
        told.append(Said(_unknown_fact(limit, subject)))
    if limit.minimum_age:
        told.append(Said(f"not for patients known to be younger than {limit.minimum_age} years"))
    return (*told, Said(_unknown_dose(limit)))


def _unknown_fact(limit: DoseLimit, subject: Subject) -> str:
    name = fact_name(limit.by, subject.knowledge)
    if not limit.stand_in:
        return f"where {name} is not known, the first limit counts"
    other = fact_name(limit.stand_in, subject.knowledge)
    return f"where {name} is not known, {other} stands in and the card says so; without both, the first limit counts"


def _bands(limit: DoseLimit, subject: Subject) -> tuple[tuple[Said, ...], ...]:
    lab = subject.knowledge.labs.get(limit.by)
    unit = " years" if limit.by == "age" else f" {lab.unit}" if lab else ""
    return tuple((Said(f"{band.label}{_range(band, unit)}: {_most(band)}{_details(band)}"),) for band in limit.bands)


def _range(band: DoseBand, unit: str) -> str:
    bounds = (("above", band.above), ("at least", band.at_least), ("below", band.below), ("at most", band.at_most))
    given = [f"{words} {amount(value)}{unit}" for words, value in bounds if value is not None]
    return f" ({' and '.join(given)})" if given else ""


def _most(band: DoseBand) -> str:
    return f"{amount(band.max_per_day)} mg a day"


def _details(band: DoseBand) -> str:
    parts = []
    if band.proportional_to is not None:
        parts.append(f"lowered in proportion below {amount(band.proportional_to)}")
    if band.min_per_day is not None:
        parts.append(f"the label begins at {amount(band.min_per_day)} mg a day")
    if band.doses_per_day:
        doses = joined([str(count) for count in band.doses_per_day], "or")
        parts.append(f"in {doses} dose{'s' if band.doses_per_day != (1,) else ''} a day")
    return f"; {', '.join(parts)}" if parts else ""


def _unknown_dose(limit: DoseLimit) -> str:
    if limit.unknown_is_above:
        return "an order whose dose cannot be worked out counts as above the limit, and the card says so"
    if len(limit.bands) == 1:
        return "an order whose dose cannot be worked out is passed over"
    return "an order whose dose cannot be worked out is named (as info) only where a lower limit than the first counts"
