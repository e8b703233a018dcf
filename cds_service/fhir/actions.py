"""Suggested actions -> FHIR resources: new orders from templates, changed orders from the draft itself.

A new order is written in the version of the call, from a template in R4. An `update` carries the whole order.
What the change makes untrue is rewritten or goes (dosage text, timing code, patient instruction, narrative,
quantity); everything else is kept as it came.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from typing import Any

from cds_service.core.values import JSON, Action, HookRequest, Ingredient, OrderChange, Regimen
from cds_service.fhir.detection import R5, possible_versions
from cds_service.fhir.reading import as_list, as_number, as_object, as_text, quantity_of
from cds_service.fhir.request import ReadRequest

_RXNORM = "http://www.nlm.nih.gov/research/umls/rxnorm"
_REQUESTERS = ("Practitioner/", "PractitionerRole/")


def write_action(action: Action, read: ReadRequest, today: date) -> JSON:
    """One CDS Hooks action as JSON."""
    written: JSON = {"type": action.type, "description": action.description}
    if action.type == "delete":
        written["resourceId"] = action.order_key
    elif action.type == "create" and action.resource is not None:
        completed = complete_request(action.resource, read.request, today)
        write = read.version.main.write_order
        written["resource"] = write(completed) if write else completed
    elif action.change is not None:
        written["resource"] = change_order(read.orders[action.order_key], action.change)
    return written


def complete_request(template: Mapping[str, Any], request: HookRequest, today: date) -> JSON:
    """A draft order in R4 from its template: subject, encounter, date and requester of this call."""
    resource: JSON = copy.deepcopy(dict(template))
    resource["subject"] = {"reference": f"Patient/{request.patient_id}"}
    if request.encounter_id:
        resource["encounter"] = {"reference": f"Encounter/{request.encounter_id.removeprefix('Encounter/')}"}
    resource["authoredOn"] = today.isoformat()
    if request.user.startswith(_REQUESTERS):
        resource["requester"] = {"reference": request.user}
    return resource


def change_order(order: JSON, change: OrderChange) -> JSON:
    """The whole order with a new dose, new times or both, or with a new drug and without a dosage."""
    if change.drug is not None:
        return _replace_drug(order, change.drug)
    changed: JSON = copy.deepcopy(order)
    dosage = as_list(changed.get("dosageInstruction"))[0]
    for stale in ("text", "_text", "patientInstruction", "_patientInstruction"):
        dosage.pop(stale, None)
    timing = dosage.setdefault("timing", {})
    timing.pop("code", None)
    repeat = timing.setdefault("repeat", {})
    if change.regimen is not None:
        _set_dose(dosage, repeat, change.regimen)
        _set_quantity(changed, order, change.regimen)
    if change.times:
        for stale in ("when", "_when", "offset", "_timeOfDay"):
            repeat.pop(stale, None)
        repeat["timeOfDay"] = [f"{time}:00" for time in change.times]
    dosage["text"] = _sentence(dosage, repeat)
    for stale in _TEXTS:
        changed.pop(stale, None)
    return changed


_TEXTS = ("text", "implicitRules", "_implicitRules", "renderedDosageInstruction", "_renderedDosageInstruction")
_OF_THE_OLD_DRUG = (
    "medication",
    "medicationCodeableConcept",
    "medicationReference",
    "_medicationReference",
    "_medicationCodeableConcept",
    "dosageInstruction",
    "effectiveDosePeriod",
    *_TEXTS,
)
_AMOUNTS_OF_THE_OLD_DRUG = ("quantity", "initialFill", "expectedSupplyDuration", "dispenseInterval")


def _replace_drug(order: JSON, drug: Ingredient) -> JSON:
    """The order for another drug. Its dose, amount and narrative were the old drug's, so they go."""
    changed: JSON = copy.deepcopy(order)
    newer = as_object(as_object(order.get("medication")).get("reference"))
    reference = as_text((as_object(order.get("medicationReference")) or newer).get("reference"))
    if reference.startswith("#"):
        kept = [c for c in as_list(order.get("contained")) if as_text(as_object(c).get("id")) != reference[1:]]
        changed["contained"] = kept
    for stale in _OF_THE_OLD_DRUG:
        changed.pop(stale, None)
    for stale in _AMOUNTS_OF_THE_OLD_DRUG:
        as_object(changed.get("dispenseRequest")).pop(stale, None)
    for emptied in ("contained", "dispenseRequest"):
        if changed.get(emptied) in ([], {}):
            del changed[emptied]
    coding = {"system": _RXNORM, "code": drug.rxnorm, "display": drug.name}
    concept = {"coding": [coding], "text": drug.name}
    if possible_versions(order) == (R5,):
        changed["medication"] = {"concept": concept}
    else:
        changed["medicationCodeableConcept"] = concept
    return changed


def _set_dose(dosage: JSON, repeat: JSON, regimen: Regimen) -> None:
    for place in (*as_list(dosage.get("doseAndRate")), dosage):
        for name in ("doseQuantity", "dose"):
            if isinstance(place.get(name), dict):
                place[name]["value"] = _number(regimen.dose.value)
        high = place.pop("doseRange", None)
        if isinstance(high, dict):
            place["doseQuantity"] = {**as_object(high.get("high")), "value": _number(regimen.dose.value)}
    for stale in (
        "frequencyMax",
        "periodMax",
        "when",
        "_when",
        "timeOfDay",
        "_timeOfDay",
        "offset",
        "dayOfWeek",
    ):
        repeat.pop(stale, None)
    repeat.update({"frequency": regimen.doses_per_day, "period": 1, "periodUnit": "d"})
    dosage.pop("maxDosePerPeriod", None)


def _set_quantity(changed: JSON, order: JSON, regimen: Regimen) -> None:
    """The amount to dispense follows where it can be worked out, else it goes."""
    dispense = as_object(changed.get("dispenseRequest"))
    before = as_object(as_object(order.get("dispenseRequest")).get("quantity"))
    if not before:
        return
    days = quantity_of(dispense.get("expectedSupplyDuration"))
    unit = quantity_of({**before, "value": 1})
    same = unit is not None and unit.unit == regimen.dose.unit
    if days is not None and same and days.unit.lower() in ("d", "day", "days", ""):
        dispense["quantity"]["value"] = _number(regimen.dose.value * regimen.doses_per_day * days.value)
    else:
        dispense.pop("quantity")


def _number(value: Decimal) -> int | Decimal:
    return int(value) if value == value.to_integral_value() else value.normalize()


def _sentence(dosage: JSON, repeat: JSON) -> str:
    """The instruction in words, from the structure that was just written."""
    dose = _dose_words(dosage)
    times = [as_text(t)[:5] for t in repeat.get("timeOfDay", [])]
    if times:
        often = f"at {', '.join(times)}"
    else:
        count = as_number(repeat.get("frequency"))
        often = {1: "once a day", 2: "twice a day"}.get(int(count or 0), f"{count} times a day")
    route = as_object(dosage.get("route"))
    displays = [as_text(as_object(c).get("display")) for c in as_list(route.get("coding"))]
    way = as_text(route.get("text")) or next((d for d in displays if d), "")
    return ", ".join(part for part in (dose, way.lower(), often) if part)


def _dose_words(dosage: JSON) -> str:
    for place in (*as_list(dosage.get("doseAndRate")), dosage):
        quantity = as_object(as_object(place).get("doseQuantity") or as_object(place).get("dose"))
        if as_number(quantity.get("value")) is not None:
            unit = as_text(quantity.get("unit")) or as_text(quantity.get("code"))
            return f"{quantity['value']} {unit.strip('{}')}".strip()
    return ""
