"""The reader for FHIR R5: the drug is a CodeableReference, whether it is taken stands in `adherence`."""

from __future__ import annotations

from cds_service.core.values import JSON, ConditionEntry, MedicationEntry
from cds_service.fhir import r4
from cds_service.fhir.medication import (
    Place,
    Told,
    has_one_dose_and_rate,
    medication_entry,
    period_of,
    plain_instruction,
)
from cds_service.fhir.reading import as_object, as_text, codings_of

_STATUS_NOW = {"ended": "completed"}
_NOT_TAKEN = frozenset({"not-taking"})
_STOPPED = ("stopped", "stopped-as-directed", "stopped-not-as-directed")


def read_medication(resource: JSON, place: Place) -> MedicationEntry:
    """A MedicationRequest, -Statement, -Dispense or -Administration in neutral form."""
    medication = as_object(resource.get("medication"))
    told = Told(
        concept=as_object(medication.get("concept")) or as_object(resource.get("medicationCodeableConcept")),
        reference=as_object(medication.get("reference")) or as_object(resource.get("medicationReference")),
        status=_status(resource),
        period=period_of(resource, "effective", "effectiveDose", "occurence", "occurrence"),
        written_on=resource.get("authoredOn"),
        rewritable=has_one_dose_and_rate(plain_instruction(resource)),
    )
    return medication_entry(resource, place, told)


def _status(resource: JSON) -> str:
    """A statement's own status only says that it was recorded; that the drug is not taken is its adherence."""
    status = as_text(resource.get("status"))
    adherence = {c.code for c in codings_of(as_object(resource.get("adherence")).get("code"))}
    if status == "entered-in-error":
        return status
    if adherence & _NOT_TAKEN:
        return "not-taken"
    if adherence.intersection(_STOPPED):
        return "stopped"
    return _STATUS_NOW.get(status, status)


def read_condition(resource: JSON) -> ConditionEntry | None:
    """A problem, written as in R4."""
    return r4.read_condition(resource)


def write_order(resource: JSON) -> JSON:
    """A ServiceRequest of R4 in R5: what is ordered and why may each be a concept or a reference."""
    written = {name: value for name, value in resource.items() if name != "reasonCode"}
    written["code"] = {"concept": resource["code"]}
    if resource.get("reasonCode"):
        written["reason"] = [{"concept": reason} for reason in resource["reasonCode"]]
    return written
