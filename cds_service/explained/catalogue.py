"""The list of all cards: what one searches and filters it by."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from cds_service.core.naming import read_name
from cds_service.core.values import INDICATORS, SEVERITIES, Face, Knowledge, Modifier, Rule
from cds_service.explained.drugs import groups_of

STATUSES = ("active", "silent", "draft", "retired")


@dataclass(frozen=True, slots=True)
class Entry:
    """One card in the list. `severities` and `indicators` are all that it can have, from its best case up."""

    id: str
    title: str
    version: int
    status: str
    is_silenced: bool
    topic: str
    severities: tuple[str, ...]
    indicators: tuple[str, ...]
    evidence: tuple[str, ...]
    drugs: frozenset[str]
    groups: tuple[str, ...]
    text: str


@dataclass(frozen=True, slots=True)
class Filters:
    """What is asked for; an empty one asks for everything. `text`: each of its words must occur."""

    text: str = ""
    drug: str = ""
    topic: str = ""
    severity: str = ""
    indicator: str = ""
    status: str = ""
    evidence: str = ""


@dataclass(frozen=True, slots=True)
class AskedDrug:
    """What the text of the drug filter was understood as: ingredients, and the words that are in no dictionary."""

    ingredients: tuple[str, ...]
    unread: tuple[str, ...]


def list_cards(knowledge: Knowledge) -> tuple[Entry, ...]:
    """An entry for each card, in the order of their ids."""
    return tuple(_entry(rule, knowledge) for rule in knowledge.rules)


def _entry(rule: Rule, knowledge: Knowledge) -> Entry:
    faces: tuple[Face | Modifier, ...] = (rule.face, *(variant.face for variant in rule.variants), *rule.modifiers)
    drugs = frozenset(name for slot in rule.slots for name in slot.members)
    groups = {part.group.plural: part.group for slot in rule.slots for part in groups_of(slot.members, knowledge)}
    words = (rule.id, rule.title, *drugs, *groups, *(group.singular for group in groups.values()))
    return Entry(
        id=rule.id,
        title=rule.title,
        version=rule.version,
        status=rule.status,
        is_silenced=rule.id in knowledge.silenced,
        topic=rule.topic,
        severities=tuple(name for name in SEVERITIES if any(face.severity == name for face in faces)),
        indicators=tuple(name for name in INDICATORS if any(face.indicator == name for face in faces)),
        evidence=tuple(sorted({use.kind for use in rule.evidence})),
        drugs=drugs,
        groups=tuple(sorted(groups)),
        text="\n".join(words).casefold(),
    )


def read_drug(text: str, knowledge: Knowledge) -> AskedDrug:
    """The ingredients that a name stands for: generic, brand, or a whole clinical drug."""
    product = read_name(text, knowledge.vocabulary)
    return AskedDrug(product.ingredients, product.unread)


def select_cards(entries: Iterable[Entry], filters: Filters, knowledge: Knowledge) -> tuple[Entry, ...]:
    """The entries that fit every filter. A drug that is in no dictionary fits none."""
    words = filters.text.casefold().split()
    drugs = set(read_drug(filters.drug, knowledge).ingredients) if filters.drug.strip() else None
    return tuple(
        entry
        for entry in entries
        if all(word in entry.text for word in words)
        and (drugs is None or not drugs.isdisjoint(entry.drugs))
        and filters.topic in ("", entry.topic)
        and filters.status in ("", entry.status)
        and (not filters.severity or filters.severity in entry.severities)
        and (not filters.indicator or filters.indicator in entry.indicators)
        and (not filters.evidence or filters.evidence in entry.evidence)
    )


def count_by(entries: Iterable[Entry], field: str) -> Counter[str]:
    """How many entries have each value of a field (a word or a tuple of words)."""
    values = (getattr(entry, field) for entry in entries)
    return Counter(word for value in values for word in (value if isinstance(value, tuple) else (value,)))
