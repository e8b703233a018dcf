"""What every answer must keep, from the CDS Hooks checklist (CH ids in the comments).

`check_response` and `check_discovery` fail with the list of everything that is wrong.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema_rs import Draft202012Validator as CompiledValidator

from cds_service.web.schemas import RESPONSE_SCHEMA

JSON = dict[str, Any]

Draft202012Validator.check_schema(RESPONSE_SCHEMA)
_RESPONSE = Draft202012Validator(RESPONSE_SCHEMA)
_COMPILED = CompiledValidator(RESPONSE_SCHEMA)
_LOUDEST_FIRST = ("critical", "warning", "info")
# CH-101: Markdown without raw HTML, tables, images or script links. A backslash before a sign makes it text.
_NOT_IN_DETAIL = {
    "a raw HTML tag": re.compile(r"(?<!\\)<[A-Za-z/!?]"),
    "an image": re.compile(r"(?<!\\)!\["),
    "a table": re.compile(r"(?m)^\s*\|?\s*:?-{2,}:?\s*\|"),
    "a script link": re.compile(r"(?i)(?<!\\)\]\(\s*(?!https://)"),
}


def check_response(answer: Any) -> None:
    """Fail with everything that is wrong with the body of a 200 answer of a service."""
    faults = list(faults_of_response(answer))
    assert not faults, "\n".join(faults)


def faults_of_response(answer: Any) -> Iterator[str]:
    """Everything that is wrong, one sentence each."""
    # The compiled validator decides at a tenth of the price; jsonschema says what is wrong and where.
    for error in () if _COMPILED.is_valid(answer) else _RESPONSE.iter_errors(answer):
        yield f"{error.json_path}: {error.message[:300]}"
    if not isinstance(answer, dict) or not isinstance(answer.get("cards"), list):
        return
    yield from (f"{path} is empty" for path in _empty_values(answer, "$") if path != "$.cards")
    cards = [card for card in answer["cards"] if isinstance(card, dict)]
    yield from (fault for card in cards for fault in _faults_of_card(card))
    yield from _repeated_uuids(cards)
    indicators = [card.get("indicator") for card in cards]
    if set(indicators) <= set(_LOUDEST_FIRST) and indicators != sorted(indicators, key=_LOUDEST_FIRST.index):
        yield f"cards are not sorted critical, warning, info: {indicators}"  # CH-113


def _empty_values(value: Any, path: str) -> Iterator[str]:
    """Paths of null, "", [] and {} outside embedded FHIR resources (CH-003, CH-004, CH-006)."""
    if value is None or value in ("", [], {}):
        yield path
    elif isinstance(value, dict):
        for name, inner in value.items():
            if name != "resource":
                yield from _empty_values(inner, f"{path}.{name}")
    elif isinstance(value, list):
        for position, inner in enumerate(value):
            yield from _empty_values(inner, f"{path}[{position}]")


def _faults_of_card(card: JSON) -> Iterator[str]:
    summary, detail = str(card.get("summary", "")), str(card.get("detail", ""))
    length = len(summary.encode("utf-16-le", "surrogatepass")) // 2
    if length >= 140:  # CH-100
        yield f"the summary has {length} UTF-16 units: {summary}"
    for name, pattern in _NOT_IN_DETAIL.items():
        found = pattern.search(detail)
        if found:
            yield f"the detail holds {name}: {detail[found.start() :][:80]!r}"
    recommended = [s for s in card.get("suggestions", []) if s.get("isRecommended") is True]
    if len(recommended) > 1:  # CH-118; stricter than needed for `any`
        yield "more than one suggestion is recommended"


def _repeated_uuids(cards: list[JSON]) -> Iterator[str]:
    every = [card.get("uuid") for card in cards]
    every += [s.get("uuid") for card in cards for s in card.get("suggestions", [])]
    yield from (f"the uuid {one} stands twice" for one in {u for u in every if every.count(u) > 1})
