"""Lines and patient -> the body of a hook call, so that a list is read and judged as an order is.

Every line is a draft order, so that every pair is judged. A list that is taken already stands in the chart as well:
otherwise cards would say that all its drugs are started together, and be louder for it.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date

from cds_service.core.values import JSON, Knowledge
from cds_service.listcheck.lines import Line
from cds_service.listcheck.patient import Patient

HOOK = "order-sign"
_ID = "list"
_SUBJECT = {"reference": f"Patient/{_ID}"}


def order_key(line: Line) -> str:
    """What cards and findings call the order of a line."""
    return f"MedicationRequest/line-{line.number}"


def hook_body(lines: tuple[Line, ...], patient: Patient, knowledge: Knowledge, today: date) -> JSON:
    """The body of an `order-sign` call. What was not asked for is left out, so that cards say it was not seen."""
    taken = [] if patient.starts_all else [_statement(line) for line in lines]
    prefetch: JSON = {
        "medicationRequests": _bundle([]),
        "medicationStatements": _bundle(taken),
        "medicationDispenses": _bundle([]),
        "medicationAdministrations": _bundle([]),
    }
    if patient.age is not None or patient.sex:
        prefetch["patient"] = _patient(patient, today)
    if patient.egfr is not None:
        prefetch["observations"] = _results(patient, knowledge, today)
    orders = _bundle([_order(line, today) for line in lines]) | {"type": "collection"}
    return {
        "hook": HOOK,
        "hookInstance": _ID,
        "context": {"userId": f"Practitioner/{_ID}", "patientId": _ID, "draftOrders": orders},
        "prefetch": prefetch,
    }


def _bundle(resources: Iterable[JSON]) -> JSON:
    entries = [{"resource": resource} for resource in resources]
    return {"resourceType": "Bundle", "type": "searchset"} | ({"entry": entries} if entries else {})


def _order(line: Line, today: date) -> JSON:
    return {
        "resourceType": "MedicationRequest",
        "id": f"line-{line.number}",
        "status": "draft",
        "intent": "order",
        "medicationCodeableConcept": {"text": line.text},
        "subject": _SUBJECT,
        "authoredOn": today.isoformat(),
    }


def _statement(line: Line) -> JSON:
    return {
        "resourceType": "MedicationStatement",
        "id": f"line-{line.number}",
        "status": "active",
        "medicationCodeableConcept": {"text": line.text},
        "subject": _SUBJECT,
    }


def _patient(patient: Patient, today: date) -> JSON:
    written: JSON = {"resourceType": "Patient", "id": _ID}
    if patient.sex:
        written["gender"] = patient.sex
    if patient.age is not None:
        written["birthDate"] = date(today.year - patient.age, today.month, min(today.day, 28)).isoformat()
    return written


def _results(patient: Patient, knowledge: Knowledge, today: date) -> JSON:
    """The eGFR, as the first of several pages: no other result was looked for, and cards must not say there is none."""
    lab = knowledge.labs["egfr"]
    result = {
        "resourceType": "Observation",
        "id": "egfr",
        "status": "final",
        "code": {"coding": [{"system": "http://loinc.org", "code": lab.loinc[0]}]},
        "subject": _SUBJECT,
        "effectiveDateTime": today.isoformat(),
        "valueQuantity": {"value": patient.egfr, "unit": next(u for u, factor in lab.units.items() if factor == 1)},
    }
    return _bundle([result]) | {"link": [{"relation": "next", "url": "urn:not-asked-for"}]}
