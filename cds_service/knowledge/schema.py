"""Check a file against a JSON Schema, with messages a pharmacist can act on.

A compiled validator (jsonschema-rs) decides whether a file is valid, a hundred times as fast as jsonschema.
Only a file it refuses goes through jsonschema, whose errors say enough to write a message from.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jsonschema_rs import Draft202012Validator as FastValidator

from cds_service.errors import Fault

if TYPE_CHECKING:  # a start without faults never needs it, and it takes 0.2 s to import
    from jsonschema.exceptions import ValidationError

_TYPES = {"object": "a mapping", "array": "a list", "string": "text", "integer": "a whole number"}
_TYPES |= {"number": "a number", "boolean": "true or false"}


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
    faults = _explained(value, _schema(schema, definition), name)
    # What only the fast one refuses (a line break at the end of a code) is a fault all the same.
    return faults or [Fault(name, _path(e.instance_path), e.message[:160]) for e in fast.iter_errors(value)]


@cache
def _schema(path: Path, definition: str) -> Any:
    schema = json.loads(path.read_text(encoding="utf-8"))
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


def _explained(value: Any, schema: Any, name: str) -> list[Fault]:
    from jsonschema import Draft202012Validator

    return [fault for error in Draft202012Validator(schema).iter_errors(value) for fault in _faults(error, name)]


def _faults(error: ValidationError, name: str) -> Iterator[Fault]:
    from jsonschema.exceptions import best_match

    if error.context:
        deeper = best_match(error.context)
        if deeper is not None:
            yield from _faults(deeper, name)
            return
    path = _path(error.absolute_path)
    if error.validator == "additionalProperties":
        yield from _unknown_members(error, name, path)
    else:
        yield Fault(name, path, _message(error))


def _path(parts: Iterable[str | int]) -> str:
    text = ""
    for part in parts:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else str(part)
    return text


def _unknown_members(error: ValidationError, name: str, path: str) -> Iterator[Fault]:
    schema: Any = error.schema
    instance: Any = error.instance
    known = schema.get("properties", {})
    if schema.get("patternProperties"):
        yield Fault(name, path, "a name has other characters than a-z and _")
        return
    for member in instance:
        if member not in known:
            yield Fault(name, path, f'"{member}" is not allowed here. Use {", ".join(sorted(known))}.')


def _message(error: ValidationError) -> str:
    value: Any = error.instance
    wanted: Any = error.validator_value
    if error.validator == "enum":
        return f'"{value}" is not allowed. Use {", ".join(map(str, wanted))}.'
    if error.validator == "const":
        return f'"{value}" is not allowed. Use {wanted}.'
    if error.validator == "type":
        return f"is not {_TYPES.get(wanted, wanted)}" if isinstance(wanted, str) else "has the wrong type"
    if error.validator == "required":
        missing = [m for m in wanted if m not in value]
        return f"{', '.join(missing)} is missing"
    if error.validator == "pattern":
        return f'"{value}" does not have the form {wanted}'
    return f"{error.message[:160]}"
