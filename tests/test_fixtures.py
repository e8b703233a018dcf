"""Every fixture, through the front door: the answer is the golden one, legal, and made of valid FHIR."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from cds_service.core.values import Knowledge
from cds_service.fhir.validation import validate
from cds_service.fhir.versions import CallVersion, settle_version
from cds_service.fixtures import Fixture, fixtures_folder, read_fixtures
from cds_service.web.json_body import read_json
from tests.helpers import outcome_text, strict_json
from tests.refresh_fixtures import GOLDEN, fire, golden_text
from tests.response_schema import check_response

JSON = dict[str, Any]
FIXTURES = read_fixtures(fixtures_folder())
# Bodies that are odd on purpose: the Sandbox's own, the errors, an invalid order, a form not filled in.
ODD = ("sandbox-", "error-", "order-invalid-", "order-form-")
OWN_AND_VALID = [f for f in FIXTURES if not f.name.startswith(ODD)]
RXNORM = "http://www.nlm.nih.gov/research/umls/rxnorm"
HINT = "python tests/refresh_fixtures.py writes the answers; read the diff first"

each_fixture = pytest.mark.parametrize("fixture", FIXTURES, ids=lambda f: f.name)
each_valid_fixture = pytest.mark.parametrize("fixture", OWN_AND_VALID, ids=lambda f: f.name)


@each_fixture
def test_the_answer_is_the_golden_one(fixture: Fixture) -> None:
    """Status and body are those of the fixture, to the digit of each decimal, and each time the same bytes."""
    golden = (fixture.folder / GOLDEN).read_text(encoding="utf-8")
    response = fire(fixture)
    assert response.status_code == fixture.status, response.get_data(as_text=True)
    assert golden_text(response) == golden, HINT
    assert fire(fixture).get_data() == response.get_data()


@each_fixture
def test_the_answer_is_legal(fixture: Fixture) -> None:
    """An answer of 200 keeps the response schema; every other one is an OperationOutcome that says why."""
    response = fire(fixture)
    if response.status_code == 200:
        check_response(strict_json(response.get_data()))
    else:
        assert outcome_text(response)


@each_fixture
def test_every_resource_we_send_is_valid(fixture: Fixture) -> None:
    """A created order is valid in the call's version; an update has no fault that its order did not have."""
    orders, version = orders_of(fixture), version_of(fixture)
    for action in actions_in(read_json(fire(fixture).get_data())):
        if action["type"] == "create":
            assert validate(action["resource"], version.main.name) == []
        elif action["type"] == "update":
            before = orders[name_of(action["resource"])]
            own = version.of(before).name
            assert set(validate(action["resource"], own)) <= set(validate(before, own))
        else:
            assert action["resourceId"] in orders


@each_valid_fixture
def test_every_resource_of_a_request_is_valid(fixture: Fixture) -> None:
    """Drafts and chart are what a careful client sends, so that the examples are worth copying."""
    version = version_of(fixture)
    for resource in resources_in(json.loads(fixture.request())):
        faults = validate(resource, version.main.name)
        assert not faults, f"{resource['resourceType']}/{resource.get('id')}: {faults}"


@each_valid_fixture
def test_every_drug_code_of_a_request_is_in_the_dictionary(fixture: Fixture, knowledge: Knowledge) -> None:
    """RxNorm codes come from cards/drugs/, with the name that stands there."""
    for coding in codings_in(json.loads(fixture.request())):
        if coding.get("system") == RXNORM:
            product = knowledge.vocabulary.products.get(coding["code"])
            assert product == coding["display"] or ("rxnorm", coding["code"]) in knowledge.vocabulary.codes


NO_CASES = ("pairs", "cohort")  # lists and frequencies that other tests read


def test_every_fixture_is_complete() -> None:
    """A folder holds the case, the request and the answer, and nothing else."""
    for folder in fixtures_folder().iterdir():
        if folder.name in NO_CASES:
            continue
        assert sorted(p.name for p in folder.iterdir()) == ["case.yaml", "request.json", GOLDEN], folder.name


def test_no_two_fixtures_share_a_title_or_hook_instance() -> None:
    """Titles tell the cases apart, and so do uuids in feedback."""
    titles = [f.title for f in FIXTURES]
    instances = [json.loads(f.request())["hookInstance"] for f in OWN_AND_VALID]
    assert len(set(titles)) == len(titles)
    assert len(set(instances)) == len(instances)


# --- Looking into a body ------------------------------------------------------------------------------------


def orders_of(fixture: Fixture) -> dict[str, JSON]:
    """The draft orders of a fixture by Type/id; none where the body is one that is refused."""
    if fixture.status != 200:
        return {}
    entries = read_json(fixture.request())["context"]["draftOrders"]["entry"]
    return {name_of(entry["resource"]): entry["resource"] for entry in entries}


def version_of(fixture: Fixture) -> CallVersion:
    """The version of FHIR a fixture is in."""
    return settle_version(resources_in(read_json(fixture.request())) if fixture.status == 200 else (), (), [])


def name_of(resource: JSON) -> str:
    """Type/id."""
    return f"{resource['resourceType']}/{resource.get('id')}"


def actions_in(answer: JSON) -> Iterator[JSON]:
    """Every action of every suggestion."""
    for card in answer.get("cards", []):
        for suggestion in card.get("suggestions", []):
            yield from suggestion["actions"]


def resources_in(value: Any) -> Iterator[JSON]:
    """Every resource that is no Bundle, contained ones within theirs."""
    if isinstance(value, dict):
        if value.get("resourceType", "Bundle") != "Bundle":
            yield value
        else:
            yield from (r for inner in value.values() for r in resources_in(inner))
    elif isinstance(value, list):
        yield from (r for inner in value for r in resources_in(inner))


def codings_in(value: Any) -> Iterator[JSON]:
    """Every coding, however deep."""
    if isinstance(value, dict):
        yield from (c for c in value.get("coding", []) if isinstance(c, dict))
        yield from (c for inner in value.values() for c in codings_in(inner))
    elif isinstance(value, list):
        yield from (c for inner in value for c in codings_in(inner))
