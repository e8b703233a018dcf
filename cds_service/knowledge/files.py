"""Read YAML as a pharmacist means it: no duplicate keys, dates and `no`/`on` stay text, numbers stay exact.

libyaml reads the characters; the values are built straight from its events, which takes a third of the time
that PyYAML's own constructors take. What a card file does not need (tags, anchors, aliases, a second
document, keys that are no text) is refused, so no file can be more than it looks.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import yaml
from yaml.events import (
    DocumentStartEvent,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    StreamEndEvent,
)
from yaml.reader import ReaderError

from cds_service.errors import Fault

_Parser: Any = getattr(yaml, "CBaseLoader", yaml.BaseLoader)
_WORDS = {"true": True, "false": False, "null": None, "~": None, "": None}
# Longer numbers stay text, and the schema refuses text where a number belongs.
_WHOLE = re.compile(r"-?(?:0|[1-9][0-9]{0,17})")
_DECIMAL = re.compile(r"-?[0-9]{1,15}\.[0-9]{1,15}")
_MAY_BE_MORE = frozenset(["", *"tfn~-0123456789"])  # what the first character of anything but text is
_DEEPEST = 50
Next = Callable[[], Any]


def read_yaml(path: Path, name: str, faults: list[Fault]) -> Any:
    """The content of a file, or None with a fault (file and line) noted."""
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        faults.append(Fault(name, "", "is missing"))
        return None
    return parse_yaml(data, name, faults)


def parse_yaml(data: bytes, name: str, faults: list[Fault]) -> Any:
    """What the bytes of a file hold, or None with a fault (file and line) noted."""
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        faults.append(Fault(name, "", "is not UTF-8 text"))
        return None
    try:
        return _document(text)
    except ReaderError as error:
        line = text.count("\n", 0, text.find(chr(error.character))) + 1
        faults.append(Fault(name, f"line {line}", f"holds the character U+{error.character:04X}, which YAML forbids"))
    except yaml.MarkedYAMLError as error:
        where = f"line {error.problem_mark.line + 1}" if error.problem_mark else ""
        faults.append(Fault(name, where, error.problem or "is not valid YAML"))
    return None


def _document(text: str) -> Any:
    """The one value a file holds; nothing else may stand in it."""
    parser = _Parser(text)
    next_event: Next = parser.get_event
    next_event()  # the stream begins
    begin = next_event()
    content = _value(next_event(), next_event, 0) if type(begin) is DocumentStartEvent else None
    if content is None:
        raise _refusal("is empty", begin)
    next_event()  # the document ends
    end = next_event()
    if type(end) is not StreamEndEvent:
        raise _refusal("a second document begins here; a file holds one", end)
    return content


def _refusal(problem: str, event: Any) -> yaml.MarkedYAMLError:
    return yaml.MarkedYAMLError(problem=problem, problem_mark=event.start_mark)


def _value(event: Any, next_event: Next, depth: int) -> Any:
    if event.anchor is not None:
        raise _refusal("anchors (&) and aliases (*) are not allowed; write the text out, or put it in quotes", event)
    if event.tag is not None:
        raise _refusal(f"the tag {event.tag} is not allowed; put text that begins with ! in quotes", event)
    if type(event) is ScalarEvent:
        return _scalar(event)
    if depth == _DEEPEST:
        raise _refusal(f"is nested deeper than {_DEEPEST} levels", event)
    if type(event) is MappingStartEvent:
        return _mapping(next_event, depth + 1)
    return _sequence(next_event, depth + 1)


def _scalar(event: Any) -> Any:
    text: str = event.value
    is_plain = event.implicit[0]
    if not is_plain or text[:1] not in _MAY_BE_MORE:
        return text
    if text in _WORDS:
        return _WORDS[text]
    if _WHOLE.fullmatch(text):
        return int(text)
    return Decimal(text) if _DECIMAL.fullmatch(text) else text


def _mapping(next_event: Next, depth: int) -> dict[str, Any]:
    found: dict[str, Any] = {}
    while type(event := next_event()) is not MappingEndEvent:
        key = _key(event, next_event, depth)
        if key in found:
            raise _refusal(f"{key!r} stands here twice", event)
        found[key] = _value(next_event(), next_event, depth)
    return found


def _key(event: Any, next_event: Next, depth: int) -> str:
    """A key is text; a whole number (a code that stands without quotes) counts as the text it is written as."""
    if type(event) is ScalarEvent and event.value[:1] not in _MAY_BE_MORE and event.anchor is event.tag is None:
        return str(event.value)
    key = _value(event, next_event, depth)
    if type(key) is int:
        return str(event.value)
    if not isinstance(key, str):
        raise _refusal("a key must be text", event)
    return key


def _sequence(next_event: Next, depth: int) -> list[Any]:
    found = []
    while type(event := next_event()) is not SequenceEndEvent:
        found.append(_value(event, next_event, depth))
    return found
