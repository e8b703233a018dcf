"""Read the CSV files of the drug dictionary as a spreadsheet writes them, and say what is wrong where.

One line is one drug. Lines that begin with # are comments; inside a cell, `; ` separates entries and `=` a
name from its code.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

from cds_service.errors import Fault

Table = tuple["Row", ...]
_SEPARATOR = ";"
_LONGEST_CELL = 100_000


@dataclass(frozen=True, slots=True)
class Column:
    """A column: whether it must be filled, the pattern of one entry, and that in words."""

    required: bool = False
    entry: str = ""
    allowed: str = ""


@cache
def _cell(entry: str) -> re.Pattern[str]:
    """The pattern of a whole cell: checking it at once is what makes reading fast."""
    return re.compile(f"(?:{entry})(?: *; *(?:{entry}))*")


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a table."""

    file: str
    line: int
    cells: dict[str, str]

    def fault(self, column: str, message: str) -> Fault:
        """A fault in one cell of this line."""
        return Fault(self.file, f"line {self.line}, {column}", message)

    def entries(self, column: str) -> list[str]:
        """The entries of a cell."""
        cell = self.cells[column]
        if _SEPARATOR not in cell:
            return [cell] if cell else []
        return [entry.strip() for entry in cell.split(_SEPARATOR)]

    def pairs(self, column: str) -> list[tuple[str, str]]:
        """The entries of a cell as (name, code); the code is "" where there is none."""
        found = []
        for entry in self.entries(column):
            name, sign, code = entry.rpartition("=")
            found.append((name.strip(), code.strip()) if sign else (entry, ""))
        return found


def read_table(
    data: bytes | None, name: str, columns: dict[str, Column], faults: list[Fault], is_checked: bool = False
) -> Table:
    """The lines of a file that are in order; every fault of the others is added to `faults`.

    `data` is None where the file is missing. Cells of a table that `is_checked` are not looked at again.
    """
    if data is None:
        faults.append(Fault(name, "", "is missing"))
        return ()
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        faults.append(Fault(name, f"line {line}", "is not UTF-8 text; save the file as CSV UTF-8"))
        return ()
    lines = _lines(text, name, faults)
    header = next(lines, (1, []))
    if not _is_header(header, name, columns, faults):
        return ()
    rows = (_row(line, header[1], name, faults) for line in lines)
    return tuple(row for row in rows if row and (is_checked or _is_sound(row, columns, faults)))


def _lines(text: str, name: str, faults: list[Fault]) -> Iterator[tuple[int, list[str]]]:
    """(number, cells) of every line that is neither empty nor a comment."""
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    csv.field_size_limit(_LONGEST_CELL)
    try:
        for cells in reader:
            if any(cells) and not cells[0].lstrip().startswith("#"):
                yield reader.line_num, cells
    except csv.Error as error:
        faults.append(Fault(name, f"line {reader.line_num}", f"is not CSV: {error}"))


def _is_header(header: tuple[int, list[str]], name: str, columns: dict[str, Column], faults: list[Fault]) -> bool:
    line, cells = header
    wanted = f"The columns are {','.join(columns)}, separated by commas."
    missing = [column for column in columns if column not in cells]
    unknown = [f'"{cell}"' for cell in cells if cell not in columns]
    found = []
    if missing:
        found.append(f"the column {', '.join(missing)} is missing")
    if unknown:
        found.append(f"{', '.join(unknown)} is no column")
    if not missing and len(set(cells)) < len(cells):
        found.append("a column stands here twice")
    faults += [Fault(name, f"line {line}", f"{what}. {wanted}") for what in found]
    return not found


def _row(line: tuple[int, list[str]], header: list[str], name: str, faults: list[Fault]) -> Row | None:
    number, cells = line
    if len(cells) != len(header):
        faults.append(Fault(name, f"line {number}", f"has {len(cells)} cells, the header {len(header)}"))
        return None
    return Row(name, number, dict(zip(header, map(str.strip, cells), strict=True)))


def _is_sound(row: Row, columns: dict[str, Column], faults: list[Fault]) -> bool:
    wrong = []
    for column, kind in columns.items():
        cell = row.cells[column]
        if not cell:
            wrong += [row.fault(column, "is empty")] if kind.required else []
        elif kind.entry and not _cell(kind.entry).fullmatch(cell):
            entries = [entry.strip() for entry in cell.split(_SEPARATOR)]
            odd = [entry for entry in entries if not re.fullmatch(kind.entry, entry)]
            wrong += [row.fault(column, f'"{entry}" is not {kind.allowed}') for entry in odd]
    faults += wrong
    return not wrong
