"""Each property fails on a mutant: one line of the service changed, the way a mistake would change it.

The package is copied, one text in it is replaced, and the property runs in a process of its own against
the copy and the cards of this repository. It must end with a falsifying example of Hypothesis; on the
copy as it is, all properties hold.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from importlib.util import cache_from_source
from pathlib import Path

import pytest

import cds_service
from cds_service.knowledge import cards_folder

PACKAGE = Path(cds_service.__file__).parent
TESTS = Path(__file__).parent
FEW, SOME = 25, 200


@dataclass(frozen=True, slots=True)
class Mutant:
    """A mistake: which text (it must stand once in the whole package) becomes what, and who notices.

    `second` is one more text and what it becomes, where two guards stand one behind the other.
    """

    name: str
    old: str
    new: str
    property: str
    examples: int = SOME
    second: tuple[str, str] | None = None


MUTANTS = (
    Mutant(
        "only the first slot may be new",
        "any(map(_is_ordered, participants))",
        "_is_ordered(participants[0])",
        "symmetry",
    ),
    Mutant(
        "problems stay in the order of the request",
        "tuple(sorted(facts, key=_newest_first))",
        "tuple(facts)",
        "entry_order_never_changes_a_byte",
    ),
    Mutant(
        "of two results of one day the first one sent counts",
        "candidate[:4] > best[:4]",
        "candidate[:1] > best[:1]",
        "entry_order_never_changes_a_byte",
    ),
    Mutant(
        "of two results of one day the last one sent counts",
        "candidate[:4] > best[:4]",
        "candidate[:1] >= best[:1]",
        "entry_order_never_changes_a_card",
    ),
    Mutant(
        "below a limit is above it",
        'return value < limit if bound == "below"',
        'return value > limit if bound == "below"',
        "kidneys_lower_egfr",
    ),
    Mutant(
        "the dose table is read upside down",
        "band = _band(limit, fact)",
        "band = limit.bands[-1 - limit.bands.index(_band(limit, fact))]",
        "kidneys_lower_crcl",
    ),
    Mutant(
        "eGFR rises with creatinine",
        "ratio = float(creatinine) / kappa",
        "ratio = kappa / float(creatinine)",
        "kidneys_higher_creatinine",
    ),
    Mutant(
        "a condition holds when it is not on the list",
        "    if counted:\n",
        "    if not counted:\n",
        "risk_another_condition",
    ),
    Mutant(
        "the quietest finding leads a card",
        "lead = group[0]",
        "lead = group[-1]",
        "risk_another_depressant",
    ),
    Mutant(
        "each order of a drug is a dose of its own, and the smallest counts",
        "mg, problem = mg + ordered, why or problem",
        "mg, problem = min(mg or ordered, ordered), why or problem",
        "risk_another_order",
    ),
    Mutant(
        "at least is below",
        "return value >= limit\n",
        "return value < limit\n",
        "risk_older_age",
    ),
    Mutant(
        "every record counts as a drug of its own",
        "taken = len({name for m in current for name in m.ingredients})",
        "taken = sum(len(m.ingredients) for m in current)",
        "sources_a_drug_told",
    ),
    Mutant(
        "a draft in the chart is taken already",
        " if (m.entry.resource_type, m.entry.resource_id, m.ingredients) not in own]",
        "]",
        "sources_a_draft_echoed",
    ),
    Mutant(
        "notices are left out",
        "_sorted((*cards, *notices))",
        "_sorted(cards)",
        "unread_medication",
        FEW,
    ),
    Mutant(
        "a half that was not understood is forgotten",
        "self.unread.append(token)",
        "pass",
        "unread_order",
        second=(" if word not in best.unread]", " if not word]"),
    ),
    Mutant(
        "a product may meet itself",
        " and _is_match(participants):",
        ":",
        "itself_one_product",
    ),
    Mutant(
        "a drug may be its own partner",
        "by_ingredient.setdefault(participant.ingredient, participant)",
        "by_ingredient[participant.medication.entry.key] = participant",
        "itself_no_card",
    ),
    Mutant(
        "nothing new need be involved",
        'return participant.medication.role == "ordering" and participant.medication.is_new',
        "return True",
        "old_pair_every_card",
    ),
    Mutant(
        "rules of current drugs are looked at, and nothing new need be involved",
        'return participant.medication.role == "ordering" and participant.medication.is_new',
        "return True",
        "old_pair_stays_silent",
        second=(" if medication.is_new for name in medication.ingredients}", " for name in medication.ingredients}"),
    ),
)


def make_copy(folder: Path) -> Path:
    """The package, the tests and pytest's settings in `folder`, with this repository's cards beside them."""
    skip = shutil.ignore_patterns("_data")  # what is compiled comes along: it is taken only for a file it was made from
    shutil.copytree(PACKAGE, folder / PACKAGE.name, ignore=skip)
    shutil.copytree(TESTS, folder / TESTS.name, ignore=skip)
    shutil.copy(TESTS.parent / "pyproject.toml", folder)
    (folder / "cards").symlink_to(cards_folder(), target_is_directory=True)
    return folder


def run_properties(folder: Path, which: str, examples: int) -> subprocess.CompletedProcess[str]:
    """pytest on the properties whose names hold `which`, against the package in `folder`."""
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-n0", "-p", "no:cacheprovider"]
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("PROPERTY_", "PYTEST_"))}
    return subprocess.run(
        [*command, f"{TESTS.name}/test_properties.py", "-k", which],
        cwd=folder,
        env=kept | {"PYTHONPATH": str(folder), "PROPERTY_EXAMPLES": str(examples), "PROPERTY_SHRINK": "no"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def run_mutant(folder: Path, mutant: Mutant) -> subprocess.CompletedProcess[str]:
    """The property on a copy with the mistake in it."""
    package = make_copy(folder) / PACKAGE.name
    for old, new in filter(None, ((mutant.old, mutant.new), mutant.second)):
        texts = {path: path.read_text(encoding="utf-8") for path in package.rglob("*.py")}
        holding = [path for path, text in texts.items() for _ in range(text.count(old))]
        assert len(holding) == 1, f"the package holds {len(holding)} times: {old}"
        holding[0].write_text(texts[holding[0]].replace(old, new), encoding="utf-8")
        Path(cache_from_source(str(holding[0]))).unlink(missing_ok=True)
    return run_properties(folder, mutant.property, mutant.examples)


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_the_property_finds_the_mistake(tmp_path: Path, mutant: Mutant) -> None:
    """Hypothesis ends with an example that falsifies the property; the service has not merely broken down."""
    result = run_mutant(tmp_path, mutant)
    assert result.returncode == 1, result.stdout + result.stderr
    assert "Failing test case: " in result.stdout or "Falsifying example: " in result.stdout, result.stdout
    assert "assert 500 == 200" not in result.stdout, result.stdout


def test_the_properties_hold_on_an_unchanged_copy(tmp_path: Path) -> None:
    """So it is the mistake that a property finds, and not the copy."""
    result = run_properties(make_copy(tmp_path), "not three_in_ten", FEW)
    assert result.returncode == 0, result.stdout + result.stderr


def test_every_property_has_a_mutant() -> None:
    """No property is there that has not been seen to fail (that the generator yields cards is no property)."""
    written = (TESTS / "test_properties.py").read_text(encoding="utf-8")
    properties = set(re.findall(r"^def test_(\w+)\(", written, re.MULTILINE)) - {
        "at_least_three_in_ten_sessions_yield_a_card"
    }
    assert {name for name in properties if not any(m.property in name for m in MUTANTS)} == set()
    assert all(any(m.property in name for name in properties) for m in MUTANTS)
