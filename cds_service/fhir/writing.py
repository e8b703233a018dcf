"""Small FHIR R4 resources of a chart: for hook calls that this service writes itself, of examples and of lists."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from cds_service.core.values import JSON, LabFact


def bundle(resources: Iterable[JSON], kind: str = "searchset") -> JSON:
    """A Bundle. It has no `entry` where there is nothing: FHIR has no empty lists."""
    entries = [{"resource": resource} for resource in resources]
    return {"resourceType": "Bundle", "type": kind} | ({"entry": entries} if entries else {})


def patient(own_id: str, sex: str, age: Decimal | int | None, today: date) -> JSON:
    """A patient of this age in years (a fraction is some months) today; "" and None are left out."""
    written: JSON = {"resourceType": "Patient", "id": own_id}
    if sex:
        written["gender"] = sex
    if age is not None:
        whole = int(age)
        born = date(today.year - whole, today.month, min(today.day, 28)) - timedelta(days=int((age - whole) * 365))
        written["birthDate"] = born.isoformat()
    return written


def result(lab: LabFact, value: Any, taken: date, patient_id: str) -> JSON:
    """A final result in the unit that cards show."""
    return {
        "resourceType": "Observation",
        "id": f"result-{lab.id}",
        "status": "final",
        "code": {"coding": [{"system": "http://loinc.org", "code": lab.loinc[0]}]},
        "subject": {"reference": f"Patient/{patient_id}"},
        "effectiveDateTime": taken.isoformat(),
        "valueQuantity": {"value": value, "unit": next((u for u, factor in lab.units.items() if factor == 1), "")},
    }
