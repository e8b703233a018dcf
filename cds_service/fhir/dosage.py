"""Dosage instructions of all versions of FHIR -> Dosage.

The versions differ in names (`periodUnits`, `doseAndRate`, `quantityQuantity`), and no name means one thing here and
another there. So all names are known in one place, and a dose is found where a client put it into the shape of
another version: published samples do that.
"""

from __future__ import annotations

from typing import Any

from cds_service.core.values import JSON, Dosage, Quantity
from cds_service.fhir.reading import as_date, as_list, as_number, as_object, as_text, as_texts, codings_of, quantity_of

_DOSES = ("doseQuantity", "dose", "quantityQuantity", "quantity")
_RANGES = ("doseRange", "quantityRange")
_AS_NEEDED = ("asNeededBoolean", "asNeeded")
_NEEDED_FOR = ("asNeededCodeableConcept", "asNeededFor")
_SAYS_AS_NEEDED = frozenset((*_AS_NEEDED, *_NEEDED_FOR))
_HOURS = {"h": 1, "hour": 1, "hours": 1, "d": 24, "day": 24, "days": 24, "wk": 168, "week": 168, "weeks": 168}


def read_dosage(value: Any) -> Dosage:
    """One instruction; a member of the wrong type reads as not stated."""
    dosage = as_object(value)
    timing = as_object(dosage.get("timing"))
    repeat = as_object(timing.get("repeat"))
    route = as_object(dosage.get("route"))
    bounds = as_object(repeat.get("boundsPeriod"))
    doses = _doses(dosage)
    return Dosage(
        text=" ".join(filter(None, (as_text(dosage.get("text")), as_text(dosage.get("patientInstruction"))))),
        dose=doses[0] if doses else None,
        other_doses=doses[1:],
        rates=_rates(dosage),
        frequency=as_number(repeat.get("frequencyMax")) or as_number(repeat.get("frequency")),
        count=as_number(repeat.get("countMax")) or as_number(repeat.get("count")),
        period=as_number(repeat.get("period")),
        period_unit=as_text(repeat.get("periodUnit")) or as_text(repeat.get("periodUnits")),
        timing_codes=tuple(c.code.strip().upper() for c in codings_of(timing.get("code"))),
        times_of_day=as_texts(repeat.get("timeOfDay")),
        when=as_texts(repeat.get("when")),
        days_of_week=as_texts(repeat.get("dayOfWeek")),
        as_needed=_is_as_needed(dosage),
        max_per_day=_max_per_day(dosage),
        sequence=_sequence(dosage),
        route_codings=codings_of(route),
        route_text=as_text(route.get("text")),
        starts=as_date(bounds.get("start")),
        ends=as_date(bounds.get("end"), latest=True),
    )


def _is_as_needed(dosage: JSON) -> bool:
    if dosage.keys().isdisjoint(_SAYS_AS_NEEDED):
        return False
    said = any(dosage.get(name) is True for name in _AS_NEEDED)
    return said or any(any(map(as_object, as_list(dosage.get(name)))) for name in _NEEDED_FOR)


def _doses(dosage: JSON) -> tuple[Quantity, ...]:
    """The dose of each `doseAndRate`, and that beside them; of a range its upper end."""
    doses: list[Quantity] = []
    for place in _places(dosage):
        high = [q for name in _RANGES if name in place and (q := quantity_of(as_object(place[name]).get("high")))]
        plain = [q for name in _DOSES if name in place and (q := quantity_of(place[name]))]
        doses += (high or plain)[:1]
    return tuple(doses)


def _rates(dosage: JSON) -> tuple[str, ...]:
    """Each speed of infusion, as text to compare: a new speed is a new dose, though no rule reads it."""
    rates = [(name, place[name]) for place in _places(dosage) for name in sorted(place) if name.startswith("rate")]
    return tuple(map(repr, rates))


def _places(dosage: JSON) -> list[JSON]:
    """Where doses and rates stand: in each `doseAndRate`, and in older versions in the instruction itself."""
    return [as_object(place) for place in (*as_list(dosage.get("doseAndRate")), dosage)]


def _max_per_day(dosage: JSON) -> Quantity | None:
    """The most that may be taken on a day. A limit for a longer period may all be taken on one of its days."""
    for ratio in map(as_object, as_list(dosage.get("maxDosePerPeriod"))):
        top, bottom = quantity_of(ratio.get("numerator")), quantity_of(ratio.get("denominator"))
        hours = _HOURS.get(bottom.unit.lower()) if bottom else None
        if top is None or bottom is None or hours is None or bottom.value <= 0:
            continue
        span = bottom.value * hours
        return Quantity(top.value * 24 / span, top.unit) if span < 24 else top
    return None


def _sequence(dosage: JSON) -> int | None:
    number = as_number(dosage.get("sequence"))
    return int(number) if number is not None and number == int(number) else None
