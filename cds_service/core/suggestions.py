"""Findings -> suggestions: what the prescriber may take with one click.

Several suggestions about one order never undo each other: where a dose is to be corrected, times and, on another
card, alternatives are offered once that is done.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import timedelta

from cds_service.core.planning import Plan, continues_therapy, is_renewed, new_orders
from cds_service.core.reduction import reduce_dose
from cds_service.core.screening import loudness_of
from cds_service.core.stagger import stagger_doses
from cds_service.core.values import (
    INDICATORS,
    Action,
    Finding,
    Medication,
    OrderChange,
    OrderedTest,
    Suggestion,
    SuggestionPlan,
    indicator_rank,
)

# An alternative is checked like an order of its own. No one signs so many orders at once; a hostile call may.
_MOST_SCREENED = 40
_ORDER = {"reduce-dose": 0, "replace": 1, "create": 2, "stagger": 3, "delete": 4}


def plan_suggestions(findings: tuple[Finding, ...], indicator: str, plan: Plan) -> tuple[Suggestion, ...]:
    """The suggestions of one card: the union over its findings, each once, in a fixed order."""
    planned: dict[tuple[str, tuple[str, ...]], Suggestion] = {}
    tried: set[tuple[str, tuple[str, ...]]] = set()
    drugs = _drugs_of(findings)
    for finding in findings:
        for name in finding.suggestions:
            if (name, finding.orders) in tried:
                continue
            tried.add((name, finding.orders))
            entry = plan.knowledge.suggestions[name]
            for suggestion in _KINDS[entry.kind](entry, finding, drugs, indicator, plan):
                orders = tuple(a.order_key for a in suggestion.actions)
                planned.setdefault((suggestion.id, orders), suggestion)
    return tuple(sorted(_without_undoing(planned.values(), plan), key=lambda s: (_ORDER[s.kind], s.id, s.label)))


def _without_undoing(planned: Iterable[Suggestion], plan: Plan) -> list[Suggestion]:
    """No other drug for an order whose dose another card corrects: that correction would bring the old drug back."""
    suggestions = list(planned)
    here = {a.order_key for s in suggestions if s.kind == "reduce-dose" for a in s.actions}
    elsewhere = plan.corrected.keys() - here
    return [s for s in suggestions if s.kind != "replace" or elsewhere.isdisjoint(a.order_key for a in s.actions)]


def _drugs_of(findings: tuple[Finding, ...]) -> tuple[Medication, ...]:
    """All drugs of a card, each once."""
    found: dict[tuple[str, ...], Medication] = {}
    for finding in findings:
        for participant in finding.participants:
            found.setdefault(participant.medication.ingredients, participant.medication)
    return tuple(found[key] for key in sorted(found))


def _create(
    entry: SuggestionPlan, finding: Finding, _: tuple[Medication, ...], __: str, plan: Plan
) -> list[Suggestion]:
    if not plan.request.may_create:
        return []
    if any(name in plan.facts.known or name in plan.facts.unseen for name in entry.satisfied_by):
        return []
    ordered = {(c.system, c.code) for codings in plan.request.service_requests for c in codings}
    tests = [test for test in entry.tests if ordered.isdisjoint(test.already_ordered)]
    if not tests:
        return []
    label = entry.label.format(tests=" and ".join(test.name for test in tests))
    return [Suggestion(entry.id, entry.kind, label, tuple(_order(t, entry, plan) for t in tests), entry.note)]


def _order(test: OrderedTest, entry: SuggestionPlan, plan: Plan) -> Action:
    """One order from its template, with the days between which it is to be done."""
    resource = dict(test.resource)
    if entry.due_in_days is not None:
        first, last = ((plan.facts.today + timedelta(days=days)).isoformat() for days in entry.due_in_days)
        resource["occurrencePeriod"] = {"start": first, "end": last}
    return Action("create", entry.description.format(tests=test.name), resource=resource)


def _replace(
    entry: SuggestionPlan, finding: Finding, _: tuple[Medication, ...], indicator: str, plan: Plan
) -> list[Suggestion]:
    """An alternative for each order it stands in for, unless it draws a card as loud or is taken already."""
    drug = entry.alternative
    if drug is None or sum(m.is_new for m in plan.medications) > _MOST_SCREENED:
        return []
    if any(drug.name in m.ingredients for m in plan.medications if m.role in ("ordering", "taking")):
        return []
    made = []
    for medication in new_orders(finding):
        if not _may_be_replaced(entry, medication):
            continue
        if loudness_of(drug, medication, plan.medications, plan.facts, plan.knowledge) >= indicator_rank(indicator):
            continue
        words = {"drug": " / ".join(medication.ingredients)}
        action = Action("update", entry.description.format(**words), medication.entry.key, OrderChange(drug=drug))
        label, note = entry.label.format(**words), entry.note.format(**words)
        made.append(Suggestion(entry.id, entry.kind, label, (action,), note))
    return made


def _may_be_replaced(entry: SuggestionPlan, medication: Medication) -> bool:
    """One known drug that acts in the whole body, in an order that can be named."""
    single = len(medication.ingredients) == 1 and medication.ingredients[0] in entry.stands_in_for
    known = not medication.unread and not medication.disagrees
    return (
        single
        and known
        and medication.route == "systemic"
        and bool(medication.entry.resource_id and medication.entry.writable)
    )


def _delete(
    entry: SuggestionPlan, finding: Finding, _: tuple[Medication, ...], __: str, plan: Plan
) -> list[Suggestion]:
    """No order. A renewal is removed only where the drug alone is critical: of two drugs that run, which one ends is
    not ours to say, and of a running and a new one it is the new one that is left out.
    """
    made = []
    ends_alone = finding.indicator == INDICATORS[-1] and not finding.has_partner
    for medication in new_orders(finding):
        if is_renewed(medication, plan) and not ends_alone:
            continue
        if medication.entry.resource_id and not continues_therapy(medication, entry, plan.medications):
            name = " / ".join(medication.ingredients)
            action = Action("delete", entry.description.format(drug=name), medication.entry.key)
            made.append(Suggestion(entry.id, entry.kind, entry.label.format(drug=name), (action,)))
    return made


_Maker = Callable[[SuggestionPlan, Finding, tuple[Medication, ...], str, Plan], list[Suggestion]]
_KINDS: dict[str, _Maker] = {
    "create": _create,
    "delete": _delete,
    "reduce-dose": reduce_dose,
    "replace": _replace,
    "stagger": stagger_doses,
}
