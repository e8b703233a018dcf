"""Lines and patient -> the body of a hook call, so that a list is read and judged as an order is.

Every line is a draft order, so that every pair is judged. A list that is taken already stands in the chart as well:
otherwise cards would say that all its drugs are started together, and be louder for it.
"""

from __future__ import annotations

from datetime import date

from cds_service.core.values import JSON, Knowledge
from cds_service.fhir.writing import bundle, result
from cds_service.fhir.writing import patient as write_patient
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
        "medicationRequests": bundle([]),
        "medicationStatements": bundle(taken),
        "medicationDispenses": bundle([]),
        "medicationAdministrations": bundle([]),
    }
    if patient.age is not None or patient.sex:
        prefetch["patient"] = write_patient(_ID, patient.sex, patient.age, today)
    if patient.egfr is not None:
        prefetch["observations"] = _results(patient, knowledge, today)
    orders = bundle((_order(line, today) for line in lines), "collection")
    return {
        "hook": HOOK,
        "hookInstance": _ID,
        "context": {"userId": f"Practitioner/{_ID}", "patientId": _ID, "draftOrders": orders},
        "prefetch": prefetch,
    }


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


def _results(patient: Patient, knowledge: Knowledge, today: date) -> JSON:
    """The eGFR, as the first of several pages: no other result was looked for, and cards must not say there is none."""
    found = bundle([result(knowledge.labs["egfr"], patient.egfr, today, _ID)])
    return found | {"link": [{"relation": "next", "url": "urn:not-asked-for"}]}
