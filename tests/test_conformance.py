"""Status codes, cards, suggestions and links as CDS Hooks asks for them, over every fixture; and the table."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from flask.testing import FlaskClient

from cds_service.core.values import Knowledge
from cds_service.fhir.validation import validate
from cds_service.fixtures import fixtures_folder, moved_to, read_fixtures
from tests.checklist import ROWS
from tests.conformance import rows_of
from tests.helpers import (
    BACLOFEN,
    GABAPENTIN,
    SELECT,
    SIGN,
    TODAY,
    answer_of,
    bundle,
    hook_call,
    orders_in,
    outcome_text,
    post,
    strict_json,
)

JSON = dict[str, Any]
TESTS = Path(__file__).parent
CHECKLIST = TESTS.parent.parent / "shared" / "cds-hooks-checklist.md"
Pair = tuple[JSON, JSON]


@pytest.fixture(scope="module")
def pairs(app: Any) -> list[Pair]:
    """(request, answer) of every fixture that is answered with 200."""
    client = app.test_client()
    found = []
    for fixture in read_fixtures(fixtures_folder()):
        if fixture.status == 200:
            body = moved_to(fixture, TODAY).encode()
            response = post(client, body, f"/cds-services/{fixture.service}")
            assert response.status_code == 200
            found.append((strict_json(body), strict_json(response.get_data())))
    return found


@pytest.fixture(scope="module")
def cards(pairs: list[Pair]) -> list[JSON]:
    """Every card of every fixture."""
    return [card for _, answer in pairs for card in answer["cards"]]


def actions(pairs: list[Pair], kind: str) -> Iterator[tuple[JSON, JSON]]:
    """(request, action) of every action of a type."""
    for body, answer in pairs:
        for card in answer["cards"]:
            for suggestion in card.get("suggestions", []):
                yield from ((body, a) for a in suggestion["actions"] if a["type"] == kind)


def texts_of(value: Any) -> Iterator[str]:
    """Every string in a JSON value."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, (dict, list)):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from texts_of(inner)


# --- Prefetch ------------------------------------------------------------------------------------------------


def test_ch075_a_single_resource_and_a_bundle_stand_for_each_other(client: FlaskClient, knowledge: Knowledge) -> None:
    """The one prescription without a Bundle, and the patient inside one: the same cards."""
    body = hook_call(knowledge)
    plain = answer_of(client, body)
    chart = body["prefetch"]
    chart["patient"] = bundle(chart["patient"])
    chart["medicationRequests"] = chart["medicationRequests"]["entry"][0]["resource"]
    assert answer_of(client, body) == plain
    assert plain["cards"]


def test_ch079_one_drug_from_three_sources_is_one_drug(client: FlaskClient, knowledge: Knowledge) -> None:
    """Gabapentin as the draft, as the same order in the chart and as a statement: no card about it with itself."""
    body = hook_call(knowledge, [GABAPENTIN], [])
    draft = orders_in(body)[0]
    body["prefetch"]["medicationRequests"] = bundle({**draft, "status": "active"})
    statement = {k: v for k, v in draft.items() if k in ("medicationCodeableConcept", "subject")}
    statement |= {"resourceType": "MedicationStatement", "id": "s", "status": "active"}
    body["prefetch"]["medicationStatements"] = bundle(statement)
    assert answer_of(client, body)["cards"] == []


# --- Status codes --------------------------------------------------------------------------------------------


def test_ch090_ch098_success_is_200_with_cards(pairs: list[Pair]) -> None:
    """Every answer is an object with a list of cards."""
    assert len(pairs) > 50
    assert all(isinstance(answer["cards"], list) for _, answer in pairs)


def test_ch091_nothing_to_say_is_an_empty_list(client: FlaskClient, knowledge: Knowledge) -> None:
    """Amoxicillin for a healthy person whose whole chart was seen."""
    body = hook_call(knowledge, ["amoxicillin 500 MG Oral Capsule"], [])
    for key in knowledge.chart_queries:
        body["prefetch"].setdefault(key, None)
    assert answer_of(client, body) == {"cards": []}


@pytest.mark.parametrize(
    ("method", "path", "data", "kind", "status"),
    [
        ("POST", SIGN, b"{", "application/json", 400),
        ("POST", SIGN, b"{}", "application/json", 400),
        ("POST", "/cds-services/nothing", b"{}", "application/json", 404),
        ("GET", "/nowhere", b"", "", 404),
        ("GET", SIGN, b"", "", 405),
        ("DELETE", "/cds-services", b"", "", 405),
        ("POST", SIGN, b" " * 1_100_000, "application/json", 413),
    ],
    ids=str,
)
def test_ch094_ch095_each_error_has_its_status_and_an_outcome(
    client: FlaskClient, method: str, path: str, data: bytes, kind: str, status: int
) -> None:
    """Malformed, unknown, not allowed and too large are told apart, each with an OperationOutcome."""
    response = client.open(path, method=method, data=data, content_type=kind)
    assert response.status_code == status
    assert outcome_text(response)


def test_ch096_what_cannot_be_read_hides_no_other_card(client: FlaskClient, knowledge: Knowledge) -> None:
    """An order nobody knows beside a real interaction: the interaction stays, the unknown order is named."""
    body = hook_call(knowledge, [GABAPENTIN, "xyzzyol 5 MG Oral Tablet"])
    answer = answer_of(client, body)
    told = " ".join(card["summary"].lower() for card in answer["cards"])
    assert "gabapentin" in told
    assert "xyzzyol" in told


def test_ch097_errors_come_fast(client: FlaskClient) -> None:
    """A megabyte of nonsense is refused within a guard that is far above the usual."""
    began = time.monotonic()
    assert post(client, b"[" * 1_000_000).status_code == 400
    assert time.monotonic() - began < 5


# --- Cards ---------------------------------------------------------------------------------------------------


def test_ch099_ch117_uuids_are_unique(pairs: list[Pair]) -> None:
    """No two cards of an answer and no two suggestions share a uuid, lower case and of a known version."""
    for _, answer in pairs:
        own = [card["uuid"] for card in answer["cards"]]
        own += [s["uuid"] for card in answer["cards"] for s in card.get("suggestions", [])]
        assert len(own) == len(set(own))
        assert all(
            re.fullmatch(r"[0-9a-f]{8}-[0-9a-f]{4}-[1-5][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}", u) for u in own
        )


def test_ch100_summaries_are_one_short_line(cards: list[JSON]) -> None:
    """Fewer than 140 UTF-16 units, no line break, no Markdown."""
    for card in cards:
        assert 0 < len(card["summary"].encode("utf-16-le")) // 2 < 140
        assert not re.search(r"[\n\r*_`#]", card["summary"])


def test_ch101_details_are_markdown_without_html(cards: list[JSON], client: FlaskClient, knowledge: Knowledge) -> None:
    """No tag in any detail, and text of an order that looks like one is escaped."""
    body = hook_call(knowledge, ["<img src=x onerror=alert(1)> [x](javascript:alert(1)) **b**"])
    own = answer_of(client, body)["cards"]
    for card in [*cards, *own]:
        assert not re.search(r"(?<!\\)<\s*[a-zA-Z/!]", card["detail"])
        assert "](javascript:" not in card["detail"].replace("\\", "\0")
    assert any("img" in card["detail"] for card in own)


def test_ch102_ch103_indicator_and_source(cards: list[JSON]) -> None:
    """Three indicators, and a source with a name."""
    assert {card["indicator"] for card in cards} == {"info", "warning", "critical"}
    assert all(card["source"]["label"].strip() for card in cards)


def test_ch107_ch108_suggestions_have_a_selection_behaviour(cards: list[JSON]) -> None:
    """Present exactly where there are suggestions, and one of two words."""
    for card in cards:
        assert ("suggestions" in card) == ("selectionBehavior" in card)
        assert card.get("selectionBehavior", "any") in ("any", "at-most-one")


def test_ch109_override_reasons_are_codings(cards: list[JSON]) -> None:
    """Code, system and display, on every card from warning up."""
    for card in cards:
        for reason in card.get("overrideReasons", []):
            assert all(reason[part].strip() for part in ("code", "system", "display"))
        assert ("overrideReasons" in card) == (card["indicator"] != "info")


def test_ch113_cards_come_worst_first(pairs: list[Pair]) -> None:
    """Critical before warning before info."""
    rank = {"critical": 0, "warning": 1, "info": 2}
    for _, answer in pairs:
        order = [rank[card["indicator"]] for card in answer["cards"]]
        assert order == sorted(order)


def test_ch114_each_card_names_its_drugs(client: FlaskClient, knowledge: Knowledge) -> None:
    """Two interactions in one call: each card has its own pair in the summary."""
    body = hook_call(
        knowledge, [GABAPENTIN, "simvastatin 40 MG Oral Tablet"], [BACLOFEN, "clarithromycin 500 MG Oral Tablet"]
    )
    told = [card["summary"].lower() for card in answer_of(client, body)["cards"]]
    assert any("gabapentin" in summary and "baclofen" in summary for summary in told)
    assert any("simvastatin" in summary and "clarithromycin" in summary for summary in told)


def test_ch116_ch118_ch121_suggestions_are_plain_choices(cards: list[JSON]) -> None:
    """A label each, at most one recommended where one may be taken, nothing of a later version."""
    suggestions = [(card, s) for card in cards for s in card.get("suggestions", [])]
    assert suggestions
    for card, suggestion in suggestions:
        assert suggestion["label"].strip()
        assert "actionSelectionBehavior" not in suggestion
        recommended = [s for s in card["suggestions"] if s.get("isRecommended")]
        assert len(recommended) <= 1 or card["selectionBehavior"] == "any"


def test_ch122_ch123_actions_say_what_they_do(pairs: list[Pair]) -> None:
    """Three types, all of them met, each with a description."""
    for kind in ("create", "update", "delete"):
        found = [action for _, action in actions(pairs, kind)]
        assert found
        assert all(action["description"].strip() for action in found)


def test_ch124_a_create_is_a_whole_resource(pairs: list[Pair]) -> None:
    """Valid FHIR, a draft for this patient, without an id of our making."""
    for body, action in actions(pairs, "create"):
        made = action["resource"]
        is_r5 = "concept" in made.get("code", {})
        assert validate(made, {"ProcedureRequest": "STU3"}.get(made["resourceType"], "R5" if is_r5 else "R4")) == []
        assert made["subject"] == {"reference": f"Patient/{body['context']['patientId']}"}
        assert made["status"] == "draft"
        assert "id" not in made


def test_ch125_an_update_is_the_whole_order(pairs: list[Pair]) -> None:
    """The order of that id with its dosage, drug or supply changed; everything else as it came."""
    may_change = {"dosageInstruction", "dispenseRequest", "medicationCodeableConcept", "text", "contained"}
    for body, action in actions(pairs, "update"):
        made = action["resource"]
        (given,) = [order for order in orders_in(body) if order.get("id") == made["id"]]
        assert {k: v for k, v in made.items() if k not in may_change} == {
            k: v for k, v in given.items() if k not in may_change
        }
        assert made != given


def test_ch126_a_delete_names_a_draft(pairs: list[Pair]) -> None:
    """`Type/id` of an order of this call in resourceId, and no resource."""
    for body, action in actions(pairs, "delete"):
        assert "resource" not in action
        assert action["resourceId"] in {f"{o['resourceType']}/{o.get('id')}" for o in orders_in(body)}


def test_ch129_a_card_says_what_to_do_without_its_suggestions(cards: list[JSON]) -> None:
    """Every detail has sentences of its own, whether or not a suggestion can be taken."""
    assert all(len(card["detail"]) > 80 for card in cards)


def test_ch130_ch131_ch132_ch134_links_are_plain_and_safe(cards: list[JSON]) -> None:
    """Label, https URL with a path, type absolute, no context for an app."""
    links = [link for card in cards for link in card.get("links", [])]
    assert links
    for link in links:
        assert link["label"].strip()
        assert link["type"] == "absolute"
        assert "appContext" not in link
        parts = urlsplit(link["url"])
        assert parts.scheme == "https"
        assert parts.netloc
        assert parts.path.strip("/")


# --- Browsers and privacy --------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/cds-services", SIGN, SELECT])
def test_ch170_browsers_may_call(client: FlaskClient, path: str) -> None:
    """The preflight needs no token; CORS headers are on answers and on errors, without credentials."""
    asked = {"Origin": "https://ehr.example", "Access-Control-Request-Method": "POST"}
    preflight = client.options(path, headers=asked | {"Access-Control-Request-Headers": "authorization,content-type"})
    assert preflight.status_code == 200
    allowed = preflight.headers["Access-Control-Allow-Headers"].lower()
    assert {"authorization", "content-type"} <= set(allowed.split(", "))
    assert "POST" in preflight.headers["Access-Control-Allow-Methods"]
    refused = client.post(path, data=b"{", content_type="application/json")
    assert refused.status_code >= 400
    assert refused.headers["Access-Control-Allow-Origin"] == "*"
    assert "Access-Control-Allow-Credentials" not in refused.headers


def test_ch174_no_patient_data_leaves_through_logs_or_errors(
    client: FlaskClient, knowledge: Knowledge, caplog: pytest.LogCaptureFixture
) -> None:
    """A name in the patient, the order and the user: in no log line, and in no error."""
    caplog.set_level("DEBUG")
    body = json.loads(json.dumps(hook_call(knowledge)).replace("example", "Canaryname"))
    body["prefetch"]["patient"]["name"] = [{"family": "Canaryname"}]
    answer_of(client, body)
    body["context"]["draftOrders"]["entry"][0]["resource"]["subject"] = {"reference": "Patient/Canaryname-2"}
    refused = post(client, body)
    assert refused.status_code == 400
    assert "Canaryname" not in refused.get_data(as_text=True) + caplog.text


# --- The table -------------------------------------------------------------------------------------------------


def shown() -> set[str]:
    """Rows that some test of this folder shows by its name."""
    names = (name for file in TESTS.glob("test_*.py") for name in re.findall(r"def (test_\w+)", file.read_text()))
    return {row for name in names for row in rows_of(name)}


def test_every_row_has_a_test() -> None:
    """No requirement without a test, and no test for a row that nobody knows."""
    assert sorted(set(ROWS) - shown()) == []


def test_the_table_in_the_docs_is_of_these_tests() -> None:
    """docs/conformance.md names every test that shows a row, and no test that is gone or failed."""
    table = (TESTS.parent / "docs" / "conformance.md").read_text(encoding="utf-8")
    listed = set(re.findall(r"^\| (CH-\d+) \|.*?`(test_\w+\.py)::(test_\w+)`", table, re.M))
    written = {
        (row, file.name, name)
        for file in TESTS.glob("test_*.py")
        for name in re.findall(r"def (test_\w+)", file.read_text(encoding="utf-8"))
        for row in rows_of(name)
        if row in ROWS
    }
    assert listed == written, "run: make conformance"
    assert {line.rsplit("|", 2)[1].strip() for line in table.splitlines() if line.startswith("| CH-")} == {"passed"}


def test_the_rows_are_those_of_the_checklist() -> None:
    """Where the requirements lie beside the project: each one that binds the service is here."""
    if not CHECKLIST.is_file():
        pytest.skip("the checklist of requirements is not beside this project")
    rows = re.findall(r"^\| (CH-\d+) \| .*? \| ([^|]*) \| [^|]* \| [^|]* \|$", CHECKLIST.read_text(), re.M)
    binding = {row for row, level in rows if re.search(r"(?<!C-)\b(MUST|SHOULD|REC)\b", level)}
    inside = {row for row in binding if "CH-067" <= row <= "CH-174"}
    organisational = {"CH-171"}  # registration at the EHR: nothing that a request could show
    unused = {"CH-105"}  # form of an icon, and there is none
    assert inside - organisational - unused <= set(ROWS)
