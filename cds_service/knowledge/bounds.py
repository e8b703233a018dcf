"""The numbers that a card file compares facts and doses with."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

Content = Mapping[str, Any]
_LOW, _HIGH = ("at_least", "above"), ("at_most", "below")
BOUNDS = frozenset((*_LOW, *_HIGH))
# Tests of a slot: its name stands between the test and its bounds.
DOSINGS = ("daily_dose", "weekly_dose", "days_a_week")


def bounded(card: Content) -> list[tuple[str, Content]]:
    """(path, bounds) of each test of a number in a card file, those inside an `any` too."""
    whens = [("when", card.get("when", {}))]
    for kind in ("variants", "modifiers"):
        whens += [(f"{kind}[{i}].when", entry["when"]) for i, entry in enumerate(card.get(kind, ()))]
    found: list[tuple[str, Content]] = []
    while whens:
        path, when = whens.pop(0)
        whens += [(f"{path}.any[{i}]", branch) for i, branch in enumerate(when.get("any", ()))]
        for name, test in when.items():
            inner = next(iter(test.values())) if name in DOSINGS else test
            if isinstance(inner, dict) and BOUNDS.issuperset(inner):
                found.append((f"{path}.{name}", inner))
    return found


def can_hold(test: Content) -> bool:
    """Whether some number is within the bounds of a test."""
    low = max((Decimal(test[name]) for name in _LOW if name in test), default=None)
    high = min((Decimal(test[name]) for name in _HIGH if name in test), default=None)
    if low is None or high is None:
        return True
    return low < high or (low == high and {"at_least", "at_most"}.issuperset(test))


def limits(card: Content) -> set[tuple[str, Decimal]]:
    """(fact, limit) of each comparison of a fact, and of each band of doses by one."""
    tests = [(path.rpartition(".")[2], test) for path, test in bounded(card)]
    found = {(fact, Decimal(limit)) for fact, test in tests if fact not in DOSINGS for limit in test.values()}
    dose = card.get("dose", {})
    for band in dose.get("bands", ()) if "by" in dose else ():
        found |= {(dose["by"], Decimal(limit)) for name, limit in band.items() if name in BOUNDS}
    return found
