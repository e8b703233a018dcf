"""One card, all of it: what its page shows and what its JSON says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cds_service.core.values import EvidenceUse, Knowledge, OverrideReason, Rule
from cds_service.explained.attributes import SourceAttributes, source_attributes
from cds_service.explained.doses import tell_dose
from cds_service.explained.examples import ToldExample, tell_example
from cds_service.explained.faces import ToldFace, ToldModifier, tell_face, tell_modifier, tell_variant
from cds_service.explained.said import Said, bracketed
from cds_service.explained.slots import ToldSlot, tell_meeting, tell_slots
from cds_service.explained.when import Subject, tell_all

_STATUS = {
    "active": "In use: its cards are shown.",
    "silent": "Silent: it is evaluated and counted, and its cards are not shown.",
    "draft": "A draft: it is not evaluated, and no card of it is shown.",
    "retired": "Retired: it is kept for its history; it is not evaluated, and no card of it is shown.",
}
_SILENCED = "Switched off at this site: it is evaluated and named in the answer, and its cards are not shown."
_UNREVIEWED = "No clinician has reviewed this card."


@dataclass(frozen=True, slots=True)
class Version:
    """One entry of a card's history; the date as the file has it (ISO 8601)."""

    version: int
    date: str
    change: str


@dataclass(frozen=True, slots=True)
class WrittenCard:
    """What only the card file says; `is_there` is False where it cannot be read; the rest is then empty."""

    is_there: bool
    mechanism: str
    mechanism_kind: str
    classification: str
    exposure: str
    harm: str
    written_by: str
    history: tuple[Version, ...]
    examples: tuple[ToldExample, ...]


@dataclass(frozen=True, slots=True)
class ToldCard:
    """A card file in plain sentences."""

    id: str
    title: str
    version: int
    status: str
    status_means: str
    is_shown: bool
    topic: str
    topic_name: str
    reviewed: str
    meeting: str
    slots: tuple[ToldSlot, ...]
    when: tuple[Said, ...]
    dose: tuple[Said, ...]
    best_case: ToldFace
    variants: tuple[ToldFace, ...]
    modifiers: tuple[ToldModifier, ...]
    notes: tuple[str, ...]
    consequence: str
    certainty: str
    evidence: tuple[EvidenceUse, ...]
    override_reasons: tuple[OverrideReason, ...]
    source_attributes: SourceAttributes
    file: WrittenCard


def tell_card(rule: Rule, knowledge: Knowledge, written: Mapping[str, Any]) -> ToldCard:
    """Everything about one rule; `written` is its card file as read, empty where it cannot be."""
    subject = Subject(rule, knowledge)
    silenced = rule.id in knowledge.silenced
    modifiers = zip(rule.modifiers, written.get("modifiers", [{}] * len(rule.modifiers)), strict=True)
    return ToldCard(
        id=rule.id,
        title=rule.title,
        version=rule.version,
        status=rule.status,
        status_means=_SILENCED if silenced and rule.status == "active" else _STATUS[rule.status],
        is_shown=rule.status == "active" and not silenced,
        topic=rule.topic,
        topic_name=knowledge.topics[rule.topic].name,
        reviewed=_UNREVIEWED if rule.reviewed == "none" else rule.reviewed,
        meeting=tell_meeting(rule),
        slots=tell_slots(rule, knowledge),
        when=tell_all(rule.when, subject),
        dose=tell_dose(rule.dose, subject) if rule.dose else (),
        best_case=tell_face(rule.face, knowledge),
        variants=tuple(tell_variant(variant, subject) for variant in rule.variants),
        modifiers=tuple(tell_modifier(modifier, subject, file) for modifier, file in modifiers),
        notes=_notes(rule),
        consequence=bracketed(rule.consequence),
        certainty=rule.certainty,
        evidence=rule.evidence,
        override_reasons=rule.override_reasons,
        source_attributes=source_attributes(rule, knowledge, written),
        file=_written(written, knowledge),
    )


def _notes(rule: Rule) -> tuple[str, ...]:
    """What holds for every card of the rule."""
    renewal = (
        "An unchanged renewal (same or lower dose, same partners) turns a warning into info; critical stays."
        if rule.quiet_renewal
        else "An unchanged renewal speaks as loudly as a new order."
    )
    minor = "shown" if rule.show_minor else "only counted, not shown"
    lowest = "minor" in {rule.face.severity, *(variant.face.severity for variant in rule.variants)}
    return (renewal, *((f"Where its severity is minor it is {minor}.",) if lowest else ()))


def _written(file: Mapping[str, Any], knowledge: Knowledge) -> WrittenCard:
    mechanism, frequency = file.get("mechanism", {}), file.get("frequency", {})
    return WrittenCard(
        is_there=bool(file),
        mechanism=mechanism.get("text", ""),
        mechanism_kind=mechanism.get("kind", ""),
        classification=file.get("classification", ""),
        exposure=frequency.get("exposure", ""),
        harm=frequency.get("harm", ""),
        written_by=file.get("review", {}).get("written_by", ""),
        history=tuple(Version(e["version"], e["date"], e["change"]) for e in reversed(file.get("history", ()))),
        examples=tuple(tell_example(i + 1, e, knowledge) for i, e in enumerate(file.get("examples", ()))),
    )
