"""What the tables say about each card: how often it was shown and what became of it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import ColumnElement, Connection, Subquery, func, select, true

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


def read_counts(store: Store, day: date | None, moment: datetime | None) -> Counts:
    """The counts since a day and the moment it began, or of all time. Raises StoreDown."""
    since = feedback.c.received_at >= moment if moment is not None else true()
    with store.reading() as connection:
        return Counts(_shown(connection, day), _outcomes(connection, since), _foreign(connection, since))


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
