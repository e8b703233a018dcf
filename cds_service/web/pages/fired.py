"""What one card came to at this site: how often it was shown, accepted and overridden, version by version."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from cds_service.core.identity import rule_bits
from cds_service.errors import StoreDown
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
    """`shown` has ids and versions, feedback what is in the cards' uuids: the bits of the id, 8 bits of the version."""
    bits = rule_bits(rule_id).hex()
    shown = Counter({(entry.version & 0xFF, "shown"): entry.times for entry in counts.shown if entry.rule == rule_id})
    for outcome in counts.outcomes:
        if outcome.rule == bits:
            shown[outcome.version, outcome.outcome] += outcome.cards
    versions = sorted({version for version, _ in shown}, reverse=True)
    return tuple(FiredVersion(v, shown[v, "shown"], shown[v, "accepted"], shown[v, "overridden"]) for v in versions)
