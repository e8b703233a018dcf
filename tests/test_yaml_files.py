"""How card files are read: only what they need, exactly as written, every refusal with its line."""

from __future__ import annotations

import time
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import yaml

from cds_service.errors import Fault
from cds_service.knowledge import cards_folder, load_knowledge
from cds_service.knowledge.files import read_yaml

FILES = sorted(cards_folder().rglob("*.yaml"))


def read(folder: Path, content: bytes) -> tuple[Any, list[str]]:
    """(what a file with this content holds, its faults as they are printed)."""
    path = folder / "card.yaml"
    path.write_bytes(content)
    faults: list[Fault] = []
    found = read_yaml(path, "card", faults)
    return found, [str(fault) for fault in faults]


class _Text(yaml.SafeLoader):
    """PyYAML's own loader, which here leaves every scalar as the text it is written as."""

    yaml_implicit_resolvers = {}  # noqa: RUF012 - PyYAML's own name for them


def as_text(value: Any) -> Any:
    """The same mappings and lists, with each scalar as text."""
    if isinstance(value, dict):
        return {key: as_text(part) for key, part in value.items()}
    if isinstance(value, list):
        return [as_text(part) for part in value]
    if isinstance(value, bool):
        return str(value).lower()
    return "" if value in (None, "null", "~") else str(value)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(cards_folder()).as_posix())
def test_every_card_file_reads_as_pyyaml_reads_it(path: Path) -> None:
    """Nothing is lost, added or moved against the reader that everybody else uses."""
    faults: list[Fault] = []
    found = read_yaml(path, path.name, faults)
    expected = yaml.load(path.read_text(encoding="utf-8"), Loader=_Text)
    assert not faults
    assert as_text(found) == as_text(expected)


def test_values_are_what_is_written(tmp_path: Path) -> None:
    """Numbers are exact, and what other readers take for a date, a number or a boolean stays text."""
    content = b"a: 2020-01-01\nb: no\nc: on\nd: 0.10\ne: -7\nf: 007\ng: '5'\nh: true\ni: null\nj: 1e5\nk: 1.0\n5: x\n"
    found, faults = read(tmp_path, content)
    assert not faults
    assert found == {
        **{"a": "2020-01-01", "b": "no", "c": "on", "d": Decimal("0.10"), "e": -7, "f": "007"},
        **{"g": "5", "h": True, "i": None, "j": "1e5", "k": Decimal("1.0"), "5": "x"},
    }
    assert [str(found[key]) for key in "dk"] == ["0.10", "1.0"]


def test_a_number_longer_than_any_in_use_stays_text(tmp_path: Path) -> None:
    """The schema then says that it is no number; nothing breaks and nothing is rounded."""
    found, faults = read(tmp_path, b"a: " + b"1" * 5000 + b"\nb: 0." + b"1" * 40)
    assert not faults
    assert found == {"a": "1" * 5000, "b": "0." + "1" * 40}


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (b"", "card, line 1: is empty"),
        (b"# only a comment\n", "card, line 2: is empty"),
        (b"null", "card, line 1: is empty"),
        (b"a: 1\nb: 2\na: 3", "card, line 3: 'a' stands here twice"),
        (b"1: a\n'1': b", "card, line 2: '1' stands here twice"),
        (b"a:\n  1.5: b", "card, line 2: a key must be text"),
        (b"true: b", "card, line 1: a key must be text"),
        (b"null: b", "card, line 1: a key must be text"),
        (b"? [a, b]\n: c", "card, line 1: a key must be text"),
        (b"a: 1\n---\nb: 2", "card, line 2: a second document begins here; a file holds one"),
        (b"a: b: c", "card, line 1: mapping values are not allowed in this context"),
        (b"a:\n\t- b", "card, line 2: found character that cannot start any token"),
        (b"\xff\xfe", "card: is not UTF-8 text"),
        (b"a: 1\nb: \x07", "card, line 2: holds the character U+0007, which YAML forbids"),
        (b"[" * 500, "card, line 1: is nested deeper than 50 levels"),
        (b"a:\n  - !!python/name:os.system x", "card, line 2: the tag tag:yaml.org,2002:python/name:os.system is"),
        (b"a: !b", "card, line 1: the tag !b is not allowed; put text that begins with ! in quotes"),
    ],
    ids=str,
)
def test_what_a_card_file_does_not_need_is_refused(tmp_path: Path, content: bytes, fault: str) -> None:
    """One sentence with the line, so that it can be found and put right."""
    found, faults = read(tmp_path, content)
    assert found is None
    assert len(faults) == 1
    assert faults[0].startswith(fault)


def test_a_small_file_cannot_stand_for_a_huge_one(tmp_path: Path) -> None:
    """Aliases of aliases (the billion laughs) are refused at the first anchor."""
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 10)]
    found, faults = read(tmp_path, "\n".join(lines).encode())
    assert found is None
    assert faults[0].startswith("card, line 1: anchors (&) and aliases (*) are not allowed")


def test_a_file_that_is_not_there_is_a_fault(tmp_path: Path) -> None:
    """Its name stands in the list like any other fault."""
    faults: list[Fault] = []
    assert read_yaml(tmp_path / "none.yaml", "none", faults) is None
    assert [str(fault) for fault in faults] == ["none: is missing"]


def test_loading_all_knowledge_does_not_hang() -> None:
    """A guard ten times the usual; `make bench` prints what loading takes."""
    begin = time.process_time()
    load_knowledge(cards_folder())
    assert time.process_time() - begin < 10
