"""The compiled validator and jsonschema agree on every kind of card file, whole and spoiled in every place."""

from __future__ import annotations

import copy
import json
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from cds_service.errors import Fault, KnowledgeError
from cds_service.knowledge import cards_folder, load_knowledge
from cds_service.knowledge.files import read_yaml
from cds_service.knowledge.folder import CARD_FOLDERS
from cds_service.knowledge.schema import check

CARDS = cards_folder()
Place = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Kind:
    """Files that are checked in one way: where they are, which schema, which definition in it ("": all of it)."""

    name: str
    files: tuple[str, ...]
    schema: str
    definition: str = ""


DRUGS, SUPPORTS = "drugs/drugs.schema.json", "supports.schema.json"
BESIDE = ("topics", "override_reasons", "suggestions", "notices", "wording", "facts", "chart")
CARD = Kind("cards", tuple(f"{folder}/*.yaml" for folder in CARD_FOLDERS), "card.schema.json")
KINDS = (
    CARD,
    *(Kind(stem, (f"{stem}.yaml",), SUPPORTS, stem) for stem in BESIDE),
    Kind("evidence", ("evidence/*.yaml",), SUPPORTS, "evidence"),
    Kind("groups", ("drugs/groups/*.yaml",), DRUGS, "groups"),
    Kind("dose forms", ("drugs/dose-forms.yaml",), DRUGS, "dose_forms"),
    Kind("routes", ("drugs/routes.yaml",), DRUGS, "routes"),
    Kind("words", ("drugs/words.yaml",), DRUGS, "words"),
)
BY_KIND = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
# What takes the place of each value in turn. One list for all: most of it is wrong in most places.
SPOILS: tuple[Any, ...] = (
    *(None, True, "", "x", "unknown", "2026-01-01", 0, 2, 256, Decimal("2.0"), Decimal("2.5")),
    *([], {}, ["x"], ["X y"], {"x": "y"}, {"at_least": 1}, {"any_of": ["x"]}),
)


@cache
def contents(kind: Kind) -> list[Any]:
    """The files of a kind, each cut to two entries of every list."""
    faults: list[Fault] = []
    files = [path for pattern in kind.files for path in sorted(CARDS.glob(pattern))]
    found = [read_yaml(path, path.name, faults) for path in files]
    assert found
    assert not faults
    return [short(content) for content in found]


def short(value: Any) -> Any:
    """The same content with lists of two."""
    if isinstance(value, list):
        return [short(part) for part in value[:2]]
    return {key: short(part) for key, part in value.items()} if isinstance(value, dict) else value


@cache
def fields(schema: str) -> set[str]:
    """Every name the schema gives to something; other keys (ids, codes, names of drugs) are all alike."""
    return set(re.findall(r'"([a-z_]+)":', (CARDS / schema).read_text(encoding="utf-8")))


@cache
def slow(kind: Kind) -> Draft202012Validator:
    """jsonschema for this kind of file."""
    schema = json.loads((CARDS / kind.schema).read_text(encoding="utf-8"))
    if kind.definition:
        schema = {"$ref": f"#/$defs/{kind.definition}", "$defs": schema["$defs"]}
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema)


def faults_of(kind: Kind, content: Any) -> list[Fault]:
    """What the service says about this content."""
    return check(content, CARDS / kind.schema, "file", kind.definition)


def places(value: Any, place: Place = ()) -> Iterator[Place]:
    """Where every value inside a value stands, outermost first."""
    yield place
    entries = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, part in entries:
        yield from places(part, (*place, key))


def examples(kind: Kind) -> Iterator[tuple[Place, Any]]:
    """Each place that occurs in files of this kind, with a file that has it; places that are alike once."""
    known = fields(kind.schema)
    found: dict[Place, tuple[Place, Any]] = {}
    for content in sorted(contents(kind), key=lambda c: len(repr(c))):
        for place in places(content):
            found.setdefault(tuple(part if part in known else "…" for part in place), (place, content))
    for place, content in found.values():
        yield place, (around(content, place) if kind.definition else content)


def around(content: Any, place: Place) -> Any:
    """A table cut to the one entry that a place is in."""
    return {place[0]: content[place[0]]} if place and place[0] not in ("labs", "conditions") else content


def spoiled(content: Any, place: Place) -> Iterator[Any]:
    """The content with one value replaced, taken away, repeated or given something more."""
    for spoil in SPOILS:
        yield changed(content, place, lambda _, spoil=spoil: copy.deepcopy(spoil))
    yield changed(content, place, lambda old: more(old))
    if place:
        yield without(content, place)


def changed(content: Any, place: Place, change: Any) -> Any:
    """A copy with the value at a place changed."""
    if not place:
        return change(content)
    copied = copy.copy(content)
    copied[place[0]] = changed(copied[place[0]], place[1:], change)
    return copied


def more(old: Any) -> Any:
    """One entry, member or sentence too many."""
    if isinstance(old, dict):
        return {**old, "Made up": 1}
    if isinstance(old, list):
        return [*old, *old, *old]
    return old * 50 if isinstance(old, str) else old + 1000


def without(content: Any, place: Place) -> Any:
    """A copy that lacks what stands at a place."""

    def drop(parent: Any) -> Any:
        entries = copy.copy(parent)
        del entries[place[-1]]
        return entries

    return changed(content, place[:-1], drop)


@BY_KIND
def test_a_valid_file_is_valid_for_both(kind: Kind) -> None:
    """No file of the release is refused by either."""
    assert [faults_of(kind, content) for content in contents(kind)] == [[]] * len(contents(kind))
    assert all(slow(kind).is_valid(content) for content in contents(kind))


@BY_KIND
def test_a_spoiled_file_is_judged_alike_by_both(kind: Kind) -> None:
    """Every value of every kind of file, changed in twenty ways: no fault passes, and nothing good is refused."""
    refused = 0
    for place, content in examples(kind):
        for wrong in spoiled(content, place):
            faults = faults_of(kind, wrong)
            assert bool(faults) != slow(kind).is_valid(wrong), f"{place}: {faults}"
            assert all(fault.message for fault in faults)
            refused += bool(faults)
    assert refused > 20


def test_a_line_break_behind_a_code_is_refused() -> None:
    """jsonschema's `$` lets it pass, the compiled validator does not, and its own words are shown."""
    card = contents(CARD)[0]
    wrong = card | {"topic": card["topic"] + "\n"}
    assert slow(CARD).is_valid(wrong)
    (fault,) = faults_of(CARD, wrong)
    assert fault.path == "topic"
    assert "does not match" in fault.message


def test_a_whole_number_is_written_as_one() -> None:
    """2.0 is refused where a count or a version belongs, and allowed where a limit does."""
    card = contents(CARD)[0]
    (fault,) = faults_of(CARD, card | {"version": Decimal("1.0")})
    assert (fault.path, fault.message) == ("version", "is not a whole number")
    assert not faults_of(CARD, card | {"when": {"potassium": {"below": Decimal("3.0")}}})


def test_every_fault_of_every_file_stops_the_start(tmp_path: Path) -> None:
    """YAML that cannot be read, a field that is not allowed, a wrong value and a wrong reference, all in one list."""
    folder = tmp_path / "cards"
    shutil.copytree(CARDS, folder)
    first, second, third, fourth = sorted((folder / "interactions").glob("*.yaml"))[:4]
    first.write_text(first.read_text(encoding="utf-8") + "\nid: again\n", encoding="utf-8")
    second.write_text(second.read_text(encoding="utf-8") + "\nmade_up: 1\n", encoding="utf-8")
    third.write_text(third.read_text(encoding="utf-8").replace("\nstatus: active", "\nstatus: on"), encoding="utf-8")
    fourth.write_text("", encoding="utf-8")
    with pytest.raises(KnowledgeError) as caught:
        load_knowledge(folder)
    found = {fault.file.rsplit("/", 1)[-1]: str(fault) for fault in caught.value.faults}
    assert "'id' stands here twice" in found[first.name]
    assert '"made_up" is not allowed here' in found[second.name]
    assert 'status: "on" is not allowed. Use draft, silent, active, retired.' in found[third.name]
    assert found[fourth.name].endswith("is empty")
