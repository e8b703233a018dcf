"""Validate one FHIR resource with fhir.resources (R4B stands for R4; it has no DSTU2, which is not validated).

Its messages quote the input, so only the type of each error and its path leave this module.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

from fhir.resources import R4B, STU3
from fhir.resources import get_fhir_model_class as of_r5
from pydantic import ValidationError

from cds_service.core.values import JSON

Problem = tuple[str, str]
_MOST = 20


_MODELS: dict[str, Callable[[str], Any]] = {
    "R4": R4B.get_fhir_model_class,
    "R5": of_r5,
    "STU3": STU3.get_fhir_model_class,
}


@cache
def _model(resource_type: str, version: str) -> Any:
    return _MODELS[version](resource_type)


def validate(resource: JSON, version: str = "R4") -> list[Problem]:
    """(path, kind of error) for each fault; an empty list means that it is valid, or DSTU2."""
    if version not in _MODELS:
        return []
    try:
        _model(str(resource.get("resourceType")), version).model_validate(resource)
    except ValidationError as error:
        found = error.errors(include_url=False, include_context=False, include_input=False)
        return [(_path(e["loc"], str(e["type"])), str(e["type"])) for e in found[:_MOST]]
    except (KeyError, ValueError, TypeError, LookupError, RecursionError) as error:
        return [("", type(error).__name__)]
    return []


def _path(location: tuple[int | str, ...], kind: str) -> str:
    """Dotted path made of FHIR member names; a name that FHIR does not define is not repeated."""
    known = location[:-1] if kind.startswith("extra") else location
    return ".".join([*map(str, known), *("?" for _ in location[len(known) :])])
