"""What one card came to at this site: how often it was shown, accepted and overridden, version by version."""

from __future__ import annotations

from dataclasses import dataclass

from cds_service.errors import StoreDown
from cds_service.outcomes import lines_of
from cds_service.store.database import Store
from cds_service.store.report import Counts, read_counts


@dataclass(frozen=True, slots=True)
class FiredVersion:
    """Counts of one version. Who does not answer a card sends no feedback, so the last two rarely add up to `shown`."""

    version: int
    shown: int
    accepted: int
    overridden: int


@dataclass(frozen=True, slots=True)
class Fired:
    """All versions, newest first; or in a sentence why there are none to see."""

    versions: tuple[FiredVersion, ...]
    problem: str = ""


def read_fired(store: Store, rule_id: str) -> Fired:
    """The counts of a card of all time. A database that is down is a sentence, never an error."""
    try:
        counts = read_counts(store, None, None)
    except StoreDown as error:
        return Fired((), f"The counts cannot be read now: {error.reason}.")
    return Fired(_versions(counts, rule_id))


def _versions(counts: Counts, rule_id: str) -> tuple[FiredVersion, ...]:
    lines = [line for line in lines_of(counts, (rule_id,)) if line.card == rule_id]
    newest_first = sorted(lines, key=lambda line: -line.version)
    return tuple(FiredVersion(line.version, line.shown, line.accepted, line.overridden) for line in newest_first)
