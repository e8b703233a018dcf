"""FHIR search (R4, https://hl7.org/fhir/R4/search.html), as far as charts need it: pick, sort, page.

A comma means "or", a repeated parameter "and". What is not known is refused, never ignored: a query that is understood
in part brings too much.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from operator import itemgetter
from typing import Any

from cds_service.core.values import JSON
from cds_service.demo_fhir.parameters import PARAMETERS, Parameter
from cds_service.errors import BadRequest

PER_PAGE = 100
MOST_PER_PAGE = 1000
RESULT_PARAMETERS = ("_sort", "_count", "_offset", "_format")
_FORMATS = ("json", "application/json", "application/fhir+json")
_NAME = re.compile(r"[A-Za-z_][A-Za-z_:.\-]{0,40}\Z")
Pairs = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Query:
    """A search that was understood. `sort` holds (parameter, whether it is descending), the first deciding most."""

    kind: str
    filters: tuple[tuple[Parameter, tuple[str, ...]], ...]
    sort: tuple[tuple[Parameter, bool], ...]
    count: int
    offset: int


@dataclass(frozen=True, slots=True)
class Page:
    """One page of what was found: `total` of all pages, and where the next one begins (None on the last)."""

    total: int
    resources: tuple[JSON, ...]
    next_offset: int | None


def read_query(kind: str, pairs: Pairs) -> Query:
    """The query of these parameters. Raises BadRequest, saying what is allowed."""
    known = {p.name: p for p in PARAMETERS[kind]}
    filters = []
    for name, value in pairs:
        if name in RESULT_PARAMETERS:
            continue
        if name not in known or not known[name].is_for_search:
            raise BadRequest(_shown(name), f"{kind} cannot be searched by it, only by {_allowed(kind)}")
        filters.append((known[name], tuple(value.split(","))))
    last = dict(pairs)
    if last.get("_format", "json").replace(" ", "+") not in _FORMATS:
        raise BadRequest("_format", f"is not one of {', '.join(_FORMATS)}")
    count, offset = _number(last, "_count", PER_PAGE), _number(last, "_offset", 0)
    return Query(kind, tuple(filters), _read_sort(kind, last.get("_sort", "")), min(count, MOST_PER_PAGE), offset)


def _shown(name: str) -> str:
    """The name of a parameter where it is one; anything else is not repeated."""
    return name if _NAME.match(name) else "a parameter"


def _allowed(kind: str) -> str:
    return ", ".join([*(p.name for p in PARAMETERS[kind] if p.is_for_search), *RESULT_PARAMETERS])


def _number(values: dict[str, str], name: str, default: int) -> int:
    text = values.get(name, str(default))
    if not re.fullmatch(r"[0-9]{1,9}", text):
        raise BadRequest(name, "is not a whole number")
    return int(text)


def _read_sort(kind: str, text: str) -> tuple[tuple[Parameter, bool], ...]:
    known = {p.name: p for p in PARAMETERS[kind] if p.is_for_sorting}
    names = [name for name in text.split(",") if name]
    if any(name.removeprefix("-") not in known for name in names):
        raise BadRequest("_sort", f"{kind} is sorted by {', '.join(known)} only, descending with - before it")
    return tuple((known[name.removeprefix("-")], name.startswith("-")) for name in names)


def run_query(query: Query, resources: Iterable[JSON], base: str) -> Page:
    """The page that the query asks for. `base` is the server's own address, as references may name it."""
    found = [r for r in resources if r["resourceType"] == query.kind and _fits(r, query, base)]
    for parameter, is_descending in reversed(query.sort):
        ranked = [(_rank(parameter, r), r) for r in found]
        having = sorted(((k, r) for k, r in ranked if k is not None), key=itemgetter(0), reverse=is_descending)
        found = [r for _, r in having] + [r for k, r in ranked if k is None]
    end = query.offset + query.count
    further = query.count > 0 and end < len(found)
    return Page(len(found), tuple(found[query.offset : end]), end if further else None)


def _fits(resource: JSON, query: Query, base: str) -> bool:
    return all(
        any(
            _matches(element, parameter.kind, wanted, base)
            for element in _elements(resource, parameter)
            for wanted in values
        )
        for parameter, values in query.filters
    )


def _elements(resource: JSON, parameter: Parameter) -> Iterator[Any]:
    for path in parameter.paths:
        yield from _at(resource, path.split("."))


def _at(value: Any, path: list[str]) -> Iterator[Any]:
    """Every element at a path; lists on the way are looked through."""
    if isinstance(value, list):
        for part in value:
            yield from _at(part, path)
    elif not path:
        yield value
    elif isinstance(value, dict) and path[0] in value:
        yield from _at(value[path[0]], path[1:])


def _matches(element: Any, kind: str, wanted: str, base: str) -> bool:
    if kind == "string":
        return bool(wanted) and str(element).casefold().startswith(wanted.casefold())
    if kind == "reference":
        plain = wanted.removeprefix(f"{base}/")
        return bool(element == (plain if "/" in plain else f"Patient/{plain}"))
    return any(_is_token(coding, wanted) for coding in _codings(element))


def _codings(element: Any) -> Iterator[tuple[str | None, str]]:
    """(system, code) of a CodeableConcept, an Identifier or a plain code; a plain code has its system implied."""
    if isinstance(element, str):
        yield None, element
    elif "value" in element:
        yield element.get("system", ""), element["value"]
    else:
        for coding in element.get("coding", []):
            yield coding.get("system", ""), coding.get("code", "")


def _is_token(coding: tuple[str | None, str], wanted: str) -> bool:
    """`code`, `system|code`, `system|` (any code of it) or `|code` (a code without a system)."""
    system, bar, code = wanted.rpartition("|")
    is_system = not bar or coding[0] is None or coding[0] == system
    return is_system and (coding[1] == code if code else bool(bar))


def _rank(parameter: Parameter, resource: JSON) -> Any:
    """What a resource is sorted by: the instant of a date (a day begins in UTC), or a text without its case.

    None where it has no such element; such resources come last, whatever the direction.
    """
    element = next(_elements(resource, parameter), None)
    if element is None or parameter.kind != "date":
        return element and str(element).casefold()
    try:
        instant = datetime.fromisoformat(element)
    except ValueError:
        return None
    return instant if instant.tzinfo else instant.replace(tzinfo=UTC)
