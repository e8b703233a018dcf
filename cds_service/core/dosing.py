"""Work out what an order comes to: doses per day, days a week, clock times, mg per day and week of each ingredient.

The highest day counts: instructions with different `sequence` follow each other, those without are
taken together on the weekdays they name. A dose that cannot be worked out is said to be so, with the
reason; none is invented.
Units of timing are those of FHIR Timing (UCUM: s min h d wk mo a).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from decimal import ROUND_CEILING, Decimal

from cds_service.core.tokens import tokens_of
from cds_service.core.values import DailyDose, Dosage, Product, Quantity, Strength, Vocabulary

_DAYS = {"d": 1, "wk": 7, "mo": 30, "a": 365}
_PER_DAY = {"h": 24, "min": 1440, "s": 86400}
_MILLIGRAMS = {"mg": Decimal(1), "g": Decimal(1000), "mcg": Decimal("0.001"), "ug": Decimal("0.001")}
# The micro sign (U+00B5) and the Greek letter (U+03BC) look alike, and clients write either.
_MILLIGRAMS |= {
    "\u00b5g": Decimal("0.001"),
    "\u03bcg": Decimal("0.001"),
    "microgram": Decimal("0.001"),
    "milligram": Decimal(1),
    "gm": Decimal(1000),
}
# HL7 GTSAbbreviation, the codes FHIR Timing.code is bound to: doses per day.
_CODES = {"QD": 1, "BID": 2, "TID": 3, "QID": 4, "AM": 1, "PM": 1, "BED": 1, "Q4H": 6, "Q6H": 4, "Q8H": 3}
_CODES |= {"Q12H": 2, "Q24H": 1, "HS": 1, "DAILY": 1, "Q1H": 24, "Q2H": 12, "Q3H": 8}
# Not every day: one dose on the days it is taken, and on so many days of a week.
_CODES |= {"QOD": 1, "WK": 1, "MO": 1}
_DAYS_OF_CODES = {"QOD": Decimal("3.5"), "WK": Decimal(1), "MO": Decimal(7) / 30}
_PIECES = frozenset(
    [
        "{pill}",
        "{tbl}",
        "{tablet}",
        "{capsule}",
        "{cap}",
        "pill",
        "pills",
        "tablet",
        "tablets",
        "tab",
        "tabs",
        "capsule",
        "capsules",
        "cap",
        "caps",
        "each",
        "ea",
        "1",
        "{each}",
        "{dose}",
        "dose",
        "doses",
        "patch",
        "{patch}",
        "suppository",
    ]
)
_MILLILITRES = frozenset({"ml", "milliliter"})
_BEDTIME = ("HS", "BED")
# HL7 EventTiming: before, after and with meals, of which a day has three.
_EACH_MEAL = frozenset({"AC", "PC", "C"})
_MEALS = 3
_WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_WEEK = len(_WEEKDAYS)
NO_DOSE = DailyDose(None, "the order states no dose")
_WorkOut = Callable[[tuple[Dosage, ...], Product, str], DailyDose]
HIGHEST_SENSIBLE = Decimal(10) ** 9


def doses_per_day(dosage: Dosage) -> Decimal | None:
    """How many times on a day it is taken, at most as often as in all, or None if that is not stated."""
    stated = _stated_per_day(dosage)
    return stated if stated is None else _within_count(stated, dosage)


def _within_count(number: Decimal, dosage: Dosage) -> Decimal:
    """What ends after so many doses in all comes to no more of them on a day, and to no more days with a dose."""
    return min(number, dosage.count) if dosage.count is not None and dosage.count >= 1 else number


def _stated_per_day(dosage: Dosage) -> Decimal | None:
    if dosage.times_of_day:
        return Decimal(len(dosage.times_of_day))
    count = dosage.frequency
    if dosage.when and count is None:
        count = _count_of_events(dosage.when)
    elif dosage.when and count == 1:
        count = Decimal(len(dosage.when))
    coded = max((Decimal(_CODES[code]) for code in dosage.timing_codes if code in _CODES), default=None)
    if dosage.period is None or dosage.period <= 0:
        return _count_of_events(dosage.when) if dosage.when else coded
    if count is not None:
        return _per_day(count, dosage)
    # Without a frequency the structure says once, and a code beside it may say more.
    return max(filter(None, (_per_day(Decimal(1), dosage), coded)), default=None)


def _count_of_events(when: tuple[str, ...]) -> Decimal:
    return Decimal(sum(_MEALS if event in _EACH_MEAL else 1 for event in when))


def _per_day(count: Decimal, dosage: Dosage) -> Decimal | None:
    period, unit = dosage.period, dosage.period_unit
    if period is None or count <= 0:
        return None
    if unit in _PER_DAY:
        often = count * _PER_DAY[unit] / period
        return often if period <= _PER_DAY[unit] else often.to_integral_value(ROUND_CEILING)
    if unit not in _DAYS:
        return None
    each = count / (period * _DAYS[unit])
    # On the days it is taken at all: once a week is one dose on its day, not a seventh.
    return each.to_integral_value(ROUND_CEILING) if period * _DAYS[unit] > 1 else each


def days_a_week(dosages: tuple[Dosage, ...], vocabulary: Vocabulary) -> Decimal | None:
    """On how many days of a week the drug is taken, at most 7, or None where no instruction says so.

    Instructions that follow each other (`sequence`) count by the busiest. Of those together the weekdays they
    name count once, and the days of all others are added.
    """
    named: dict[int, set[str]] = {}
    others: dict[int, Decimal] = {}
    for dosage in dosages:
        step = _step(dosage)
        if dosage.days_of_week:
            named.setdefault(step, set()).update(dosage.days_of_week)
            continue
        days = _days(dosage)
        days = _written_days(dosage.text, vocabulary) if days is None else days
        if days is None:
            return None
        others[step] = others.get(step, Decimal(0)) + days
    counts = [len(named.get(step, ())) + others.get(step, Decimal(0)) for step in named.keys() | others.keys()]
    return min(max(counts), Decimal(_WEEK)) if counts else None


def _step(dosage: Dosage) -> int:
    """Instructions of one step are taken together; those without a `sequence` are one step."""
    return dosage.sequence if dosage.sequence is not None else -1


def _days(dosage: Dosage) -> Decimal | None:
    days = _stated_days(dosage)
    return days if days is None else _within_count(days, dosage)


def _stated_days(dosage: Dosage) -> Decimal | None:
    if dosage.days_of_week:
        return Decimal(len(set(dosage.days_of_week)))
    span = _span_in_days(dosage)
    if span is not None and span > 1:
        count = Decimal(1) if dosage.frequency is None else dosage.frequency
        return min(max(count, Decimal(0)) * _WEEK / span, Decimal(_WEEK))
    if span is None:
        for code in dosage.timing_codes:
            if code in _DAYS_OF_CODES:
                return _DAYS_OF_CODES[code]
    return Decimal(_WEEK) if doses_per_day(dosage) is not None else None


def _span_in_days(dosage: Dosage) -> Decimal | None:
    """How many days one period of the timing lasts."""
    period, unit = dosage.period, dosage.period_unit
    if period is None or period <= 0:
        return None
    if unit in _DAYS:
        return period * _DAYS[unit]
    return period / _PER_DAY[unit] if unit in _PER_DAY else None


def _written_days(text: str, vocabulary: Vocabulary) -> Decimal | None:
    """Free text that says "weekly" or "daily" in words of words.yaml, and not both."""
    padded = f" {' '.join(tokens_of(text))} "
    weekly = any(f" {phrase} " in padded for phrase in vocabulary.weekly)
    daily = any(f" {phrase} " in padded for phrase in vocabulary.daily)
    if weekly == daily:
        return None
    return Decimal(1) if weekly else Decimal(_WEEK)


def weekly_doses(dosages: tuple[Dosage, ...], product: Product | None) -> Mapping[str, DailyDose]:
    """mg per week of each ingredient of `product`; the days of each instruction times its dose on such a day."""
    return _of_each(dosages, product, _weekly)


def _weekly(dosages: tuple[Dosage, ...], product: Product, ingredient: str) -> DailyDose:
    weeks: dict[int, Decimal] = {}
    for dosage in dosages:
        amount, days = _one(dosage, product, ingredient), _days(dosage)
        if amount.mg is None or days is None:
            return DailyDose(None, amount.problem or "the order does not state on which days")
        weeks[_step(dosage)] = weeks.get(_step(dosage), Decimal(0)) + amount.mg * days
    return DailyDose(max(weeks.values()))


def daily_doses(dosages: tuple[Dosage, ...], product: Product | None) -> Mapping[str, DailyDose]:
    """mg per day of each ingredient of `product`, on the highest day."""
    return _of_each(dosages, product, _daily)


def _of_each(dosages: tuple[Dosage, ...], product: Product | None, work_out: _WorkOut) -> Mapping[str, DailyDose]:
    names = product.ingredients if product else ()
    if product is None or not dosages:
        return dict.fromkeys(names, NO_DOSE)
    return {name: work_out(dosages, product, name) for name in names}


def _daily(dosages: tuple[Dosage, ...], product: Product, ingredient: str) -> DailyDose:
    days: dict[tuple[int, str], Decimal] = {}
    every_day = _WEEKDAYS if any(dosage.days_of_week for dosage in dosages) else _WEEKDAYS[:1]
    for dosage in dosages:
        amount = _one(dosage, product, ingredient)
        if amount.mg is None:
            return amount
        step = _step(dosage)
        for day in dosage.days_of_week or every_day:
            days[step, day] = days.get((step, day), Decimal(0)) + amount.mg
    return DailyDose(max(days.values()))


def _one(dosage: Dosage, product: Product, ingredient: str) -> DailyDose:
    if dosage.max_per_day is not None and dosage.as_needed:
        return _milligrams(dosage.max_per_day, product, ingredient)
    if dosage.dose is None:
        return DailyDose(None, "the order states no dose as a number")
    times = doses_per_day(dosage)
    if times is None:
        return DailyDose(None, "the order does not state how often a day")
    doses = [_milligrams(dose, product, ingredient) for dose in (dosage.dose, *dosage.other_doses)]
    known = [each.mg for each in doses if each.mg is not None]
    return DailyDose(max(known) * times) if known else doses[0]


def _milligrams(quantity: Quantity, product: Product, ingredient: str) -> DailyDose:
    if quantity.value <= 0 or quantity.value > HIGHEST_SENSIBLE:
        return DailyDose(None, "the dose is not a positive number")
    unit = quantity.unit.strip().lower()
    if unit in _MILLIGRAMS:
        if len(product.ingredients) > 1:
            return DailyDose(None, "a dose in mg of a combination product does not say of which drug")
        return DailyDose(quantity.value * _MILLIGRAMS[unit])
    strength = product.strengths.get(ingredient)
    if strength is None:
        return DailyDose(None, "the strength of the product is not stated")
    return _from_units(quantity.value, unit, strength, product.unit)


def _from_units(count: Decimal, unit: str, strength: Strength, piece: str) -> DailyDose:
    factor = _MILLIGRAMS.get(strength.unit)
    if factor is None:
        return DailyDose(None, "the strength of the product is not in mg")
    if not strength.per and (unit in _PIECES or (not unit and piece)):
        return DailyDose(count * strength.value * factor)
    volume = _millilitres(strength.per)
    if volume is not None and unit in _MILLILITRES:
        return DailyDose(count * strength.value * factor / volume)
    return DailyDose(None, "the unit of the dose does not fit the product")


def _millilitres(per: str) -> Decimal | None:
    """The volume that a strength is for ("ml", "5 ml"), or None where it is for no volume, or no certain one."""
    number, _, unit = per.rpartition(" ")
    if unit not in _MILLILITRES or not re.fullmatch(r"(\d+(\.\d+)?)?", number):
        return None
    return Decimal(number or 1) or None


def piece_milligrams(product: Product | None) -> Decimal | None:
    """mg in one tablet or capsule of a single-ingredient product, or None."""
    if product is None or len(product.ingredients) != 1 or not product.unit:
        return None
    strength = product.strengths.get(product.ingredients[0])
    if strength is None or strength.per or strength.unit not in _MILLIGRAMS:
        return None
    return strength.value * _MILLIGRAMS[strength.unit]


def unit_kind(unit: str) -> str:
    """ "mass" for mg, g, mcg; "piece" for tablets and the like; "" for anything else."""
    lowered = unit.strip().lower()
    if lowered in _MILLIGRAMS:
        return "mass"
    return "piece" if lowered in _PIECES else ""


def mass_factor(unit: str) -> Decimal:
    """mg in one `unit` of mass."""
    return _MILLIGRAMS[unit.strip().lower()]


def is_bedtime(dosage: Dosage) -> bool:
    """Whether the instruction says "at bedtime" in code."""
    return any(code in _BEDTIME for code in (*dosage.when, *dosage.timing_codes))


def clock_minutes(time: str) -> int | None:
    """Minutes since midnight of `HH:MM` or `HH:MM:SS`, or None."""
    parts = time.split(":")
    try:
        hours, minutes = int(parts[0]), int(parts[1])
    except (ValueError, IndexError):
        return None
    return hours * 60 + minutes if 0 <= hours < 24 and 0 <= minutes < 60 else None


def clock_time(minutes: int) -> str:
    """Minutes since midnight as `HH:MM`."""
    return f"{minutes // 60:02d}:{minutes % 60:02d}"
