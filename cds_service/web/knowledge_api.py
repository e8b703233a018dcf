"""The knowledge as JSON in the OpenAPI document: its paths and the schemas of its answers."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from cds_service.core.values import INDICATORS, JSON, SEVERITIES
from cds_service.explained.as_json import camel_case
from cds_service.explained.card import ToldCard
from cds_service.explained.catalogue import STATUSES, Filters

Schema = dict[str, Any]
_TEXT: Schema = {"type": "string"}
_TEXTS: Schema = {"type": "array", "items": _TEXT}
_COUNT: Schema = {"type": "integer", "minimum": 0}
_LISTED: Schema = {
    "id": _TEXT,
    "title": _TEXT,
    "version": {"type": "integer", "minimum": 1},
    "status": {"enum": list(STATUSES)},
    "isSilenced": {"type": "boolean"},
    "topic": _TEXT,
    "topicName": _TEXT,
    "severities": {"type": "array", "items": {"enum": list(SEVERITIES)}, "minItems": 1},
    "indicators": {"type": "array", "items": {"enum": list(INDICATORS)}, "minItems": 1},
    "evidence": _TEXTS,
    "drugs": _TEXTS,
    "groups": _TEXTS,
}
KNOWLEDGE_LIST_SCHEMA: Schema = {
    "type": "object",
    "required": ["knowledge", "count", "all", "cards"],
    "properties": {
        "knowledge": _TEXT,
        "count": _COUNT,
        "all": _COUNT,
        "cards": {
            "type": "array",
            "items": {
                "type": "object",
                "required": list(_LISTED),
                "properties": _LISTED,
                "additionalProperties": False,
            },
        },
    },
    "additionalProperties": False,
}


_KINDS: dict[str, Schema] = {"str": _TEXT, "int": {"type": "integer"}, "bool": {"type": "boolean"}}


def _kind(written: str) -> Schema:
    """The schema of a field by how its type is written."""
    return _KINDS.get(written, {"type": "array" if written.startswith("tuple") else "object"})


_MEMBERS: Schema = {camel_case(field.name): _kind(str(field.type)) for field in fields(ToldCard)}
KNOWLEDGE_CARD_SCHEMA: Schema = {
    "type": "object",
    "required": list(_MEMBERS),
    "properties": _MEMBERS | {"fired": {"type": "object", "description": "Only for operators, with the workbench on."}},
    "additionalProperties": False,
}
KNOWLEDGE_EXAMPLE_SCHEMA: Schema = {
    "type": "object",
    "required": ["hook", "hookInstance", "context", "prefetch"],
    "properties": {
        "hook": _TEXT,
        "hookInstance": _TEXT,
        "context": {"type": "object"},
        "prefetch": {"type": "object"},
    },
    "additionalProperties": False,
}
_CARD_ID = {"name": "card_id", "in": "path", "required": True, "schema": _TEXT}
_NUMBER = {"name": "number", "in": "path", "required": True, "schema": {"type": "integer", "minimum": 1}}
_FILTERS = [{"name": field.name, "in": "query", "required": False, "schema": _TEXT} for field in fields(Filters)]

# Path -> (id of the operation, summary, what answers, its schema's name, parameters).
KNOWLEDGE_READS: dict[str, tuple[str, str, str, str, list[JSON]]] = {
    "/knowledge.json": ("knowledge", "All cards, or those that fit.", "The cards.", "KnowledgeList", _FILTERS),
    "/knowledge/{card_id}.json": ("card", "One card, all of it.", "The card.", "KnowledgeCard", [_CARD_ID]),
    "/knowledge/{card_id}/examples/{number}": (
        "example",
        "The hook call of an example, for today.",
        "The call.",
        "KnowledgeExample",
        [_CARD_ID, _NUMBER],
    ),
}
KNOWLEDGE_SCHEMAS = {
    "KnowledgeList": KNOWLEDGE_LIST_SCHEMA,
    "KnowledgeCard": KNOWLEDGE_CARD_SCHEMA,
    "KnowledgeExample": KNOWLEDGE_EXAMPLE_SCHEMA,
}
