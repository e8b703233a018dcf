"""Counts by week -> for each card and version its weeks, the cards that are almost always overridden first."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from cds_service.outcomes import Line, line_of, names_by_bits
from cds_service.store.database import Store
from cds_service.store.report import Beginning, Outcome, WeekCounts, read_week_counts

MOST_WEEKS = 52
USUAL_WEEKS = 12


@dataclass(frozen=True, slots=True)
class Week:
    """One week, which begins on a Monday (ISO 8601): how many cards were shown, accepted and overridden in it."""

    begins: date
    shown: int
    accepted: int
    overridden: int


@dataclass(frozen=True, slots=True)
class Fare:
    """One card and version: all of the weeks together, and each."""

    line: Line
    weeks: tuple[Week, ...]


@dataclass(frozen=True, slots=True)
class Insights:
    """`all_cards` week by week, and each card; `foreign` is feedback about cards that are not counted."""

    all_cards: tuple[Week, ...]
    cards: tuple[Fare, ...]
    foreign: int

    @property
    def reasons(self) -> tuple[tuple[str, str, int], ...]:
        """(system, code, how often) of all cards, most often first."""
        counted: Counter[tuple[str, str]] = Counter()
        for fare in self.cards:
            counted.update({(system, code): times for system, code, times in fare.line.reasons})
        return tuple((*reason, times) for reason, times in sorted(counted.items(), key=lambda r: (-r[1], r[0])))

    @property
    def shown(self) -> int:
        """Cards shown in all weeks."""
        return sum(week.shown for week in self.all_cards)

    @property
    def answered(self) -> int:
        """Cards that were accepted or overridden in all weeks."""
        return sum(week.accepted + week.overridden for week in self.all_cards)


def read_insights(store: Store, ids: Iterable[str], weeks: int, today: date, zone: ZoneInfo) -> Insights:
    """The last `weeks` weeks, this one among them. `ids` are those of the cards there are. Raises StoreDown."""
    this = today - timedelta(days=today.weekday())
    mondays = [this - timedelta(weeks=back) for back in reversed(range(weeks))]
    counts = read_week_counts(store, [Beginning(day, datetime.combine(day, time(), zone)) for day in mondays])
    return build_insights(counts, ids, mondays)


def build_insights(counts: WeekCounts, ids: Iterable[str], mondays: list[date]) -> Insights:
    """The counts by card, flagged ones first, then the most often shown."""
    names = names_by_bits((*(entry.rule for _, entry in counts.shown), *ids))
    shown: dict[tuple[str, int], Counter[int]] = {}
    told: dict[tuple[str, int], list[tuple[int, Outcome]]] = {}
    for week, entry in counts.shown:
        shown.setdefault((entry.rule, entry.version & 0xFF), Counter())[week] += entry.times
    for week, outcome in counts.outcomes:
        card = names.get(outcome.rule, f"#{outcome.rule}")
        told.setdefault((card, outcome.version), []).append((week, outcome))
    fares = [_fare(key, shown.get(key, Counter()), told.get(key, []), mondays) for key in shown | told]
    fares.sort(key=lambda f: (not f.line.is_flagged, -f.line.shown, f.line.card, f.line.version))
    return Insights(_together(fares, mondays), tuple(fares), counts.foreign)


def _fare(key: tuple[str, int], shown: Counter[int], told: list[tuple[int, Outcome]], mondays: list[date]) -> Fare:
    became: Counter[tuple[int, str]] = Counter()
    for week, outcome in told:
        became[week, outcome.outcome] += outcome.cards
    weeks = tuple(Week(day, shown[n], became[n, "accepted"], became[n, "overridden"]) for n, day in enumerate(mondays))
    return Fare(line_of(*key, shown.total(), (outcome for _, outcome in told)), weeks)


def _together(fares: list[Fare], mondays: list[date]) -> tuple[Week, ...]:
    columns = [[fare.weeks[n] for fare in fares] for n in range(len(mondays))]
    return tuple(
        Week(day, sum(w.shown for w in column), sum(w.accepted for w in column), sum(w.overridden for w in column))
        for day, column in zip(mondays, columns, strict=True)
    )
