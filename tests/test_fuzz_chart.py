"""A FHIR server that answers anything: no fault of ours, no hang, the drafts are checked all the same."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from typing import Any

import pytest
from flask.testing import FlaskClient
from hypothesis import given
from hypothesis import strategies as st

from cds_service.app import close_app
from cds_service.core.values import Knowledge
from cds_service.settings import read_settings
from tests.ehr import Ehr, serving_ehr
from tests.helpers import SIGN, app_of
from tests.hostile import CANARY, CHANGES, FUZZED, bytes_of, changed, maximal_request, open_settings, places, send

KINDS = {
    "patient": "Patient",
    "medicationRequests": "MedicationRequest",
    "medicationStatements": "MedicationStatement",
    "medicationDispenses": "MedicationDispense",
    "medicationAdministrations": "MedicationAdministration",
    "conditions": "Condition",
    "observations": "Observation",
}
BODIES = (
    b"",
    b"null",
    b"[]",
    b"7",
    b'"Bundle"',
    b"{}",
    b"\xff\xfe{\0}\0",
    b"[" * 5000,
    b"<html>",
    b"\x1f\x8b\x08",
    b"{} {}",
)
STATUSES = (100, 101, 204, 206, 301, 304, 401, 404, 410, 429, 500, 503, 599, 999)


@pytest.fixture(scope="module")
def ehr() -> Iterator[Ehr]:
    """The FHIR server."""
    with serving_ehr() as server:
        yield server


@pytest.fixture(scope="module")
def caller(ehr: Ehr, tmp_path_factory: pytest.TempPathFactory) -> Iterator[FlaskClient]:
    """A client of a service that may call it."""
    limits = {"CDS_FHIR_SERVERS": ehr.base, "CDS_CHART_SECONDS": "1"}
    app = app_of(read_settings(open_settings(tmp_path_factory.mktemp("data"), **limits)))
    yield app.test_client()
    close_app(app)


@pytest.fixture(scope="module")
def whole(ehr: Ehr, knowledge: Knowledge) -> Any:
    """A call whose chart is on the server."""
    body = maximal_request(knowledge, "order-sign")
    body["context"]["draftOrders"]["entry"] = body["context"]["draftOrders"]["entry"][:3]
    body["fhirServer"] = ehr.base
    return body


def ask(caller: FlaskClient, whole: Any) -> None:
    """Call without prefetch; whatever the server does, the answer is a 200 with cards."""
    response = send(caller, bytes_of({name: value for name, value in whole.items() if name != "prefetch"}), SIGN)
    assert response.status_code == 200
    assert response.get_json()["cards"]


@FUZZED
@given(data=st.data())
def test_any_change_of_an_answer_is_borne(caller: FlaskClient, ehr: Ehr, whole: Any, data: st.DataObject) -> None:
    """Bundles, their links and what is in them, Medications that references lead to: each with up to three changes."""
    answers = {KINDS[key]: copy.deepcopy(value) for key, value in whole["prefetch"].items()}
    answers["Medication"] = {"resourceType": "Medication", "id": "baclofen", "code": {"text": "baclofen"}}
    for answer in answers.values():
        if data.draw(st.booleans()) and answer.get("resourceType") == "Bundle":
            answer["link"] = [{"relation": "next", "url": data.draw(st.sampled_from(_next_links(ehr)))}]
    for _ in range(data.draw(st.integers(1, 3))):
        kind = data.draw(st.sampled_from(sorted(answers)))
        where = data.draw(st.sampled_from(list(places(answers[kind]))))
        answers[kind] = changed(answers[kind], where, data.draw(st.sampled_from(CHANGES)))
    ehr.reset()
    ehr.answers = {kind: (200, bytes_of(answer)) for kind, answer in answers.items()}
    ask(caller, whole)


def _next_links(ehr: Ehr) -> tuple[str, ...]:
    return (
        f"{ehr.base}/MedicationRequest?page=2",
        f"{ehr.base}/Observation",
        f"{ehr.origin}/other",
        "",
        "MedicationRequest?page=2",
        f"//{CANARY}.example",
        "http://[",
        "http://127.0.0.1:0/",
        f"{ehr.base}/\r\nX: {CANARY}",
        f"{ehr.base}/\0",
        f"{ehr.base}:99999/",
        "file:///etc/passwd",
        ehr.base.replace("127.0.0.1", "127.0.0.1\u3002"),
        f"{ehr.base}/" + "a" * 70_000,
    )


@pytest.mark.parametrize("body", BODIES, ids=range(len(BODIES)))
def test_bodies_that_are_no_answer_are_borne(caller: FlaskClient, ehr: Ehr, whole: Any, body: bytes) -> None:
    """Nothing, scalars, other encodings, two values: whatever is asked for."""
    ehr.reset()
    ehr.answers = dict.fromkeys((*KINDS.values(), "Medication"), (200, body))
    ask(caller, whole)


@pytest.mark.parametrize("status", STATUSES)
def test_any_status_is_borne(caller: FlaskClient, ehr: Ehr, whole: Any, status: int) -> None:
    """A status, with a body that would be good, makes a part unseen and nothing else."""
    ehr.reset()
    ehr.answers = {KINDS[key]: (status, json.dumps(value).encode()) for key, value in whole["prefetch"].items()}
    ask(caller, whole)
