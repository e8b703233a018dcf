"""Prefetch -> chart: which parts were seen, and whose resources they are.

A part of the chart is there, empty, missing, failed or partial; the five are different things.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Any

from cds_service.core.values import EMPTY, FAILED, JSON, MISSING, PARTIAL, PRESENT, Chart, PatientEntry
from cds_service.fhir.medication import MEDICATION_TYPES, Place
from cds_service.fhir.reading import as_list, as_number, as_object, as_text, reference_id, resource_key, resource_of
from cds_service.fhir.record import read_observation, read_patient
from cds_service.fhir.versions import CallVersion

_EXPECTED = {
    "patient": "Patient",
    "medicationRequests": "MedicationRequest",
    "medicationStatements": "MedicationStatement",
    "medicationDispenses": "MedicationDispense",
    "medicationAdministrations": "MedicationAdministration",
    "conditions": "Condition",
    "observations": "Observation",
}
_AS_DSTU2 = {"MedicationRequest": "MedicationOrder"}
_BESIDE = frozenset({"OperationOutcome", "Provenance", "Practitioner", "Organization", "Encounter"})
_DEEPEST = 3


def read_parts(prefetch: JSON, most: int) -> tuple[dict[str, list[JSON]], dict[str, str]]:
    """(resources by prefetch key, state of each key). Of a Bundle of more than `most` resources the first are read."""
    resources: dict[str, list[JSON]] = {}
    parts: dict[str, str] = {}
    for key in _EXPECTED:
        if key not in prefetch:
            resources[key], parts[key] = [], MISSING
            continue
        resources[key], parts[key] = _part(prefetch[key], key, most)
    return resources, parts


def fits_part(key: str, kind: Any) -> bool:
    """Whether a resource of this kind answers for a prefetch key: the one asked for, a Bundle or an error."""
    expected = _EXPECTED[key]
    return kind in ("Bundle", "OperationOutcome", expected, _AS_DSTU2.get(expected, expected))


def _part(value: Any, key: str, most: int) -> tuple[list[JSON], str]:
    """The resources of one prefetch value and its state; the five states are different things."""
    if value is None:
        return [], EMPTY
    found = resource_of(value)
    kind = found.get("resourceType")
    if not fits_part(key, kind):
        return [], MISSING
    if kind == "OperationOutcome":
        return [], FAILED
    return _from_bundle(found, _EXPECTED[key], most) if kind == "Bundle" else ([found], PRESENT)


def _from_bundle(bundle: JSON, expected: str, most: int) -> tuple[list[JSON], str]:
    """What is usable, and whether that is all: a page more, an error or a resource we cannot use is a gap."""
    inside = list(islice(_resources_in(bundle), most + 1))
    is_cut = len(inside) > most or len(as_list(bundle.get("entry"))) > most
    inside = inside[:most]
    wanted = [r for r in inside if _is_wanted(r, expected)]
    links = {as_text(as_object(link).get("relation")) for link in as_list(bundle.get("link"))}
    odd = [r for r in inside if not _is_wanted(r, expected) and as_text(r.get("resourceType")) not in _BESIDE]
    total = as_number(bundle.get("total"))
    if any(_is_failure(r) for r in inside):
        return wanted, PARTIAL if wanted else FAILED
    if is_cut or "next" in links or odd or (total is not None and total > len(inside)):
        return wanted, PARTIAL
    return wanted, PRESENT if wanted else EMPTY


def _resources_in(bundle: JSON, depth: int = 0) -> Iterator[JSON]:
    """The resources of a Bundle, those of Bundles inside it too (a batch answer)."""
    for entry in as_list(bundle.get("entry")):
        resource = as_object(as_object(entry).get("resource"))
        if resource.get("resourceType") == "Bundle" and depth < _DEEPEST:
            yield from _resources_in(resource, depth + 1)
        elif resource:
            yield resource


def _is_wanted(resource: JSON, expected: str) -> bool:
    kind = as_text(resource.get("resourceType"))
    return kind == expected or (expected in MEDICATION_TYPES and kind in MEDICATION_TYPES) or kind == "Medication"


def _is_failure(resource: JSON) -> bool:
    if resource.get("resourceType") != "OperationOutcome":
        return False
    issues = map(as_object, as_list(resource.get("issue")))
    return any(issue.get("severity") in ("error", "fatal") for issue in issues)


def read_chart(
    resources: dict[str, list[JSON]],
    parts: dict[str, str],
    patient_id: str,
    index: dict[str, JSON],
    version: CallVersion,
    notes: list[str],
) -> Chart:
    """The chart of this patient. A part that held somebody else's resources counts as seen in part only.

    `index` resolves references to Medications, `version` tells how each resource is read; what was left out is added
    to `notes` and `parts`.
    """
    own = {key: [r for r in found if _is_ours(r, patient_id)] for key, found in resources.items()}
    foreign = sum(len(resources[key]) - len(own[key]) for key in resources)
    if foreign:
        notes.append(f"{foreign} chart resources of another patient were not used")
    for key, found in resources.items():
        if len(own[key]) < len(found):
            parts[key] = PARTIAL if key != "patient" else MISSING
    medications = [
        version.of(r).read_medication(r, Place(resource_key(r, set()), False, False, index))
        for key, found in own.items()
        if key.startswith("medication")
        for r in found
        if as_text(r.get("resourceType")) in MEDICATION_TYPES and r.get("status") != "draft"
    ]
    return Chart(
        patient=_patient(own["patient"]),
        medications=tuple(medications),
        observations=tuple(o for r in own["observations"] if (o := read_observation(r))),
        conditions=tuple(c for r in own["conditions"] if (c := version.of(r).read_condition(r))),
        parts=parts,
    )


def _patient(resources: list[JSON]) -> PatientEntry | None:
    return read_patient(resources[0]) if resources else None


def _is_ours(resource: JSON, patient_id: str) -> bool:
    """Whether a chart resource is this patient's, or does not say whose it is."""
    if resource.get("resourceType") == "Patient":
        return as_text(resource.get("id")) in ("", patient_id)
    owner = reference_id(resource.get("subject"), "Patient") or reference_id(resource.get("patient"), "Patient")
    return owner in ("", patient_id)
