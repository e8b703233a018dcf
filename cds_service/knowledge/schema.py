"""Check a file against a JSON Schema.

A compiled validator (jsonschema-rs) decides whether a file is valid, a hundred times as fast as jsonschema.
Only a file it refuses goes through jsonschema, whose errors say enough to explain them (`explanations`).
"""

from __future__ import annotations

import json
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

from jsonschema_rs import Draft202012Validator as FastValidator

from cds_service.errors import Fault, ServiceError


class _NoDecimal:
    """Refuses 2.0 where a whole number belongs, as jsonschema does; jsonschema-rs alone takes it for 2."""

    def __init__(self, parent_schema: Any, value: Any, schema_path: Any) -> None:
        pass

    def validate(self, instance: Any) -> None:
        if isinstance(instance, Decimal):
            raise ValueError("is not a whole number")


def check(value: Any, schema: Path, name: str, definition: str = "") -> list[Fault]:
    """All faults of `value` (the content of the file `name`) under a schema, or one definition in it."""
    fast = _fast_validator(schema, definition)
    if fast.is_valid(value):
        return []
    # Imports jsonschema, which takes 0.2 s and which a start without faults never needs.
    from cds_service.knowledge.explanations import explain, path_of

    # What only the fast one refuses (a line break at the end of a code) is a fault all the same.
    return explain(value, _schema(schema, definition), name) or [
        Fault(name, path_of(error.instance_path), error.message[:160]) for error in fast.iter_errors(value)
    ]


@cache
def _schema(path: Path, definition: str) -> Any:
    try:
        schema = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ServiceError(f"{path}: cannot be read as a JSON Schema ({error})") from None
    return {"$ref": f"#/$defs/{definition}", "$defs": schema["$defs"]} if definition else schema


@cache
def _fast_validator(path: Path, definition: str) -> FastValidator:
    return FastValidator(_without_decimals(_schema(path, definition)), keywords={"noDecimal": _NoDecimal})


def _without_decimals(schema: Any) -> Any:
    """The schema with `noDecimal` beside each `"type": "integer"`."""
    if isinstance(schema, list):
        return [_without_decimals(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    whole = {"noDecimal": True} if schema.get("type") == "integer" else {}
    return {key: _without_decimals(part) for key, part in schema.items()} | whole
