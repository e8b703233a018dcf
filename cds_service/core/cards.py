"""Findings -> cards: one card per problem, worst first, worded and with its suggestions."""

from __future__ import annotations

from functools import cache

from cds_service.core.identity import card_uuid
from cds_service.core.planning import Plan
from cds_service.core.suggestions import plan_suggestions
from cds_service.core.tokens import tokens_of
from cds_service.core.values import (
    Card,
    CardOrigin,
    EvidenceUse,
    Finding,
    OverrideReason,
    Rule,
    Suggestion,
    indicator_rank,
)
from cds_service.core.wording import describe, summarise

_MOST_REASONS = 4
_MOST_LINKS = 6


def compose_cards(findings: tuple[Finding, ...], plan: Plan, scope: str) -> tuple[Card, ...]:
    """One card for each group of findings that share a topic and an order, critical first."""
    cards = [_compose(group, plan, scope) for group in merge(findings)]
    return tuple(sorted(cards, key=lambda c: (-indicator_rank(c.indicator), c.rules[0][0], c.uuid)))


def merge(findings: tuple[Finding, ...]) -> list[tuple[Finding, ...]]:
    """Group findings of one topic that share an order, or an ordered drug, directly or through others.

    `findings` come worst first and stay so inside each group.
    """
    groups: list[tuple[str, set[str], list[Finding]]] = []
    for finding in findings:
        links = _links(finding)
        touching = [g for g in groups if g[0] == finding.rule.topic and g[1] & links]
        if not touching:
            groups.append((finding.rule.topic, set(links), [finding]))
            continue
        joined, *others = sorted(touching, key=lambda g: -len(g[2]))  # the largest stays: thousands may be in it
        joined[1].update(links)
        joined[2].append(finding)
        for group in others:
            joined[1].update(group[1])
            joined[2].extend(group[2])
            groups.remove(group)
    position = {id(f): i for i, f in enumerate(findings)}
    return [tuple(sorted(group[2], key=lambda f: position[id(f)])) for group in groups]


def _links(finding: Finding) -> set[str]:
    drugs = {f"drug {p.ingredient}" for p in finding.participants if p.medication.is_new}
    return drugs | set(finding.orders)


def _compose(group: tuple[Finding, ...], plan: Plan, scope: str) -> Card:
    lead = group[0]
    suggestions = plan_suggestions(group, lead.indicator, plan)
    orders = tuple(sorted({key for finding in group for key in finding.orders}))
    notes = tuple(s.note for s in suggestions if s.note)
    return Card(
        uuid=card_uuid(
            plan.request.card_key,
            plan.request.hook_instance,
            CardOrigin(lead.rule.id, lead.rule.version, lead.indicator),
            (*orders, *_drugs(group)),
        ),
        summary=summarise(group, plan.knowledge),
        detail=describe(_told_once(group), notes, scope, plan.facts, plan.knowledge),
        indicator=lead.indicator,
        topic=lead.rule.topic,
        topic_name=plan.knowledge.topics[lead.rule.topic].name,
        suggestions=suggestions,
        selection_behavior=_behaviour(suggestions),
        override_reasons=_reasons(group) if lead.indicator != "info" else (),
        links=_links_to_evidence(group),
        rules=tuple(dict.fromkeys((f.rule.id, f.rule.version, f.severity, f.indicator) for f in group)),
        orders=orders,
    )


def _told_once(group: tuple[Finding, ...]) -> tuple[Finding, ...]:
    """Two orders of one drug give a finding each; the card tells it once."""
    told: dict[tuple[str, frozenset[str]], Finding] = {}
    for finding in group:
        told.setdefault((finding.rule.id, frozenset(p.ingredient for p in finding.participants)), finding)
    return tuple(told.values())


def _drugs(group: tuple[Finding, ...]) -> tuple[str, ...]:
    return tuple(sorted({p.ingredient for f in group for p in f.participants}))


def _behaviour(suggestions: tuple[Suggestion, ...]) -> str:
    """Two suggestions that touch the same order exclude each other."""
    touched = [a.order_key for s in suggestions for a in s.actions if a.order_key]
    return "at-most-one" if len(touched) != len(set(touched)) else "any"


def _reasons(group: tuple[Finding, ...]) -> tuple[OverrideReason, ...]:
    reasons = {reason.id: reason for finding in group for reason in finding.rule.override_reasons}
    return tuple(reasons.values())[:_MOST_REASONS]


def _links_to_evidence(group: tuple[Finding, ...]) -> tuple[tuple[str, str], ...]:
    """Titles and addresses of the sources. Where there are too many, those about the drugs of this card come first."""
    rules = {finding.rule.id: finding.rule for finding in group}.values()
    links = {use.url: use.title for rule in rules for use in rule.evidence}
    if len(links) > _MOST_LINKS:
        here = _drugs(group)
        ranked = [(_distance(use, rule, here), use) for rule in rules for use in rule.evidence]
        links = {use.url: use.title for _, use in sorted(ranked, key=lambda pair: pair[0])}
    return tuple((title, url) for url, title in links.items())[:_MOST_LINKS]


def _distance(use: EvidenceUse, rule: Rule, here: tuple[str, ...]) -> int:
    """0: the source names a drug that is here; 1: no drug of the rule; 2: only others."""
    text, words = _told_by(use)
    if any(name in text for name in here):
        return 0
    return 1 if all(slot.members.isdisjoint(words) for slot in rule.slots) else 2


@cache
def _told_by(use: EvidenceUse) -> tuple[str, tuple[str, ...]]:
    """Title and what it supports, as text and as words; the same in every call."""
    text = f"{use.title} {use.supports}".lower()
    return text, tuple(tokens_of(text))
