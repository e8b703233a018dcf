"""A start takes the word of the lint for a folder, and only for the very state that the lint has checked."""

from __future__ import annotations

import copy
import shutil
import subprocess
from pathlib import Path

import pytest

import cds_service
from cds_service.app import create_app
from cds_service.errors import KnowledgeError
from cds_service.fixtures import fixtures_folder
from cds_service.knowledge import cards_folder, load_knowledge
from cds_service.knowledge.folder import read_folder, trusted, write_seal
from cds_service.knowledge.load import knowledge_of
from cds_service.settings import read_settings
from tests.commands import COMMAND, RIGHTS_COUNT, ROOT, run
from tests.own_cards import CARD, write_cards

CALL = str(fixtures_folder() / "amitriptyline-at-10-years" / "request.json")
SEALED = "Sealed: a start that finds the folder as it is now does not check it again."


@pytest.fixture
def cards(tmp_path: Path) -> Path:
    """A copy of the released folder, seal and all."""
    return Path(shutil.copytree(cards_folder(), tmp_path / "cards"))


def is_sealed(folder: Path) -> bool:
    """Whether a start takes the folder as checked."""
    return trusted(read_folder(folder)).is_checked


def start(cards: Path) -> str:
    """What a start of the service from this folder says against it; nothing where it starts."""
    try:
        create_app(read_settings({"CDS_AUTH": "off", "CDS_CARDS": str(cards)}))
    except KnowledgeError as error:
        return str(error)
    return ""


def replace(file: Path, old: str, new: str) -> None:
    """Change one place of a file."""
    text = file.read_text(encoding="utf-8")
    assert old in text
    file.write_text(text.replace(old, new, 1), encoding="utf-8")


def test_the_released_folder_is_sealed() -> None:
    """After a change of cards/ or of the code that checks it, `cds-service lint --stamp` seals it again."""
    assert is_sealed(cards_folder()), "run `cds-service lint --stamp`"


def test_a_sealed_folder_gives_the_same_knowledge() -> None:
    """Rule for rule and name for name what a start gets that checks everything."""
    assert load_knowledge(cards_folder()) == knowledge_of(read_folder(cards_folder()))


@pytest.mark.parametrize(
    ("place", "old", "new", "fault"),
    [
        (
            "interactions/gabapentin-antacid.yaml",
            "  - name: ",
            "  - nam: ",
            'interactions/gabapentin-antacid.yaml, examples[0]: "nam" is not allowed here. Use ',
        ),
        (
            "interactions/gabapentin-antacid.yaml",
            "\nconsequence: ",
            "\nconsequence: twice\nconsequence: ",
            "interactions/gabapentin-antacid.yaml, line ",
        ),
        (
            "interactions/gabapentin-antacid.yaml",
            "indicator: ",
            "indicator: very-",
            "interactions/gabapentin-antacid.yaml, card.indicator: ",
        ),
        ("facts.yaml", "max_age_days: ", "max_age_days: x", "facts.yaml, labs."),
        ("drugs/ingredients/g.csv", "N03AX12", "N03AX1", "drugs/ingredients/g.csv, line "),
        ("wording.yaml", "{", "{{", "wording.yaml, "),
    ],
)
def test_one_changed_place_is_checked_in_full(cards: Path, place: str, old: str, new: str, fault: str) -> None:
    """Whatever the seal says: a fault in any file stops the start as it does in a folder that never had a seal."""
    assert is_sealed(cards)
    replace(cards / place, old, new)
    assert f"cards/{fault}" in start(cards)


def test_a_file_more_or_less_breaks_the_seal(cards: Path) -> None:
    """A new file, a file that is gone and a file with another name are other states."""
    new = cards / "interactions" / "a-new-one.yaml"
    new.write_bytes(b"id: a-new-one\n")
    assert "cards/interactions/a-new-one.yaml: " in start(cards)
    new.unlink()
    assert is_sealed(cards)
    (cards / "doses" / "baclofen-maximum-dose.yaml").rename(cards / "doses" / "renamed.yaml")
    assert 'cards/doses/renamed.yaml, id: "baclofen-maximum-dose" is not the file name.' in start(cards)


def test_a_newer_service_checks_again(cards: Path, tmp_path: Path) -> None:
    """A house rule that the sealing lint did not know yet is applied to the sealed folder."""
    package = tmp_path / "newer" / "cds_service"
    shutil.copytree(Path(cds_service.__file__).parent, package, ignore=shutil.ignore_patterns("_data", "__pycache__"))
    (package.parent / "cards").symlink_to(cards, target_is_directory=True)
    replace(package / "knowledge" / "house_rules.py", "length >= 140", "length >= 14")
    result = subprocess.run(
        [*COMMAND, "check", CALL], cwd=package.parent, capture_output=True, timeout=120, check=False
    )
    assert result.returncode == 2
    assert b"characters with the longest names; fewer than 140" in result.stderr


@pytest.mark.parametrize("seal", [b"", b"\n", b"a" * 64, b"a" * 64 + b"\n", b"\xff\xfe"], ids=repr)
def test_any_other_seal_is_none(cards: Path, seal: bytes) -> None:
    """An empty one, a wrong one or no text at all."""
    (cards / "checked.txt").write_bytes(seal)
    assert not is_sealed(cards)


def test_the_lint_never_trusts_a_seal(tmp_path: Path) -> None:
    """Somebody who seals a faulty folder by hand deceives the start, not the lint."""
    silent = CARD["examples"][1]
    folder = write_cards(tmp_path / "cards", {"examples": [silent, copy.deepcopy(silent)]})
    write_seal(read_folder(folder))
    assert start(folder) == ""
    told = run("lint", "--cards", str(folder))
    assert told.returncode == 1
    assert b"cards/interactions/own-card.yaml, examples: needs an example with a card." in told.stdout


def test_the_lint_seals_what_is_in_order(tmp_path: Path) -> None:
    """With --stamp, without a fault and over the whole folder; the start then finds it unbroken."""
    folder = write_cards(tmp_path / "cards", {})
    for arguments in ((), ("--stamp", "own-card")):
        told = run("lint", *arguments, "--cards", str(folder))
        assert told.returncode == 0, told.stdout
        assert not is_sealed(folder)
    assert SEALED in run("lint", "--stamp", "--cards", str(folder)).stdout.decode()
    assert is_sealed(folder)
    replace(folder / "interactions" / "own-card.yaml", "indicator: info", "indicator: critical")
    told = run("lint", "--stamp", "--cards", str(folder))
    assert told.returncode == 1
    assert b"ealed" not in told.stdout
    assert not is_sealed(folder)


def test_a_folder_that_would_be_misread_is_not_sealed(tmp_path: Path) -> None:
    """Reading a sealed card ends where its examples begin, so nothing may stand behind them."""
    folder = write_cards(tmp_path / "cards", {})
    card = folder / "interactions" / "own-card.yaml"
    head, examples = card.read_text(encoding="utf-8").split("\nexamples:\n")
    title, rest = head.split("\nversion:")
    card.write_text(f"{title}\nexamples:\n{examples}version:{rest}\n", encoding="utf-8")
    told = run("lint", "--stamp", "--cards", str(folder))
    assert told.returncode == 0, told.stdout
    assert b"Not sealed, each start will check everything: in cards/interactions/own-card.yaml examples" in told.stdout
    assert not is_sealed(folder)
    assert start(folder) == ""


@pytest.mark.parametrize("place", ["interactions", "doses/baclofen-maximum-dose.yaml"])
def test_what_cannot_be_read_stops_the_start(cards: Path, place: str) -> None:
    """A folder whose permissions are wrong is not an empty one: nobody would miss its rules."""
    (cards / place).chmod(0)
    environment = {"CDS_CARDS": str(cards), "CDS_AUTH": "off", "CDS_DATA": str(cards.parent)}
    told = subprocess.run(
        [*RIGHTS_COUNT, *COMMAND, "serve"], cwd=ROOT, env=environment, capture_output=True, timeout=120, check=False
    )
    assert told.returncode == 2
    assert f"cds-service: {cards / place}: cannot be read (Permission denied)" in told.stderr.decode()
