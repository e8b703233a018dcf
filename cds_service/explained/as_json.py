"""What is told as JSON: the same values with the names of their fields in camelCase."""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from typing import Any


def as_json(value: Any) -> Any:
    """Dataclasses become objects, tuples arrays, sets sorted arrays; the rest stays."""
    if is_dataclass(value):
        return {camel_case(field.name): as_json(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, (tuple, list)):
        return [as_json(part) for part in value]
    return sorted(value) if isinstance(value, frozenset) else value


def camel_case(name: str) -> str:
    """ "mechanism_kind" → "mechanismKind"."""
    first, *others = name.split("_")
    return first + "".join(word.title() for word in others)
