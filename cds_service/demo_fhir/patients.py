"""The demonstration patients: charts of fixtures, as one FHIR server would hold them.

Fixtures were made one by one, so their ids meet: here every resource gets an id that begins with its patient's.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import yaml

from cds_service.core.values import JSON
from cds_service.fixtures import fixtures_folder, moved_to, read_fixture

_FAMILY = "Demo"
_IDENTIFIERS = "urn:cds-service:demo-patients"


@dataclass(frozen=True, slots=True)
class DemoPatient:
    """One patient and what to order: `number` tablets or capsules, `times_a_day`; `card` is the loudest then shown.

    `about` is how its summary begins; empty where there is no card.
    """

    id: str
    fixture: str
    name: str
    order: str
    number: int
    times_a_day: int
    card: str
    about: str = ""


def read_patients() -> tuple[DemoPatient, ...]:
    """The patients of `patients.yaml`, in its order."""
    text = Path(__file__).with_name("patients.yaml").read_text(encoding="utf-8")
    return tuple(DemoPatient(**entry) for entry in yaml.safe_load(text))


def read_charts(patients: Iterable[DemoPatient], today: date) -> tuple[JSON, ...]:
    """Every resource of every patient (R4), with dates as recent as they were on the day of the fixture."""
    return tuple(resource for patient in patients for resource in _chart(patient, today))


def _chart(patient: DemoPatient, today: date) -> list[JSON]:
    fixture = read_fixture(fixtures_folder() / patient.fixture)
    prefetch = json.loads(moved_to(fixture, today), parse_float=Decimal)["prefetch"]
    resources = list(_resources(prefetch.values()))
    ids = {f"{r['resourceType']}/{r['id']}": _own_id(patient, r) for r in resources}
    return [_renamed(_with_references(resource, ids), patient) for resource in resources]


def _resources(values: Iterable[JSON | None]) -> Iterator[JSON]:
    """The resources of prefetch values: a resource itself, or those of a Bundle."""
    for value in values:
        if value and value["resourceType"] == "Bundle":
            yield from (entry["resource"] for entry in value.get("entry", []))
        elif value:
            yield value


def _own_id(patient: DemoPatient, resource: JSON) -> str:
    return patient.id if resource["resourceType"] == "Patient" else f"{patient.id}-{resource['id']}"


def _renamed(resource: JSON, patient: DemoPatient) -> JSON:
    """The resource under its own id. Identifiers of the fixtures repeat, so they are left out."""
    own = {**resource, "id": _own_id(patient, resource)}
    own.pop("identifier", None)
    if own["resourceType"] == "Patient":
        own["identifier"] = [{"system": _IDENTIFIERS, "value": patient.id}]
        text = f"{_FAMILY}, {patient.name}"
        own["name"] = [{"use": "official", "text": text, "family": _FAMILY, "given": [patient.name]}]
    return own


def _with_references(value: Any, ids: dict[str, str]) -> Any:
    """The value with references led to the new ids; of a reference that leads nowhere only its display is kept."""
    if isinstance(value, list):
        return [part for part in (_with_references(part, ids) for part in value) if part != {}]
    if not isinstance(value, dict):
        return value
    parts = {name: _with_references(part, ids) for name, part in value.items()}
    kept = {name: part for name, part in parts.items() if part not in ({}, [])}
    target = kept.pop("reference", None)
    if target in ids:
        kept["reference"] = f"{target.partition('/')[0]}/{ids[target]}"
    elif isinstance(target, str) and target.startswith("#"):
        kept["reference"] = target
    return kept
