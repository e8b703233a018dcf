"""The burden report, run as a person runs it, on real hook calls."""

from __future__ import annotations

import json
import re
import shutil
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from cds_service.core.values import Knowledge
from cds_service.fixtures import fixtures_folder, read_fixtures
from cds_service.web.json_body import write_json
from tests.commands import DAY, run
from tests.helpers import BACLOFEN, GABAPENTIN, hook_call

GOLDEN = "response.json"


@pytest.fixture(scope="module")
def all_fixtures(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], str, str]:
    """The counts of every fixture, the page about them, and what was printed."""
    folder = tmp_path_factory.mktemp("report")
    data, page = folder / "burden.json", folder / "burden.html"
    result = run("burden", str(fixtures_folder()), "--json", str(data), "--html", str(page))
    assert (result.returncode, result.stderr) == (0, b"")
    return json.loads(data.read_text()), page.read_text(), result.stdout.decode()


def test_the_counts_are_those_of_the_answers(all_fixtures: tuple[dict[str, Any], str, str]) -> None:
    """Counted again from the answers that the fixtures hold: cards, notices and refusals."""
    counts = all_fixtures[0]
    fixtures = read_fixtures(fixtures_folder())
    answers = [json.loads((f.folder / GOLDEN).read_text()) for f in fixtures if f.status == 200]
    cards = [card for answer in answers for card in answer["cards"]]
    clinical = [card for card in cards if card["source"]["topic"]["code"] != "check"]
    assert counts["requests"] == len(fixtures)
    assert len(counts["refused"]) == sum(f.status != 200 for f in fixtures)
    for indicator, count in counts["cards"].items():
        assert count == sum(card["indicator"] == indicator for card in clinical)
    assert sum(counts["notices"].values()) == len(cards) - len(clinical)
    assert sum(sum(topic.values()) for topic in counts["topics"].values()) == len(clinical)
    assert sum(sum(rule.values()) for rule in counts["leadRules"].values()) == len(clinical)
    inside = [rule["id"] for card in clinical for rule in card["extension"]["local.cds-service"]["rules"]]
    assert counts["rulesInAnyCard"] == {rule: inside.count(rule) for rule in set(inside)}


def test_the_day_and_the_service_of_a_fixture_are_kept(all_fixtures: tuple[dict[str, Any], str, str]) -> None:
    """Each refusal has the status that its case.yaml names."""
    expected = {f.name: f.status for f in read_fixtures(fixtures_folder()) if f.status != 200}
    assert {entry["request"]: entry["status"] for entry in all_fixtures[0]["refused"]} == expected


def test_orders_are_counted_one_by_one(knowledge: Knowledge, tmp_path: Path) -> None:
    """Three orders: two start together and draw one card, nothing is said beside the third; one more is not read."""
    sign = hook_call(knowledge, [GABAPENTIN, BACLOFEN, "metformin 500 MG Oral Tablet"], [])
    unread = hook_call(knowledge, ["xyzzyol 5 MG Oral Tablet"], [])
    (tmp_path / "1.json").write_bytes(write_json(sign))
    (tmp_path / "2.json").write_bytes(write_json(unread))
    counts = _counts(tmp_path)
    assert counts["signings"] == {"withOrders": 2, "withWarningOrCritical": 1}
    assert counts["orders"] == {"all": 4, "notOrPartlyChecked": 1, "silent": 2}
    assert counts["cards"] == {"critical": 0, "warning": 1, "info": 0}
    assert counts["cardsPer100Orders"]["warning"] == 25
    assert counts["notices"] == {"order-not-checked": 1}


def _counts(folder: Path) -> dict[str, Any]:
    result = run("burden", str(folder), "--today", DAY, "--json", str(folder / "counts.out"))
    assert (result.returncode, result.stderr) == (0, b"")
    return dict(json.loads((folder / "counts.out").read_text()))


def test_a_warning_makes_a_signing_an_interrupted_one(knowledge: Knowledge, tmp_path: Path) -> None:
    """One of two signings has a warning; a warning of a notice would not make it one."""
    loud = hook_call(knowledge, [GABAPENTIN], [BACLOFEN], {"age": 72, "egfr": 38})
    no_list = hook_call(knowledge, ["metformin 500 MG Oral Tablet"], [])
    del no_list["prefetch"]["medicationRequests"]
    (tmp_path / "1.json").write_bytes(write_json(loud))
    (tmp_path / "2.json").write_bytes(write_json(no_list))
    counts = _counts(tmp_path)
    assert counts["signings"] == {"withOrders": 2, "withWarningOrCritical": 1}
    assert counts["notices"] == {"no-medication-list": 1}


def test_what_is_no_hook_call_is_told_and_the_rest_is_counted(knowledge: Knowledge, tmp_path: Path) -> None:
    """A missing file, broken JSON, a document without a hook and an empty folder: a sentence each, status 2."""
    good = tmp_path / "good.json"
    good.write_bytes(write_json(hook_call(knowledge)))
    (tmp_path / "broken.json").write_text("{")
    (tmp_path / "other.json").write_text('{"resourceType": "Patient"}')
    (tmp_path / "empty").mkdir()
    (tmp_path / "case").mkdir()
    (tmp_path / "case" / "case.yaml").write_text("title: a case without a day")
    result = run("burden", str(tmp_path), str(tmp_path / "empty"), str(tmp_path / "gone.json"), "--today", DAY)
    told = result.stderr.decode()
    assert result.returncode == 2
    assert "Traceback" not in told
    for sentence in (
        "broken.json: is no hook call (the request body: is not valid JSON",
        "other.json: is no hook call (hook: is not one of",
        "empty: holds neither fixtures",
        "gone.json: cannot be read",
        "case: its case.yaml does not say",
    ):
        assert sentence in told
    assert "1 requests, 0 refused" in result.stdout.decode()


def test_nothing_to_count_and_nowhere_to_write_are_told(knowledge: Knowledge, tmp_path: Path) -> None:
    """Without any call there is no report; a file that cannot be written is a sentence."""
    nothing = run("burden", str(tmp_path / "gone.json"))
    assert nothing.returncode == 2
    assert b"there is no hook call to count" in nothing.stderr
    (tmp_path / "good.json").write_bytes(write_json(hook_call(knowledge)))
    result = run("burden", str(tmp_path / "good.json"), "--html", str(tmp_path / "gone" / "page.html"))
    assert result.returncode == 2
    assert b"cannot be written" in result.stderr


def test_a_folder_of_one_fixture_and_a_single_file_are_taken(tmp_path: Path) -> None:
    """A fixture's own folder keeps its day; its request alone is a plain hook call."""
    one = fixtures_folder() / "gabapentin-with-baclofen"
    shutil.copy(one / "request.json", tmp_path / "alone.json")
    result = run("burden", str(one), str(tmp_path / "alone.json"), "--today", DAY)
    assert (result.returncode, result.stderr) == (0, b"")
    assert b"2 requests, 0 refused" in result.stdout


def test_the_print_says_the_same_as_the_json(all_fixtures: tuple[dict[str, Any], str, str]) -> None:
    """Orders, cards by indicator, rules and refusals stand in the text for people."""
    counts, _, told = all_fixtures
    assert f"{counts['orders']['all']:,} orders in {counts['signings']['withOrders']:,} signings" in told
    for indicator in counts["cardsPer100Orders"]:
        per_100 = 100 * counts["cards"][indicator] / counts["orders"]["all"]
        assert re.search(rf"{indicator}\s+{per_100:.1f}\s+{counts['cards'][indicator]:,} cards", told)
    for name in (*counts["leadRules"], *counts["rulesInAnyCard"], *counts["topics"], *counts["notices"]):
        assert name in told
    assert "error-malformed-json" in told


class _Page(HTMLParser):
    """What a page is made of."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Remember the tag and its attributes."""
        self.tags.append(tag)
        self.attributes += attrs


def test_the_page_is_self_contained_and_accessible(all_fixtures: tuple[dict[str, Any], str, str]) -> None:
    """No script and nothing from elsewhere; a language, a title, a caption for each table, a name for each chart."""
    page = _Page()
    page.feed(all_fixtures[1])
    names = {name for name, _ in page.attributes}
    assert {"script", "link", "img", "iframe"}.isdisjoint(page.tags)
    assert {"src", "href", "srcset", "style"}.isdisjoint(names)
    assert not any(name.startswith("on") for name in names)
    assert "url(" not in all_fixtures[1]
    assert ("lang", "en") in page.attributes
    assert page.tags.count("h1") == page.tags.count("main") == 1
    assert page.tags.count("caption") == page.tags.count("table") > 3
    charts = page.attributes.count(("role", "img"))
    assert charts == 2
    assert page.tags.count("title") == charts + 1
    assert "prefers-color-scheme: dark" in all_fixtures[1]


def test_colours_can_be_read_in_light_and_dark(all_fixtures: tuple[dict[str, Any], str, str]) -> None:
    """Text has a contrast of at least 4.5 to the ground, bars at least 3 (WCAG 2.2, 1.4.3 and 1.4.11)."""
    schemes = re.findall(r"--ground: (#\w+); --text: (#\w+); --quiet: (#\w+);[^}]*?--critical: (#\w+); "
                         r"--warning: (#\w+); --info: (#\w+)", all_fixtures[1])  # fmt: skip
    assert len(schemes) == 2
    for ground, text, quiet, *bars in schemes:
        assert min(_contrast(ground, text), _contrast(ground, quiet)) >= 4.5
        assert min(_contrast(ground, bar) for bar in bars) >= 3


def _contrast(first: str, second: str) -> float:
    light, dark = sorted((_luminance(first), _luminance(second)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def _luminance(colour: str) -> float:
    digits = colour[1:] if len(colour) == 7 else "".join(c * 2 for c in colour[1:])
    parts = [int(digits[i : i + 2], 16) / 255 for i in (0, 2, 4)]
    red, green, blue = (p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def test_no_patient_data_is_in_the_report(all_fixtures: tuple[dict[str, Any], str, str]) -> None:
    """No name, birth date, patient id, order id, drug text or summary of a card of any fixture."""
    report = json.dumps(all_fixtures[0]) + all_fixtures[1] + all_fixtures[2]
    for fixture in read_fixtures(fixtures_folder()):
        if fixture.status != 200:
            continue
        body = json.loads(fixture.request())
        patient = body.get("prefetch", {}).get("patient") or {}
        for secret in (body["context"]["patientId"], patient.get("birthDate"), *_family(patient)):
            assert not secret or str(secret) not in report
        for card in json.loads((fixture.folder / GOLDEN).read_text())["cards"]:
            assert card["summary"] not in report
            assert card["uuid"] not in report


def _family(patient: dict[str, Any]) -> list[str]:
    return [name["family"] for name in patient.get("name", []) if "family" in name]
