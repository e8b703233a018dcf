"""The reader for FHIR R4 and R4B: resources -> values."""

from __future__ import annotations

from cds_service.core.values import JSON, ConditionEntry, MedicationEntry
from cds_service.fhir.medication import (
    Place,
    Told,
    has_one_dose_and_rate,
    medication_entry,
    period_of,
    plain_instruction,
)
from cds_service.fhir.reading import as_object, as_text
from cds_service.fhir.record import condition_entry


def read_medication(resource: JSON, place: Place) -> MedicationEntry:
    """A MedicationRequest, -Statement, -Dispense or -Administration in neutral form."""
    told = Told(
        concept=as_object(resource.get("medicationCodeableConcept")),
        reference=as_object(resource.get("medicationReference")),
        status=as_text(resource.get("status")),
        period=period_of(resource, "effective"),
        written_on=resource.get("authoredOn"),
        rewritable="medication" not in resource and has_one_dose_and_rate(plain_instruction(resource)),
    )
    return medication_entry(resource, place, told)


def read_condition(resource: JSON) -> ConditionEntry | None:
    """A problem that is not refuted or entered in error, or None."""
    return condition_entry(resource, resource.get("recordedDate"))


def write_order(resource: JSON) -> JSON:
    """An order as the templates have it: they are R4."""
    return resource
