"""Hook calls that are nearly valid, or hostile: no fault of ours, no hang, nothing told of what was sent."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from hypothesis import given
from hypothesis import strategies as st

from cds_service.core.evaluate import evaluate
from cds_service.core.values import Knowledge
from cds_service.errors import BadRequest
from cds_service.fhir.fetching import Fetched, server_of
from cds_service.fhir.request import read_hook_request
from cds_service.web.json_body import read_json
from tests import strategies as ours
from tests.helpers import SELECT, SIGN, TODAY, hook_call
from tests.hostile import (
    CANARY,
    CHANGES,
    FUZZED,
    LONG,
    NASTY,
    SEED,
    Change,
    Place,
    Watch,
    bytes_of,
    changed,
    form_of,
    maximal_request,
    places,
    send,
    slices,
    with_members_of,
)

FIXTURES = Path(__file__).resolve().parent.parent / "fixtures"
URLS = {"order-sign": SIGN, "order-select": SELECT}
PARTS = 16
VERSIONS = ("dstu2", "stu3", "r5")
NOWHERE = {
    ("medicationStatements", "resourceType"),  # an entry of a batch answer stands in the place of a resource
    ("doseAndRate", "quantity"),  # of all versions, the names of a dose are looked for in one list
    ("doseAndRate", "quantityQuantity"),
    ("doseAndRate", "quantityRange"),
}


@pytest.mark.parametrize("hook", URLS)
def test_the_maximal_request_is_answered(caller: FlaskClient, knowledge: Knowledge, hook: str) -> None:
    """What the hostile requests are made of is a good request with many cards, so that much is read of it."""
    response = send(caller, bytes_of(maximal_request(knowledge, hook)), URLS[hook])
    assert response.status_code == 200
    assert len(response.get_json()["cards"]) >= 4


@pytest.mark.parametrize("part", range(PARTS))
def test_every_value_of_the_wrong_kind_is_borne(caller: FlaskClient, knowledge: Knowledge, part: int) -> None:
    """Each place of the maximal request holds what does not belong there."""
    for position, (body, where, change) in enumerate(_wrong_values(_wholes(knowledge))):
        if position % PARTS == part:
            send(caller, bytes_of(changed(body, where, change)), SELECT)


def _wholes(knowledge: Knowledge) -> list[Any]:
    """The maximal request, and one in each other version of FHIR that is read."""
    others = [with_members_of(version, sample) for version in VERSIONS for sample in _samples(f"fhir-{version}-*")[:1]]
    return [maximal_request(knowledge), *others]


def _wrong_values(wholes: list[Any]) -> Iterator[tuple[Any, Place, Change]]:
    """(request, place, change). In a short run each kind of place gets another change, so that all have their turn;
    in a round of a long one, each place gets some that the seed decides."""
    seen: set[Place] = set()
    chance = random.Random(SEED)
    for body, where in (part for whole in wholes for part in slices(whole)):
        for path in where:
            if LONG:
                yield from ((body, path, change) for change in chance.sample(CHANGES, 4))
            elif form_of(path) not in seen:
                yield body, path, CHANGES[len(seen) % len(CHANGES)]
            seen.add(form_of(path))


def test_the_maximal_request_has_every_member_that_is_read(knowledge: Knowledge) -> None:
    """What the readers ask objects for is there, but for what no version of FHIR has at that place."""
    watch = Watch()
    for body in (*_wholes(knowledge), maximal_request(knowledge, "order-sign")):
        read = read_hook_request(watch.over(body), body["hook"], _server)
        evaluate(read.request, knowledge, TODAY)
    assert watch.asked - watch.there == NOWHERE


def _server(root: Any, patient_id: str, prefetch: Any, *_: Any) -> Fetched:
    server_of(root, patient_id, frozenset({root.get("fhirServer")}), lambda _: None)
    return Fetched(prefetch)


@FUZZED
@given(data=st.data())
def test_changes_that_meet_are_borne(caller: FlaskClient, samples: list[Any], data: st.DataObject) -> None:
    """Up to five changes of a request that a client sent, or of the maximal one."""
    body = data.draw(st.sampled_from(samples))
    for _ in range(data.draw(st.integers(1, 5))):
        where = list(places(body))
        body = changed(body, data.draw(st.sampled_from(where)), data.draw(st.sampled_from(CHANGES)))
    send(caller, bytes_of(body), data.draw(st.sampled_from((SIGN, SELECT))))


@pytest.fixture(scope="module")
def caller(app: Flask) -> FlaskClient:
    """One client for all examples of a property."""
    return app.test_client()


@pytest.fixture(scope="module")
def samples(knowledge: Knowledge) -> list[Any]:
    """The requests of all fixtures that are JSON, and the maximal one as often as all of them."""
    read = _samples("*")
    return read + [maximal_request(knowledge)] * len(read)


def _samples(name: str) -> list[Any]:
    """The requests of fixtures, as far as they are JSON that can be changed."""
    read = []
    for path in sorted(FIXTURES.glob(f"{name}/request.json")):
        with contextlib.suppress(BadRequest):
            read.append(read_json(path.read_bytes()))
    return read


_SCALARS = st.none() | st.booleans() | st.integers() | st.text() | st.decimals(allow_nan=False, allow_infinity=False)
_NAMES = """
resourceType id status text coding code system display value unit reference entry resource contained
medication medicationCodeableConcept medicationReference dosageInstruction dosage timing repeat
frequency period doseAndRate doseQuantity doseRange high low numerator denominator maxDosePerPeriod
subject patient link relation url total effectiveDateTime effectivePeriod start end valueQuantity
issue severity concept birthDate gender meta
"""
_MEMBERS = st.sampled_from(_NAMES.split())
_WORDS = st.sampled_from(
    (
        "Bundle",
        "MedicationRequest",
        "Medication",
        "Patient",
        "Observation",
        "gabapentin 300 MG Oral Capsule",
        "baclofen",
        "mg/",
        "2026-11-22",
        "Patient/example",
        "#a",
        CANARY,
    )
)
ANY_JSON = st.recursive(
    _SCALARS | _WORDS | st.sampled_from(NASTY),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_MEMBERS | st.text(max_size=5), inner, max_size=6),
    max_leaves=40,
)


@FUZZED
@given(data=st.data(), session=ours.sessions())
def test_anything_in_any_place_is_borne(
    caller: FlaskClient, knowledge: Knowledge, data: st.DataObject, session: Any
) -> None:
    """A real session with any JSON in one of its places, FHIR's names and words among it."""
    body = hook_call(knowledge, session["ordering"], session["taking"], session["facts"])
    where = data.draw(st.sampled_from(list(places(body))))
    value = data.draw(ANY_JSON)
    body = changed(body, where, lambda holder, name: holder.__setitem__(name, value))
    send(caller, bytes_of(body), SIGN)


@FUZZED
@given(noise=st.binary(max_size=40), seed=st.integers(0, 10**9))
def test_damaged_bytes_are_borne(caller: FlaskClient, knowledge: Knowledge, noise: bytes, seed: int) -> None:
    """Bytes of a good request are lost, doubled, turned or replaced."""
    chance = random.Random(seed)
    data = bytearray(bytes_of(maximal_request(knowledge)))
    for _ in range(chance.randrange(1, 6)):
        at, length = chance.randrange(len(data)), chance.randrange(1, 30)
        data[at : at + length] = chance.choice((b"", noise, data[at : at + length] * 2, data[at : at + length][::-1]))
    send(caller, bytes(data), SELECT)
