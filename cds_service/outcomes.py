"""`cds-service feedback report`: per card and version how often it was shown and what became of it.

An outcome is the last one told for a card (by its `outcomeTimestamp`). Cards that nobody answered are not
reported by clients, so the share overridden is of the cards that were answered.
"""

from __future__ import annotations

import csv
import io
import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, time
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from cds_service.core.identity import rule_bits
from cds_service.errors import ServiceError, StoreDown
from cds_service.knowledge.card_files import ids_in
from cds_service.settings import Settings
from cds_service.store.database import Store
from cds_service.store.report import Counts, Outcome, read_counts

FLAG_ABOVE = 0.9
FLAG_FROM = 20  # answered cards; a share of fewer says little
NO_REASON = "(none)"
_MOST_REASONS = 3
_COLUMNS = (
    "card",
    "version",
    "shown",
    "accepted",
    "overridden",
    "overridden_share",
    "flagged",
    "comments",
    "reasons",
)


@dataclass(frozen=True, slots=True)
class Line:
    """One card and version. `card` is its id, or "#" and the hash in its uuids where no file has that id."""

    card: str
    version: int
    shown: int
    accepted: int
    overridden: int
    comments: int
    reasons: tuple[tuple[str, str, int], ...]  # (system, code, how often), most often first

    @property
    def share(self) -> float | None:
        """Overridden of those answered, or None where none was."""
        answered = self.accepted + self.overridden
        return self.overridden / answered if answered else None

    @property
    def is_flagged(self) -> bool:
        """Almost always overridden, and answered often enough to say so."""
        return self.share is not None and self.share > FLAG_ABOVE and self.accepted + self.overridden >= FLAG_FROM


@dataclass(frozen=True, slots=True)
class Report:
    """All lines, most often shown first; `foreign` is feedback about cards that are not counted."""

    since: date | None
    lines: tuple[Line, ...]
    foreign: int


def read_report(settings: Settings, since: date | None) -> Report:
    """The report of a database. Raises ServiceError in a sentence."""
    store = Store(settings.storage.database)
    if store.is_sqlite and not Path(store.place).exists():
        raise ServiceError(f"there is no database at {store.place}. It is made when the service starts.")
    try:
        counts = read_counts(store, since, _beginning(since, settings.timezone))
    except StoreDown as error:
        raise ServiceError(f"{store.place} cannot be read: {error.reason}.") from None
    finally:
        store.close()
    return Report(since, lines_of(counts, ids_in(settings.cards)), counts.foreign)


def _beginning(day: date | None, zone: ZoneInfo) -> datetime | None:
    return None if day is None else datetime.combine(day, time(), zone)


def lines_of(counts: Counts, ids: Iterable[str]) -> tuple[Line, ...]:
    """A line for each card and version, most often shown first. `ids` are those of the cards there are."""
    names = names_by_bits((*(entry.rule for entry in counts.shown), *ids))
    shown = Counter({(entry.rule, entry.version & 0xFF): entry.times for entry in counts.shown})
    told: dict[tuple[str, int], list[Outcome]] = {}
    for outcome in counts.outcomes:
        told.setdefault((names.get(outcome.rule, f"#{outcome.rule}"), outcome.version), []).append(outcome)
    lines = [
        line_of(card, version, shown[card, version], told.get((card, version), [])) for card, version in shown | told
    ]
    return tuple(sorted(lines, key=lambda n: (-n.shown, n.card, n.version)))


def names_by_bits(ids: Iterable[str]) -> dict[str, str]:
    """The id behind each hash of an id that stands in the uuids of cards."""
    return {rule_bits(name).hex(): name for name in ids}


def line_of(card: str, version: int, shown: int, told: Iterable[Outcome]) -> Line:
    """The line of one card and version from its outcomes."""
    told = tuple(told)
    reasons: Counter[tuple[str, str]] = Counter()
    for entry in told:
        if entry.outcome == "overridden":
            reasons[entry.reason_system, entry.reason_code or NO_REASON] += entry.cards
    return Line(
        card=card,
        version=version,
        shown=shown,
        accepted=sum(entry.cards for entry in told if entry.outcome == "accepted"),
        overridden=reasons.total(),
        comments=sum(entry.cards for entry in told if entry.has_comment),
        reasons=tuple((*reason, times) for reason, times in sorted(reasons.items(), key=lambda r: (-r[1], r[0]))),
    )


# --- How it is written ---------------------------------------------------------------------------------


def as_json(report: Report) -> str:
    """Everything, as JSON."""
    whole: dict[str, Any] = {
        "since": report.since and report.since.isoformat(),
        "flag": {"overriddenAbove": FLAG_ABOVE, "fromAnswered": FLAG_FROM},
        "notCounted": report.foreign,
        "cards": [_as_object(line) for line in report.lines],
    }
    return json.dumps(whole, indent=2, ensure_ascii=False)


def _as_object(line: Line) -> dict[str, Any]:
    return {
        "card": line.card,
        "version": line.version,
        "shown": line.shown,
        "accepted": line.accepted,
        "overridden": line.overridden,
        "overriddenShare": None if line.share is None else round(line.share, 4),
        "flagged": line.is_flagged,
        "comments": line.comments,
        "reasons": [{"system": system, "code": code, "count": times} for system, code, times in line.reasons],
    }


def as_csv(report: Report) -> str:
    """One row a card and version, with a heading; reasons as `code=count`."""
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(_COLUMNS)
    for line in report.lines:
        share = "" if line.share is None else f"{line.share:.4f}"
        counts = (line.shown, line.accepted, line.overridden, share, "yes" if line.is_flagged else "", line.comments)
        rows.writerow((line.card, line.version, *counts, _reasons(line, len(line.reasons))))
    return text.getvalue()


def as_table(report: Report, top: int) -> str:
    """For people: the cards shown most often, and every flagged one."""
    lines = [line for i, line in enumerate(report.lines) if i < top or line.is_flagged]
    width = max((len(line.card) for line in lines), default=4)
    heading = f"{'card':{width}}  version   shown  accepted  overridden   share  reasons"
    rows = [heading, *(_row(line, width) for line in lines)]
    left = len(report.lines) - len(lines)
    rows += [f"and {left} more; --csv and --json print all"] if left else []
    rows += ["", f"! overridden above {FLAG_ABOVE:.0%} of at least {FLAG_FROM} answered cards"]
    rows += [f"not counted: {report.foreign} about cards that were not shown to the client that sent them"]
    return "\n".join(rows)


def _row(line: Line, width: int) -> str:
    share = "-" if line.share is None else f"{line.share:.0%}{'!' if line.is_flagged else ''}"
    return (
        f"{line.card:{width}}  {line.version:7}  {line.shown:6}  {line.accepted:8}  {line.overridden:10}  {share:>6}  "
        f"{_reasons(line, _MOST_REASONS)}"
    ).rstrip()


def _reasons(line: Line, most: int) -> str:
    return "; ".join(f"{code}={times}" for _, code, times in line.reasons[:most])
