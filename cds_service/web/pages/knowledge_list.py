"""The list of all cards as a page and as JSON: its filters, their choices, and what fits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, fields
from typing import Any

from flask import request

from cds_service.core.values import INDICATORS, SEVERITIES, Knowledge
from cds_service.explained.as_json import as_json
from cds_service.explained.catalogue import STATUSES, Entry, Filters, count_by, read_drug, select_cards

_MOST_OPEN = 40  # so many cards are listed at once; of more each topic is folded


def asked_filters() -> Filters:
    """What the query asks for."""
    return Filters(**{field.name: request.args.get(field.name, "").strip() for field in fields(Filters)})


def listing(entries: tuple[Entry, ...], filters: Filters, knowledge: Knowledge) -> dict[str, Any]:
    """What the template of the list shows."""
    found = select_cards(entries, filters, knowledge)
    topics = sorted(knowledge.topics.values(), key=lambda topic: topic.name)
    by_topic = {topic: [entry for entry in found if entry.topic == topic.id] for topic in topics}
    return {
        "filters": filters,
        "is_filtered": any(asdict(filters).values()),
        "choices": _choices(entries, knowledge),
        "asked": read_drug(filters.drug, knowledge) if filters.drug else None,
        "count": len(found),
        "all": len(entries),
        "topics": [(topic, listed) for topic, listed in by_topic.items() if listed],
        "is_open": len(found) <= _MOST_OPEN,
        "query": request.query_string.decode("ascii", "replace"),
    }


def _choices(entries: tuple[Entry, ...], knowledge: Knowledge) -> list[tuple[str, str, list[tuple[str, str, int]]]]:
    """(name of the field, its label, (value, words, how many cards) of each option)."""
    topics = {topic.id: topic.name for topic in sorted(knowledge.topics.values(), key=lambda topic: topic.name)}
    kinds = sorted(count_by(entries, "evidence"))
    return [
        ("topic", "Topic", _options(entries, "topic", topics)),
        ("severity", "Severity it can have", _options(entries, "severities", _same(SEVERITIES))),
        ("indicator", "Indicator it can have", _options(entries, "indicators", _same(INDICATORS))),
        ("status", "Status", _options(entries, "status", _same(STATUSES))),
        ("evidence", "Kind of evidence", _options(entries, "evidence", _same(tuple(kinds)))),
    ]


def _same(words: tuple[str, ...]) -> dict[str, str]:
    return {word: word for word in words}


def _options(entries: tuple[Entry, ...], field: str, words: Mapping[str, str]) -> list[tuple[str, str, int]]:
    counts = count_by(entries, field)
    return [(value, text, counts[value]) for value, text in words.items() if counts[value]]


def listing_json(entries: tuple[Entry, ...], filters: Filters, knowledge: Knowledge) -> dict[str, Any]:
    """The cards that fit, with the fields of the filters."""
    found = select_cards(entries, filters, knowledge)
    return {
        "knowledge": knowledge.version,
        "count": len(found),
        "all": len(entries),
        "cards": [_entry_json(entry, knowledge) for entry in found],
    }


def _entry_json(entry: Entry, knowledge: Knowledge) -> dict[str, Any]:
    written: dict[str, Any] = as_json(entry)
    del written["text"]
    return written | {"topicName": knowledge.topics[entry.topic].name}
