"""SECURITY.md says what is tested, and no file says where it was written."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from cds_service.settings import SETTINGS

ROOT = Path(__file__).resolve().parent.parent
NOTES = (ROOT / "SECURITY.md").read_text(encoding="utf-8")
# Homes and work folders of a machine, links to files on it, and indexes of packages other than by their names.
PRIVATE = re.compile(
    r"(?<![\w./:-])/(?:home|Users|root|work|opt)/\w|file://[\w/]|--(?:extra-)?index-url[ =]|/simple/\w"
)
MADE_UP = {"file:///etc", "file://localhost"}  # addresses that tests send as an attack


def attacks() -> list[tuple[str, str]]:
    """(attack, cell of its tests) of the table."""
    table = NOTES.split("## Attacks that were tried", 1)[1]
    rows = [
        tuple(cell.strip() for cell in line.strip("|").split("|")) for line in table.splitlines() if line[:1] == "|"
    ]
    assert all(len(row) == 2 for row in rows)
    return [(row[0], row[1]) for row in rows[2:]]


def known_tests() -> set[str]:
    """The names of all tests."""
    files = (ROOT / "tests").glob("test_*.py")
    return {
        name
        for file in files
        for name in re.findall(r"^(?:async )?def (test_\w+)", file.read_text(encoding="utf-8"), re.M)
    }


@pytest.mark.parametrize(("attack", "cell"), attacks())
def test_every_attack_names_tests_that_exist(attack: str, cell: str) -> None:
    """A row without a test, or with one that is gone, is a promise nobody keeps."""
    named = re.findall(r"`(\w+)`", cell)
    assert named
    assert set(named) <= known_tests(), attack


def test_the_settings_in_the_notes_exist() -> None:
    """Each setting that the notes name is one."""
    assert set(re.findall(r"CDS_[A-Z_]+", NOTES)) <= set(SETTINGS)


def texts() -> list[Path]:
    """Every text file of the project, as git lists them; all of the folder where there is no git."""
    done = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=False)
    names = done.stdout.decode().split("\0") if done.returncode == 0 else [str(p) for p in ROOT.rglob("*.*")]
    kinds = {".py", ".md", ".toml", ".yaml", ".lock", ".json", ""}
    return [ROOT / name for name in names if name and Path(name).suffix in kinds and (ROOT / name).is_file()]


def test_no_file_names_paths_of_a_machine_or_an_index_of_packages() -> None:
    """Nothing leads to the machine that something was written on, or to where its packages came from."""
    files = texts()
    assert len(files) > 100
    found = [
        f"{file.relative_to(ROOT)}: {match[0]}"
        for file in files
        if file != Path(__file__)
        for match in PRIVATE.finditer(file.read_text(encoding="utf-8", errors="replace"))
        if not any(match.string.startswith(made_up, match.start()) for made_up in MADE_UP)
    ]
    assert found == []
