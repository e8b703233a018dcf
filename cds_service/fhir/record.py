"""Patient, results and problems -> values. Only the status and the date of a problem differ between versions."""

from __future__ import annotations

from typing import Any

from cds_service.core.values import JSON, ConditionEntry, Observation, PatientEntry, Quantity
from cds_service.fhir.reading import (
    as_date,
    as_instant,
    as_object,
    as_text,
    codings_of,
    compared_number,
    quantity_of,
)

_FINAL = frozenset({"final", "amended", "corrected"})
_OVER = frozenset({"inactive", "remission", "resolved"})
_NOT_TRUE = frozenset({"refuted", "entered-in-error"})


def read_patient(resource: JSON) -> PatientEntry:
    """Birth date and administrative sex. A bare year or month counts as its first day."""
    text = as_text(resource.get("birthDate"))
    gender = as_text(resource.get("gender"))
    return PatientEntry(
        born=as_date(text),
        born_precision={4: "year", 7: "month"}.get(len(text), "day"),
        sex=gender if gender in ("female", "male") else "",
    )


def read_observation(resource: JSON) -> Observation | None:
    """A result of a final status, or None."""
    if as_text(resource.get("status")) not in _FINAL:
        return None
    moment = resource.get("effectiveDateTime") or resource.get("effectiveInstant")
    moment = moment or as_object(resource.get("effectivePeriod")).get("end") or resource.get("issued")
    return Observation(
        codings=codings_of(resource.get("code")),
        quantity=quantity_of(resource.get("valueQuantity")) or _written_quantity(resource),
        value_codings=codings_of(resource.get("valueCodeableConcept")),
        taken=as_date(moment),
        instant=as_instant(moment),
    )


def _written_quantity(resource: JSON) -> Quantity | None:
    """`valueString: ">60"`: laboratories report a limit that way, without a unit."""
    found = compared_number(as_text(resource.get("valueString")))
    if found is None:
        return None
    number, comparator = found
    return Quantity(number, "", comparator)


def condition_entry(resource: JSON, recorded: Any) -> ConditionEntry | None:
    """A problem that is not refuted or entered in error, or None. `recorded` stands in for an unknown onset."""
    if _codes(resource.get("verificationStatus")) & _NOT_TRUE:
        return None
    onset = resource.get("onsetDateTime") or as_object(resource.get("onsetPeriod")).get("start")
    concept = resource.get("code")
    return ConditionEntry(
        codings=codings_of(concept),
        text=as_text(as_object(concept).get("text")),
        active=not _codes(resource.get("clinicalStatus")) & _OVER,
        onset=as_date(onset or recorded, latest=True),
    )


def _codes(status: Any) -> set[str]:
    """A status is a concept since R4 and was a bare code before."""
    return {as_text(status).lower()} | {c.code.lower() for c in codings_of(status)}
