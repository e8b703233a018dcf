"""What the tables say about each card: how often it was shown and what became of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Subquery, case, func, literal, select, true

from cds_service.store.database import Store
from cds_service.store.tables import feedback, shown


@dataclass(frozen=True, slots=True)
class Shown:
    """How often the cards of one rule and version were shown."""

    rule: str
    version: int
    times: int


@dataclass(frozen=True, slots=True)
class Outcome:
    """How many cards of one rule (its bits) and version had this outcome, with this reason."""

    rule: str
    version: int
    outcome: str
    reason_system: str
    reason_code: str
    has_comment: bool
    cards: int


@dataclass(frozen=True, slots=True)
class Counts:
    """All counts; `foreign` is feedback about cards that are not ones shown to the client that sent it."""

    shown: tuple[Shown, ...]
    outcomes: tuple[Outcome, ...]
    foreign: int


@dataclass(frozen=True, slots=True)
class WeekCounts:
    """Counts by week, each with the position of its week, the earliest first."""

    shown: tuple[tuple[int, Shown], ...]
    outcomes: tuple[tuple[int, Outcome], ...]
    foreign: int


@dataclass(frozen=True, slots=True)
class Beginning:
    """The first day of a week and the moment it began, in the time zone of the service."""

    day: date
    moment: datetime


def read_counts(store: Store, day: date | None, moment: datetime | None) -> Counts:
    """The counts since a day and the moment it began, or of all time. Raises StoreDown."""
    since = feedback.c.received_at >= moment if moment is not None else true()
    with store.reading() as connection:
        return Counts(_shown(connection, day), _outcomes(connection, since), _foreign(connection, since))


def read_week_counts(store: Store, weeks: Sequence[Beginning]) -> WeekCounts:
    """The counts of weeks that follow each other, by when cards were shown and outcomes happened. Raises StoreDown.

    What is dated after the last week counts in it: the clocks of clients differ.
    """
    first = weeks[0]
    day_week = _position(shown.c.day, [week.day for week in weeks])
    received = feedback.c.received_at >= first.moment
    with store.reading() as connection:
        return WeekCounts(
            _shown_by_week(connection, first.day, day_week),
            _outcomes_by_week(connection, weeks),
            _foreign(connection, received),
        )


def _position(column: ColumnElement[Any], beginnings: Sequence[Any]) -> ColumnElement[int]:
    """Which of the weeks a day or moment is in. Spelled out, because databases differ in how they round to a week."""
    if len(beginnings) == 1:
        return literal(0)
    return case(*((column < later, n) for n, later in enumerate(beginnings[1:])), else_=len(beginnings) - 1)


def _shown_by_week(connection: Connection, first: date, week: ColumnElement[int]) -> tuple[tuple[int, Shown], ...]:
    found = select(shown.c.rule, shown.c.version, week.label("week"), shown.c.times).where(shown.c.day >= first)
    rows = found.subquery()
    what = (rows.c.week, rows.c.rule, rows.c.version)
    query = select(*what, func.sum(rows.c.times)).group_by(*what)
    return tuple((int(n), Shown(rule, version, int(times))) for n, rule, version, times in connection.execute(query))


def _outcomes_by_week(connection: Connection, weeks: Sequence[Beginning]) -> tuple[tuple[int, Outcome], ...]:
    last = _last_of_each_card(feedback.c.outcome_at >= weeks[0].moment)
    week = _position(last.c.outcome_at, [week.moment for week in weeks])
    rows = select(last, week.label("week")).where(last.c.place == 1).subquery()
    names = ("week", "rule", "version", "outcome", "reason_system", "reason_code", "has_comment")
    what = [rows.c[name] for name in names]
    query = select(*what, func.count()).group_by(*what)
    return tuple((int(n), Outcome(*rest)) for n, *rest in connection.execute(query))


def _shown(connection: Connection, day: date | None) -> tuple[Shown, ...]:
    query = select(shown.c.rule, shown.c.version, func.sum(shown.c.times)).group_by(shown.c.rule, shown.c.version)
    if day is not None:
        query = query.where(shown.c.day >= day)
    return tuple(Shown(rule, version, int(times)) for rule, version, times in connection.execute(query))


def _outcomes(connection: Connection, since: ColumnElement[bool]) -> tuple[Outcome, ...]:
    last = _last_of_each_card(since)
    what = (last.c.rule, last.c.version, last.c.outcome, last.c.reason_system, last.c.reason_code, last.c.has_comment)
    query = select(*what, func.count()).where(last.c.place == 1).group_by(*what)
    return tuple(Outcome(*row) for row in connection.execute(query))


def _last_of_each_card(since: ColumnElement[bool]) -> Subquery:
    """A card may be reported again, first overridden and then accepted: what was done last counts, once."""
    newest = (feedback.c.outcome_at.desc(), feedback.c.id.desc())
    place = func.row_number().over(partition_by=feedback.c.card, order_by=newest).label("place")
    return select(feedback, place).where(feedback.c.card != "", since).subquery()


def _foreign(connection: Connection, since: ColumnElement[bool]) -> int:
    query = select(func.count()).select_from(feedback).where(feedback.c.card == "", since)
    return int(connection.execute(query).scalar_one())
