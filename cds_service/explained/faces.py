"""What a rule shows in words: its best case, its variants, what raises it, and what the prescriber may take."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cds_service.core.values import Face, Knowledge, Modifier, SuggestionPlan, Variant
from cds_service.explained.said import Said, amount, bracketed, joined
from cds_service.explained.when import Subject, condition_names, fact_name, tell_all

_NO_FILE: Mapping[str, tuple[str, ...]] = {}


@dataclass(frozen=True, slots=True)
class ToldSuggestion:
    """One button: its label, what it does, and when it is not offered."""

    id: str
    label: str
    description: str
    note: str
    offered: str


@dataclass(frozen=True, slots=True)
class ToldFace:
    """A best case: the rule's own (without a `name`) or a variant. What is filled in stands in square brackets."""

    name: str
    when: tuple[Said, ...]
    severity: str
    indicator: str
    summary: str
    advice: str
    suggestions: tuple[ToldSuggestion, ...]
    modifiers_apply: bool


@dataclass(frozen=True, slots=True)
class ToldModifier:
    """What raises the card, to what, and why. `sources` are keys of the card's evidence."""

    name: str
    when: tuple[Said, ...]
    severity: str
    indicator: str
    because: str
    advice: str
    replaces_advice: bool
    suggestions: tuple[ToldSuggestion, ...]
    sources: tuple[str, ...]


def tell_face(face: Face, knowledge: Knowledge) -> ToldFace:
    """The best case of the rule."""
    return _told(face, knowledge)


def tell_variant(variant: Variant, subject: Subject) -> ToldFace:
    """Another best case, and when it is used."""
    when = tell_all(variant.when, subject)
    return _told(variant.face, subject.knowledge, variant.name, when, variant.apply_modifiers)


def _told(
    face: Face, knowledge: Knowledge, name: str = "", when: tuple[Said, ...] = (), modifiers_apply: bool = True
) -> ToldFace:
    return ToldFace(
        name=name,
        when=when,
        severity=face.severity,
        indicator=face.indicator,
        summary=bracketed(face.summary),
        advice=bracketed(face.advice),
        suggestions=_suggestions(face.suggestions, knowledge),
        modifiers_apply=modifiers_apply,
    )


def tell_modifier(modifier: Modifier, subject: Subject, written: Mapping[str, Any] = _NO_FILE) -> ToldModifier:
    """What the modifier asks for and raises to. `written` is it as the card file has it, for its sources."""
    return ToldModifier(
        name=modifier.name,
        when=tell_all(modifier.when, subject),
        severity=modifier.severity,
        indicator=modifier.indicator,
        because=bracketed(modifier.because),
        advice=bracketed(modifier.advice),
        replaces_advice=modifier.replaces_advice,
        suggestions=_suggestions(modifier.suggestions, subject.knowledge),
        sources=tuple(written.get("evidence", ())),
    )


def _suggestions(names: tuple[str, ...], knowledge: Knowledge) -> tuple[ToldSuggestion, ...]:
    return tuple(_suggestion(knowledge.suggestions[name], knowledge) for name in names)


def _suggestion(plan: SuggestionPlan, knowledge: Knowledge) -> ToldSuggestion:
    tests = " and ".join(test.name for test in plan.tests)
    texts = (text.replace("{tests}", tests) for text in (plan.label, plan.description, plan.note))
    label, description, note = (bracketed(text) for text in texts)
    return ToldSuggestion(plan.id, label, description, note, _offered(plan, knowledge))


def _offered(plan: SuggestionPlan, knowledge: Knowledge) -> str:
    """When it is left out, as far as facts of the patient decide."""
    parts = []
    if plan.satisfied_by:
        facts = joined([fact_name(name, knowledge) for name in plan.satisfied_by], "or")
        parts.append(f"Not offered where {facts} is on file.")
    if plan.needs_egfr is not None:
        parts.append(f"Offered only where eGFR is known to be at least {amount(plan.needs_egfr)}.")
    if plan.not_with_conditions:
        parts.append(f"Not offered with {condition_names(sorted(plan.not_with_conditions), knowledge)}.")
    return " ".join(parts)
