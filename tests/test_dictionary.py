"""The files of the drug dictionary: what is refused, and how it is told."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from cds_service.core.values import Knowledge
from cds_service.knowledge import cards_folder
from cds_service.knowledge.folder import read_folder
from tests.commands import run

HEADER = "name,rxnorm,form_of,atc,snomed,synonyms,salts,brands\n"
# A line of a site's file beside the released ones -> what is said about it.
FAULTS = {
    "xyzzyol,25480,,,,,,": "line 2, rxnorm: rxnorm code 25480 stands for gabapentin already",
    "xyzzam,99999902,,,,neurontin,,": 'line 3, synonyms: "neurontin" stands for gabapentin already',
    "xyzzine,99999903,,,,,,Lioresal": 'line 4, brands: "Lioresal" stands for baclofen already',
    "gabapentin,99999904,,,,,,": 'line 5, name: "gabapentin" stands in cards/drugs/ingredients/g.csv, line',
    "xyzzide,99999905,nodrug,,,,,": 'line 6, form_of: "nodrug" is no ingredient',
    "xyzzate,25a,,,,,,": 'line 7, rxnorm: "25a" is not an RxNorm code',
    "xyzzium,99999907,,N02,,,,": 'line 8, atc: "N02" is not an ATC code such as N02BE01',
    "xyzzone,99999908,,,1.2E+17,,,": 'line 9, snomed: "1.2E+17" is not a SNOMED CT code',
    "xyzzole,99999909,,,,,salt without a code,": 'line 10, salts: "salt without a code" is not a name with its RxNorm',
    "xyzzil,,,,,,,": "line 11, rxnorm: is empty",
    "xyzzin,99999911,,,": "line 12: has 5 cells, the header 8",
    "xyzzal,99999912,,,,daily,,": "daily: is a plain word of words.yaml and a name of xyzzal",
    "xyzzen,99999913,gabapentin enacarbil,,,,,": 'line 14, form_of: "gabapentin enacarbil" is a form of another one',
    "xyzzan,99999914,,,,Vitamin B-12,,": 'line 15, synonyms: "Vitamin B-12" stands for vitamin b12 already',
}
FILES = {
    "ingredients/zz-columns.csv": (b"name,rxnorm,nickname\na b,1,\n", "line 1: the column form_of, atc, snomed"),
    "ingredients/zz-semicolons.csv": (HEADER.replace(",", ";").encode(), "separated by commas"),
    "ingredients/zz-latin.csv": (HEADER.encode() + b"na\xefve,1,,,,,,\n", "line 2: is not UTF-8 text"),
    "ingredients/zz-quote.csv": (HEADER.encode() + b'"open,1,,,,,,\n', "is not CSV"),
    "products/zz.csv": (b"rxnorm,name\n25480,gabapentin 1 MG Oral Capsule\n", "25480 stands twice"),
    "groups/zz.yaml": (
        b"zz-a: {singular: a, plural: as, includes: [zz-a], basis: one that holds itself, sources: []}\n",
        "zz-a: includes itself through zz-a > zz-a",
    ),
}


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> str:
    """What `lint` says about a folder with all these faults."""
    cards = tmp_path_factory.mktemp("faults") / "cards"
    shutil.copytree(cards_folder(), cards)
    (cards / "drugs" / "ingredients" / "zz-site.csv").write_text(HEADER + "\n".join(FAULTS), encoding="utf-8")
    for name, (content, _) in FILES.items():
        (cards / "drugs" / name).write_bytes(content)
    with (cards / "drugs" / "combination-brands.csv").open("a", encoding="utf-8") as brands:
        brands.write("Xyzzac,,gabapentin; nodrug\nXyzzed,,gabapentin\nPercocet,42844,aspirin; oxycodone\n")
    result = run("lint", "--cards", str(cards))
    assert result.returncode == 1
    return result.stdout.decode()


@pytest.mark.parametrize("expected", FAULTS.values())
def test_a_wrong_line_is_refused(told: str, expected: str) -> None:
    """File, line and column, what is wrong and what is allowed; all of them in one run."""
    assert expected in told


@pytest.mark.parametrize(("name", "expected"), [(name, expected) for name, (_, expected) in FILES.items()])
def test_a_wrong_file_is_refused(told: str, name: str, expected: str) -> None:
    """A missing column, another separator, another encoding, a group that holds itself."""
    assert any(line.startswith(f"cards/drugs/{name}") and expected in line for line in told.splitlines())


def test_a_wrong_combination_is_refused(told: str) -> None:
    """A brand of an unknown drug, of one drug only, or one that stands there with other drugs."""
    assert "ingredients: nodrug is no ingredient of the dictionary" in told
    assert "ingredients: names fewer than two drugs" in told
    assert 'brand: "Percocet" stands in cards/drugs/combination-brands.csv, line' in told
    assert 'brand: "Percocet" stands for acetaminophen / oxycodone already' in told


def test_the_version_covers_the_tables(tmp_path: Path) -> None:
    """An answer can be traced to the drug list it came from."""
    cards = tmp_path / "cards"
    shutil.copytree(cards_folder(), cards)
    before = read_folder(cards).version
    with (cards / "drugs" / "ingredients" / "g.csv").open("a", encoding="utf-8") as table:
        table.write("# a remark\n")
    assert read_folder(cards).version != before


def test_a_brand_of_different_drugs_is_in_no_table(knowledge: Knowledge) -> None:
    """Names that RxNorm gives to different sets of ingredients have to be asked about."""
    for brand in ("endrate", "preservision", "lac-hydrin", "buphenyl"):
        assert brand not in knowledge.vocabulary.names
