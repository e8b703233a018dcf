"""`cds-service resolve`: what is understood of drug names, run as a person or a program runs it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from cds_service.core.values import Knowledge
from cds_service.knowledge import cards_folder
from tests.commands import refusal, run


def resolved(*texts: str, stdin: bytes = b"") -> list[dict[str, Any]]:
    """The answers of `resolve --json`."""
    result = run("resolve", "--json", *texts, stdin=stdin)
    assert (result.returncode, result.stderr) == (0, b"")
    return [json.loads(line) for line in result.stdout.decode("ascii").splitlines()]


def test_resolve_shows_what_was_understood() -> None:
    """Ingredients with codes, strengths, form, route, brand and the words left over, as text."""
    result = run("resolve", "gabapentin 300 MG / xyzzyol 5 MG Oral Capsule [Neurontin]")
    told = result.stdout.decode()
    assert result.returncode == 0
    for line in (
        "gabapentin (RxNorm 25480)",
        "gabapentin 300 mg",
        "oral capsule",
        "systemic",
        "brand: Neurontin",
        "not understood: xyzzyol",
    ):
        assert line in told


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("1,000 MG", "1000 mg"),
        ("1,250.5 MG", "1250.5 mg"),
        ("2,5 MG", "2.5 mg"),
        ("0,25 MG", "0.25 mg"),
        ("0,125 MG", "0.125 mg"),
        ("12,50 MG", "12.50 mg"),
        ("0.125 MG", "0.125 mg"),
        ("3.375 MG", "3.375 mg"),
        ("1.500 MG", ""),
        ("1,2,5 MG", ""),
        ("1,5.2 MG", ""),
        ("1.5.2 MG", ""),
    ],
)
def test_a_decimal_comma_is_no_thousand(written: str, meant: str) -> None:
    """2,5 mg is not 25 mg; what may mean a thousand or one is no strength, so no dose is worked out from it."""
    told = run("resolve", f"baclofen {written} Oral Tablet").stdout.decode()
    assert "baclofen (RxNorm 1292)" in told
    assert [line.strip() for line in told.splitlines() if "strengths" in line] == (
        [f"strengths: baclofen {meant}"] if meant else []
    )


def test_json_gives_codes_as_text_at_ingredient_level(knowledge: Knowledge) -> None:
    """A precise ingredient gives the code of its base, and its own beside it; second codes are told."""
    codes = {name: i.rxnorm for name, i in knowledge.ingredients.items()}
    percocet, enacarbil, unknown, vitamin = resolved("Percocet 5/325", "Horizant 600 MG", "xyzzyol", "pyridoxine 5 MG")
    assert percocet["text"] == "Percocet 5/325"
    assert percocet["ingredients"] == [codes["acetaminophen"], codes["oxycodone"]]
    assert (percocet["precise"], percocet["unread"]) == ([], [])
    assert enacarbil["ingredients"] == [codes["gabapentin"]]
    assert enacarbil["precise"] == [codes["gabapentin enacarbil"]]
    assert (unknown["ingredients"], unknown["unread"]) == ([], ["xyzzyol"])
    assert vitamin["also"] == list(knowledge.ingredients["pyridoxine"].other_rxnorm) != []


def test_names_are_read_from_standard_input_one_a_line() -> None:
    """One answer a line, in order: empty lines, control characters, odd bytes and long lines included."""
    lines = [
        b"gabapentin 300 MG",
        b"",
        b"\x00\x1b[31m\x85",
        b"\xed\xa0\x80 \xff",
        b"(" * 200_000,
        "baclofen\u2028gabapentin\u0085\x0c".encode(),
        b"baclofen\r",
    ]
    answers = resolved(stdin=b"\n".join(lines))
    assert len(answers) == len(lines)
    assert [len(answer["ingredients"]) for answer in answers] == [1, 0, 0, 0, 0, 2, 1]
    assert answers[4]["unread"] == ["…"]


def test_arguments_that_are_not_utf_8_and_empty_input_break_nothing() -> None:
    """A file name pasted as a drug name is answered, and no line gives no answer."""
    assert [answer["ingredients"] for answer in resolved("\udcff", "")] == [[], []]
    assert resolved(stdin=b"") == []
    assert b"\x1b" not in run("resolve", "\x1b[31mred").stdout


def test_thousands_of_lines_take_seconds() -> None:
    """A chart export is resolved in one go."""
    lines = "\n".join(f"gabapentin {n} MG Oral Capsule" for n in range(5000))
    assert len(resolved(stdin=lines.encode())) == 5000


def test_the_ingredients_known_can_be_listed(knowledge: Knowledge) -> None:
    """Every code once, precise ingredients and second codes included."""
    listed = run("resolve", "--list-ingredients").stdout.decode().splitlines()
    assert len(listed) == len(set(listed)) >= len(knowledge.ingredients) >= 2000
    assert {i.rxnorm for i in knowledge.ingredients.values()} <= set(listed)
    assert "takes no TEXT" in refusal(run("resolve", "--list-ingredients", "gabapentin"))


def test_a_site_adds_drugs_in_a_file_of_its_own(tmp_path: Path) -> None:
    """A spreadsheet's CSV (with a byte order mark and comment lines) beside the released ones is read."""
    cards = tmp_path / "cards"
    shutil.copytree(cards_folder(), cards)
    (cards / "drugs" / "ingredients" / "site.csv").write_bytes(
        b"\xef\xbb\xbf# ours,,,,,,,\r\nname,rxnorm,form_of,atc,snomed,synonyms,salts,brands\r\n"
        b'xyzzyol,99999991,,,,"xyz, liquid; xyzzy",xyzzyol oxalate=99999992,Xyzzine=99999993; Xyzzorin\r\n'
    )
    for text in ("xyzzyol", "xyz, liquid", "xyzzyol oxalate 5 MG", "Xyzzorin"):
        result = run("resolve", "--json", "--cards", str(cards), text)
        assert json.loads(result.stdout)["ingredients"] == ["99999991"], text


@pytest.mark.parametrize("arguments", [("--cards", "/nowhere", "x"), ("--colour",)])
def test_wrong_use_is_told(arguments: tuple[str, ...]) -> None:
    """Status 2 and a sentence."""
    assert "cds-service" in refusal(run("resolve", *arguments))
