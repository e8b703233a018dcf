"""The whole check, in its one order: medications, facts, findings, cards.

The only module that knows the order of the steps. Pure: the day comes in as an argument.
"""

from __future__ import annotations

from datetime import date

from cds_service.core.cards import compose_cards
from cds_service.core.facts import gather_facts
from cds_service.core.findings import find_interactions, is_shown
from cds_service.core.medications import read_medications
from cds_service.core.notices import compose_notices, not_checked, switched_off
from cds_service.core.planning import Plan
from cds_service.core.reduction import plan_corrections
from cds_service.core.renewals import find_renewed
from cds_service.core.values import (
    Card,
    Evaluation,
    HookRequest,
    Knowledge,
    Medication,
    indicator_rank,
)
from cds_service.core.wording import counted


def evaluate(request: HookRequest, knowledge: Knowledge, today: date) -> Evaluation:
    """Check the orders of one hook request on one day."""
    medications = read_medications(request, knowledge, today)
    scope = _scope(request, medications, knowledge)
    if not any(m.is_new for m in medications):
        return Evaluation(scope, medications, (), (), (), ())
    facts = gather_facts(request.chart, knowledge, today)
    renewed = find_renewed(medications)
    findings, unjudged = find_interactions(medications, facts, knowledge, renewed)
    shown = tuple(f for f in findings if is_shown(f) and f.rule.id not in knowledge.silenced)
    silenced = {f.rule.id: f.rule for f in findings if is_shown(f) and f.rule.id in knowledge.silenced}
    corrected = plan_corrections(shown, medications, knowledge)
    cards = compose_cards(shown, Plan(request, medications, facts, knowledge, corrected, renewed), scope)
    checked = any(m.is_new and m.ingredients for m in medications)
    notices = [
        *compose_notices(request, medications, unjudged, checked, knowledge),
        *switched_off(request, medications, tuple(silenced.values()), knowledge),
    ]
    return Evaluation(
        scope=scope,
        medications=medications,
        cards=_sorted((*cards, *notices)),
        findings=shown,
        unshown=tuple(f for f in findings if not is_shown(f) or f.rule.id in silenced),
        not_checked=not_checked(medications),
        silenced=tuple(sorted(silenced)),
    )


def _sorted(cards: tuple[Card, ...]) -> tuple[Card, ...]:
    return tuple(sorted(cards, key=lambda c: -indicator_rank(c.indicator)))


def _scope(request: HookRequest, medications: tuple[Medication, ...], knowledge: Knowledge) -> str:
    """One line: what was checked with what, and what never is."""
    ordered = sum(m.is_new for m in medications)
    current = [m for m in medications if m.was_taken or m.role == "stopping"]
    taken = len({name for m in current for name in m.ingredients})
    unseen = [knowledge.wording[f"part_{part}"] for part in knowledge.chart_queries if not request.chart.seen(part)]
    template = knowledge.wording["scope_with_gaps" if unseen else "scope"]
    return template.format(
        orders=counted(ordered, "order", knowledge),
        drugs=counted(taken, "drug", knowledge),
        unseen=", ".join(unseen),
    )
