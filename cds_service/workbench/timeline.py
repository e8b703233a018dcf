"""The day with every dose of the drugs that interact, as a picture: hours across, one row for each drug.

A bar begins at a dose and is as long as the doses of the other drugs should stay away, as the card's suggestion has
it (hours; where the card has none, 2). Where the bars of an order and of a drug of the same finding lie over each
other, the doses are closer than that: shaded.
The picture shows the clock, not what is in the blood.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from html import escape
from itertools import combinations

from cds_service.core.dosing import clock_minutes, clock_time
from cds_service.core.stagger import times_of
from cds_service.core.values import Evaluation, Finding, Knowledge, Medication, SuggestionPlan

_DAY = 24 * 60
_HOURS_WITHOUT_A_PLAN = 2
_LEFT, _TOP, _ROW, _WIDE, _RIGHT = 150, 26, 34, 720, 10  # of the picture's own units
_LONGEST_NAME = 20


@dataclass(frozen=True, slots=True)
class Row:
    """One drug: its name, whether it is ordered now, its doses and how long each counts (minutes), if stated."""

    name: str
    ordered: bool
    doses: tuple[int, ...]
    length: int
    stated: bool


@dataclass(frozen=True, slots=True)
class Day:
    """The rows, the stretches (from, to; minutes) where an order overlaps another, and drugs without known times."""

    rows: tuple[Row, ...]
    overlaps: tuple[tuple[int, int], ...]
    untimed: tuple[str, ...]


def day_of(evaluation: Evaluation, knowledge: Knowledge) -> Day | None:
    """The day of the drugs that cards with two or more drugs name; None where fewer than two of them have times."""
    findings = [f for f in evaluation.findings if len(_in_use(f)) > 1]
    plan = _plan_of(findings, knowledge)
    timed: dict[int, Row] = {}
    untimed: dict[str, None] = {}
    for medication in _distinct(m for finding in findings for m in _in_use(finding)):
        row = _row_of(medication, plan)
        if row.doses:
            timed[id(medication)] = row
        else:
            untimed[row.name] = None
    if len(timed) < 2:
        return None
    pairs = {frozenset((id(a), id(b))) for f in findings for a, b in combinations(_in_use(f), 2)}
    both = [[timed[one] for one in pair] for pair in pairs if pair <= timed.keys()]
    overlaps = {stretch for one, other in both if one.ordered or other.ordered for stretch in _overlaps(one, other)}
    rows = sorted(timed.values(), key=lambda row: (not row.ordered, row.name, row.doses))
    return Day(tuple(rows), tuple(sorted(overlaps)), tuple(untimed))


def _row_of(medication: Medication, plan: SuggestionPlan) -> Row:
    """The drug that the suggestion may move keeps its hours before the others' doses, they theirs before its own."""
    times, stated = times_of(medication, plan)
    moved = medication.role == "ordering" and any(name in plan.limits for name in medication.ingredients)
    hours = plan.min_distance_hours if moved else plan.min_hours_after or plan.min_distance_hours
    doses = tuple(sorted(m for m in map(clock_minutes, times) if m is not None))
    return Row(" / ".join(medication.ingredients), medication.role == "ordering", doses, hours * 60, stated)


def _in_use(finding: Finding) -> list[Medication]:
    return _distinct(p.medication for p in finding.participants if p.medication.role in ("ordering", "taking"))


def _distinct(medications: Iterable[Medication]) -> list[Medication]:
    return list({id(m): m for m in medications}.values())


def _plan_of(findings: list[Finding], knowledge: Knowledge) -> SuggestionPlan:
    """The suggestion that moves the doses of these cards; else two hours, and the usual times of day of any."""
    every = [plan for plan in knowledge.suggestions.values() if plan.kind == "stagger"]
    offered = {name for finding in findings for name in finding.suggestions}
    usual = every[0].assumed_times if every else {}
    none = SuggestionPlan("", "stagger", "", "", assumed_times=usual, min_distance_hours=_HOURS_WITHOUT_A_PLAN)
    return next((plan for plan in every if plan.id in offered), none)


def _overlaps(one: Row, other: Row) -> list[tuple[int, int]]:
    """Where the bars of two drugs lie over each other, round the clock."""
    found = []
    for a in one.doses:
        for b in other.doses:
            for shift in (-_DAY, 0, _DAY):
                start, end = max(a, b + shift), min(a + one.length, b + shift + other.length)
                if start < end:
                    found += _on_one_day(start, end)
    return found


def _on_one_day(start: int, end: int) -> list[tuple[int, int]]:
    """A stretch past midnight goes on at the beginning of the day."""
    start, end = (start % _DAY, start % _DAY + end - start)
    return [(start, end)] if end <= _DAY else [(start, _DAY), (0, end - _DAY)]


# --- The picture -------------------------------------------------------------------------------------


def describe(day: Day) -> str:
    """The picture in words: each drug with its times, and whether doses overlap."""
    rows = "; ".join(f"{row.name} at {_listed(row)}" for row in day.rows)
    close = "doses overlap" if day.overlaps else "no doses overlap"
    untimed = f" No time is known for {', '.join(day.untimed)}." if day.untimed else ""
    return f"{rows}: {close}.{untimed}"


def _listed(row: Row) -> str:
    times = ", ".join(clock_time(m) for m in row.doses)
    return times if row.stated else f"{times} (assumed)"


def draw(day: Day) -> str:
    """The picture as SVG; colours come from the page's style sheet by class."""
    height = _TOP + _ROW * len(day.rows) + 24
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" class="day" viewBox="0 0 {_LEFT + _WIDE + _RIGHT} {height}" '
        f'role="img" aria-label="{escape(describe(day), quote=True)}">',
        *(_shade(start, end, height) for start, end in day.overlaps),
        *(_hour(hour, height) for hour in range(0, 25, 3)),
    ]
    for place, row in enumerate(day.rows):
        parts += _row(row, _TOP + _ROW * place)
    return "".join([*parts, "</svg>"])


def _shade(start: int, end: int, height: int) -> str:
    return _rect("overlap", (start, end), (_TOP, height - _TOP - 24))


def _rect(kind: str, across: tuple[int, int], down: tuple[int, int]) -> str:
    """A box from one minute of the day to another; `down` is its upper edge and its height."""
    (start, end), (top, high) = across, down
    return f'<rect class="{kind}" x="{_x(start)}" y="{top}" width="{_width(end - start)}" height="{high}" rx="2"/>'


def _hour(hour: int, height: int) -> str:
    x = _x(hour * 60)
    line = f'<line class="hour" x1="{x}" x2="{x}" y1="{_TOP}" y2="{height - 24}"/>'
    return f'{line}<text class="clock" x="{x}" y="{height - 8}" text-anchor="middle">{hour:02d}</text>'


def _row(row: Row, top: int) -> list[str]:
    kind = "ordered" if row.ordered else "taken"
    short = row.name if len(row.name) <= _LONGEST_NAME else row.name[: _LONGEST_NAME - 1] + "…"
    parts = [f'<text class="drug" x="4" y="{top + 21}">{escape(short)}</text>']
    for dose in row.doses:
        for start, end in _on_one_day(dose, dose + row.length):
            parts.append(_rect(f"dose {kind}", (start, end), (top + 6, 20)))
        stated = "" if row.stated else " assumed"
        parts.append(f'<circle class="at {kind}{stated}" cx="{_x(dose)}" cy="{top + 16}" r="6"/>')
    return parts


def _x(minutes: int) -> str:
    return f"{_LEFT + minutes * _WIDE / _DAY:g}"


def _width(minutes: int) -> str:
    return f"{minutes * _WIDE / _DAY:g}"
