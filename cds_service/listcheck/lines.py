"""Pasted text -> the lines to check, and what was left out of them."""

from __future__ import annotations

from dataclasses import dataclass

from cds_service.core.naming import MAX_TEXT
from cds_service.fhir.request import MOST_ORDERS

MOST_LINES = MOST_ORDERS
LONGEST_LINE = MAX_TEXT  # characters


@dataclass(frozen=True, slots=True)
class Line:
    """One line with text. `number` counts the lines as they were pasted, from 1, empty ones too."""

    number: int
    text: str


@dataclass(frozen=True, slots=True)
class Pasted:
    """The lines that are checked. `left_out` says in sentences what is not."""

    lines: tuple[Line, ...]
    left_out: tuple[str, ...]


def read_list(text: str) -> Pasted:
    """One medication a line; empty lines are passed over. At most 100 lines of at most 2,000 characters."""
    pasted = ((number, " ".join(line.split())) for number, line in enumerate(text.splitlines(), 1))
    written = [Line(number, line) for number, line in pasted if line]
    kept = written[:MOST_LINES]
    left_out = [_too_many(len(written), kept[-1].number)] if len(written) > MOST_LINES else []
    left_out += [_too_long(line) for line in kept if len(line.text) > LONGEST_LINE]
    return Pasted(tuple(Line(line.number, line.text[:LONGEST_LINE]) for line in kept), tuple(left_out))


def _too_many(count: int, last: int) -> str:
    return f"The list has {count:,} medications; only the first {MOST_LINES} were checked, up to line {last}."


def _too_long(line: Line) -> str:
    return f"Line {line.number} has {len(line.text):,} characters; only the first {LONGEST_LINE:,} were read."
