"""One card per problem: two rules that meet on the same two drugs share a topic, or somebody said why not.

Findings of one topic about one order are merged; those of different topics become cards side by side. So a
pair of drugs that rules of two topics speak of gives two cards, and `different-problems.yaml` says for which
topics that is right.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import combinations, product

from cds_service.core.values import Rule, Slot
from cds_service.errors import Fault


def check_problems(rules: Iterable[Rule], apart: Mapping[frozenset[str], str]) -> list[Fault]:
    """A fault for each two active rules of different topics, not listed in `apart`, that one pair of drugs meets."""
    pairs = [rule for rule in rules if rule.status == "active" and _is_pair(rule)]
    return [
        Fault(
            "cards/different-problems.yaml",
            " + ".join(sorted((one.topic, other.topic))),
            f"{one.id} and {other.id} make two cards of {' + '.join(sorted(drugs))}: give both one topic, leave the "
            "drugs out of one of them, or say here why these are two problems.",
        )
        for one, other in combinations(pairs, 2)
        if one.topic != other.topic and frozenset((one.topic, other.topic)) not in apart
        for drugs in (_both_meet(one, other),)
        if drugs
    ]


def _is_pair(rule: Rule) -> bool:
    return len(rule.slots) == 2 or (rule.slots[0].at_least == 2 and rule.slots[0].scale is None)


def _sides(rule: Rule) -> tuple[Slot, Slot]:
    return rule.slots[0], rule.slots[-1]


def _both_meet(one: Rule, other: Rule) -> tuple[str, str] | None:
    """Two drugs that fill both rules, or None."""
    a, b = _sides(one)
    for c, d in (_sides(other), _sides(other)[::-1]):
        if not (a.routes & c.routes and b.routes & d.routes) or a.members.isdisjoint(c.members):
            continue
        firsts, seconds = sorted(a.members & c.members), sorted(b.members & d.members)
        found = next(((x, y) for x, y in product(firsts, seconds) if x != y), None)
        if found is not None:
            return found
    return None
