"""The reader for FHIR DSTU2: MedicationOrder, and flags for what was not taken or not given.

Nothing is written in this version: there is no model to check it with.
"""

from __future__ import annotations

from typing import Any

from cds_service.core.values import JSON, ConditionEntry, MedicationEntry
from cds_service.fhir.medication import Place, Told, medication_entry, period_of
from cds_service.fhir.reading import as_object, as_text
from cds_service.fhir.record import condition_entry


def read_medication(resource: JSON, place: Place) -> MedicationEntry:
    """A MedicationOrder, MedicationStatement, -Dispense or -Administration in neutral form."""
    told = Told(
        concept=as_object(resource.get("medicationCodeableConcept")),
        reference=as_object(resource.get("medicationReference")),
        status=_status(resource),
        period=_period(resource),
        written_on=resource.get("dateWritten"),
        writable=False,
    )
    return medication_entry(resource, place, told)


def _status(resource: JSON) -> str:
    if resource.get("wasNotGiven") is True:
        return "not-done"
    status = as_text(resource.get("status"))
    return "not-taken" if resource.get("wasNotTaken") is True and status != "entered-in-error" else status


def _period(resource: JSON) -> JSON:
    """When it was taken or given; of an order, when it was ended."""
    ended: Any = resource.get("dateEnded")
    return {"end": ended} if ended else period_of(resource, "effectiveTime", "effective")


def read_condition(resource: JSON) -> ConditionEntry | None:
    """A problem that is not refuted or entered in error, or None."""
    return condition_entry(resource, resource.get("dateRecorded"))
