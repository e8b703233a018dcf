"""The reader for FHIR STU3: a dose stands in the instruction itself, and what was not taken has a member of its own."""

from __future__ import annotations

from cds_service.core.values import JSON, ConditionEntry, MedicationEntry
from cds_service.fhir.medication import Place, Told, medication_entry, period_of, plain_instruction
from cds_service.fhir.reading import as_object, as_text
from cds_service.fhir.record import condition_entry

_NOT_TAKEN = "n"
_ROLE = "PractitionerRole/"
_MOVED = {"encounter": "context"}


def read_medication(resource: JSON, place: Place) -> MedicationEntry:
    """A MedicationRequest, -Statement, -Dispense or -Administration in neutral form."""
    dosage = plain_instruction(resource)
    told = Told(
        concept=as_object(resource.get("medicationCodeableConcept")),
        reference=as_object(resource.get("medicationReference")),
        status=_status(resource),
        period=period_of(resource, "effective"),
        written_on=resource.get("authoredOn"),
        rewritable=isinstance(dosage.get("doseQuantity"), dict) and "doseAndRate" not in dosage,
    )
    return medication_entry(resource, place, told)


def _status(resource: JSON) -> str:
    """`taken` unknown or not applicable leaves a drug among those taken."""
    if resource.get("notDone") is True or resource.get("notGiven") is True:
        return "not-done"
    status = as_text(resource.get("status"))
    return "not-taken" if resource.get("taken") == _NOT_TAKEN and status != "entered-in-error" else status


def read_condition(resource: JSON) -> ConditionEntry | None:
    """A problem that is not refuted or entered in error, or None."""
    return condition_entry(resource, resource.get("assertedDate"))


def write_order(resource: JSON) -> JSON:
    """A ServiceRequest of R4 as a ProcedureRequest: encounter and requester stand elsewhere, all else alike.

    A role cannot order anything in STU3, so such a requester is left out.
    """
    written = {_MOVED.get(name, name): value for name, value in resource.items()}
    written["resourceType"] = "ProcedureRequest"
    requester = as_object(written.pop("requester", None))
    if requester and not as_text(requester.get("reference")).startswith(_ROLE):
        written["requester"] = {"agent": requester}
    return written
