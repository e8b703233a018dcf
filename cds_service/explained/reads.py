"""What a rule reads of a patient: worked out from its tests, its dose limits and its suggestions."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from cds_service.core.values import Knowledge, Rule, SuggestionPlan, Test

# Both are calculated from age and sex where the chart has no newer reported value (core/facts.py).
CALCULATED = frozenset({"egfr", "crcl"})


@dataclass(frozen=True, slots=True)
class Reads:
    """Facts (laboratory results, age) and conditions by id, and whether sex is tested."""

    facts: frozenset[str]
    conditions: frozenset[str]
    sex: bool


def read_by(rule: Rule, knowledge: Knowledge) -> Reads:
    """Everything whose value can change what the rule shows."""
    tests = tuple(every_test(rule))
    plans = [knowledge.suggestions[name] for name in _suggestions(rule)]
    facts = {test.subject for test in tests if test.kind in ("number", "unknown")}
    facts |= {name for plan in plans for name in _facts_of(plan)} | set(_facts_of_dose(rule))
    tested = {name for test in tests if test.kind in ("condition", "without_condition") for name in test.names}
    hidden = {name for plan in plans for name in plan.not_with_conditions}
    return Reads(frozenset(facts), frozenset(tested | hidden), any(test.kind == "sex" for test in tests))


def every_test(rule: Rule) -> Iterator[Test]:
    """Each test of the rule, those inside an `any` too."""
    yield from _inside(rule.when)
    for when in (*(v.when for v in rule.variants), *(m.when for m in rule.modifiers)):
        yield from _inside(when)


def _inside(tests: tuple[Test, ...]) -> Iterator[Test]:
    for test in tests:
        yield test
        for branch in test.branches:
            yield from _inside(branch)


def _suggestions(rule: Rule) -> set[str]:
    faces = (rule.face, *(variant.face for variant in rule.variants))
    offered = (*(face.suggestions for face in faces), *(modifier.suggestions for modifier in rule.modifiers))
    return {name for names in offered for name in names}


def _facts_of(plan: SuggestionPlan) -> tuple[str, ...]:
    return (*plan.satisfied_by, *(("egfr",) if plan.needs_egfr is not None else ()))


def _facts_of_dose(rule: Rule) -> Iterator[str]:
    limit = rule.dose
    if limit is None:
        return
    if limit.minimum_age:
        yield "age"
    if len(limit.bands) > 1:
        yield from (name for name in (limit.by, limit.stand_in) if name)
