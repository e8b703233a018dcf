"""Say what is wrong in a file that its JSON Schema refuses, in words a pharmacist can act on."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError, best_match

from cds_service.errors import Fault

_TYPES = {"object": "a mapping", "array": "a list", "string": "text", "integer": "a whole number"}
_TYPES |= {"number": "a number", "boolean": "true or false"}


def explain(value: Any, schema: Any, name: str) -> list[Fault]:
    """All faults that jsonschema finds in `value` (the content of the file `name`)."""
    return [fault for error in Draft202012Validator(schema).iter_errors(value) for fault in _faults(error, name)]


def _faults(error: ValidationError, name: str) -> Iterator[Fault]:
    if error.context:
        deeper = best_match(error.context)
        if deeper is not None:
            yield from _faults(deeper, name)
            return
    path = path_of(error.absolute_path)
    if error.validator == "additionalProperties":
        yield from _unknown_members(error, name, path)
    else:
        yield Fault(name, path, _message(error))


def path_of(parts: Iterable[str | int]) -> str:
    """A place as card files' readers write it: `modifiers[0].when`."""
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
