"""Hook calls in R4 -> the same calls in R5, STU3 and DSTU2, as a client of that version would write them.

Written from the definitions of the versions and not from the readers, so that the two check each other. Only what
our fixtures and examples use is converted; `cannot_be_told` names what a version has no member for.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from typing import Any

JSON = dict[str, Any]
ADHERENCE = "http://hl7.org/fhir/CodeSystem/medication-statement-adherence"
_MEDICATIONS = ("MedicationRequest", "MedicationStatement", "MedicationDispense", "MedicationAdministration")


def converted(body: JSON, version: str) -> JSON:
    """The hook call with every resource in `version`, and references to renamed kinds following."""
    told = copy.deepcopy(body)
    told["context"]["draftOrders"] = _walk(told["context"]["draftOrders"], _CONVERTERS[version])
    if isinstance(told.get("prefetch"), dict):
        told["prefetch"] = {key: _walk(value, _CONVERTERS[version]) for key, value in told["prefetch"].items()}
    if version != "DSTU2":
        return told
    renamed: JSON = _with_references_renamed(told)
    return renamed


def cannot_be_told(body: JSON, version: str) -> bool:
    """Whether the call says something that this version has no member for."""
    text = json.dumps(body, default=str)
    absent = {
        "R5": (),
        "STU3": ('"doNotPerform"',),
        "DSTU2": ('"doNotPerform"', '"timeOfDay"', '"dayOfWeek"', '"patientInstruction"', '"inpatient"'),
    }
    return any(member in text for member in absent[version])


def _walk(value: Any, convert: Callable[[JSON], JSON]) -> Any:
    if not isinstance(value, dict):
        return value
    if value.get("resourceType") == "Bundle":
        entries = value.get("entry")
        if isinstance(entries, list):
            value["entry"] = [
                {**e, "resource": _walk(e["resource"], convert)} if "resource" in e else e for e in entries
            ]
        return value
    if isinstance(value.get("contained"), list):
        value["contained"] = [_walk(inner, convert) for inner in value["contained"]]
    return convert(value)


def _with_references_renamed(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _with_references_renamed(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_with_references_renamed(inner) for inner in value]
    if isinstance(value, str) and value.startswith("MedicationRequest/"):
        return value.replace("MedicationRequest/", "MedicationOrder/", 1)
    return value


def _rename(resource: JSON, **names: str) -> None:
    for old, new in names.items():
        if old in resource:
            resource[new] = resource.pop(old)


def _drop(resource: JSON, *names: str) -> None:
    for name in names:
        resource.pop(name, None)


def _instructions(resource: JSON) -> list[JSON]:
    found = resource.get("dosageInstruction", resource.get("dosage", []))
    return found if isinstance(found, list) else []


# --- R5 ----------------------------------------------------------------------------------------------


def _r5(resource: JSON) -> JSON:
    kind = resource["resourceType"]
    if kind in _MEDICATIONS:
        _r5_medication(resource, kind)
    elif kind == "ServiceRequest":
        resource["code"] = {"concept": resource["code"]}
    elif kind == "Medication":
        _rename(resource, form="doseForm")
    return resource


def _r5_medication(resource: JSON, kind: str) -> None:
    concept, reference = resource.pop("medicationCodeableConcept", None), resource.pop("medicationReference", None)
    if concept is not None:
        resource["medication"] = {"concept": concept}
    elif reference is not None:
        resource["medication"] = {"reference": reference}
    _rename(resource, context="encounter")
    for dosage in _instructions(resource):
        _rename(dosage, asNeededBoolean="asNeeded")
        if "maxDosePerPeriod" in dosage:
            dosage["maxDosePerPeriod"] = [dosage["maxDosePerPeriod"]]
    if kind == "MedicationAdministration":
        _rename(resource, effectiveDateTime="occurenceDateTime", effectivePeriod="occurencePeriod")
    if kind == "MedicationStatement":
        _r5_statement(resource)


def _r5_statement(resource: JSON) -> None:
    status = resource["status"]
    if status != "entered-in-error":
        resource["status"] = "recorded"
    code = {"not-taken": "not-taking", "stopped": "stopped", "completed": "stopped"}.get(status, "taking")
    resource["adherence"] = {"code": {"coding": [{"system": ADHERENCE, "code": code}]}}
    if "informationSource" in resource:
        resource["informationSource"] = [resource["informationSource"]]
    if isinstance(resource.get("category"), dict):
        resource["category"] = [resource["category"]]


# --- STU3 --------------------------------------------------------------------------------------------


def _stu3(resource: JSON) -> JSON:
    kind = resource["resourceType"]
    if kind in _MEDICATIONS:
        _stu3_medication(resource, kind)
    elif kind == "Condition":
        _codes(resource)
        _rename(resource, encounter="context", recordedDate="assertedDate")
    elif kind == "ServiceRequest":
        resource["resourceType"] = "ProcedureRequest"
        _stu3_order(resource)
    elif kind == "Observation":
        _rename(resource, encounter="context")
    return resource


def _stu3_order(resource: JSON) -> None:
    _rename(resource, encounter="context")
    if "requester" in resource:
        resource["requester"] = {"agent": resource["requester"]}


def _stu3_medication(resource: JSON, kind: str) -> None:
    for dosage in _instructions(resource):
        _flatten(dosage)
    _drop(resource, "statusReason")
    if kind == "MedicationRequest":
        _stu3_order(resource)
        if isinstance(resource.get("category"), list):
            resource["category"] = resource["category"][0]
        if "substitution" in resource:
            _rename(resource["substitution"], allowedBoolean="allowed")
    elif kind == "MedicationStatement":
        not_taken = resource["status"] == "not-taken"
        resource["taken"] = "n" if not_taken else "y"
        resource["status"] = "active" if not_taken else resource["status"]
    elif kind == "MedicationDispense" and resource["status"] in ("cancelled", "declined"):
        resource |= {"status": "stopped", "notDone": True}
    elif kind == "MedicationAdministration":
        _rename(resource, request="prescription")
        if resource["status"] == "not-done":
            resource |= {"status": "completed", "notGiven": True}


def _flatten(dosage: JSON) -> None:
    """The one dose of an instruction into the instruction itself."""
    for rate in dosage.pop("doseAndRate", [])[:1]:
        dosage.update({name: value for name, value in rate.items() if name != "type"})


def _codes(resource: JSON) -> None:
    for name in ("clinicalStatus", "verificationStatus"):
        if isinstance(resource.get(name), dict):
            resource[name] = resource[name]["coding"][0]["code"]


# --- DSTU2 -------------------------------------------------------------------------------------------


def _dstu2(resource: JSON) -> JSON:
    kind = resource["resourceType"]
    if kind in _MEDICATIONS:
        _dstu2_medication(resource, kind)
    elif kind == "Condition":
        _codes(resource)
        _rename(resource, subject="patient", recordedDate="dateRecorded")
        if isinstance(resource.get("category"), list):
            resource["category"] = resource["category"][0]
    elif kind == "ServiceRequest":
        code = resource.pop("code")
        _drop(resource, "intent", "category", "authoredOn")
        _rename(resource, requester="orderer")
        resource |= {"resourceType": "DiagnosticOrder", "item": [{"code": code}]}
    elif kind == "Observation" and isinstance(resource.get("category"), list):
        resource["category"] = resource["category"][0]
    return resource


def _dstu2_medication(resource: JSON, kind: str) -> None:
    _rename(resource, subject="patient")
    _drop(resource, "statusReason", "category", "priority", "intent", "substitution")
    for dosage in _instructions(resource):
        _flatten(dosage)
        _drop(dosage, "sequence")
        repeat = dosage.get("timing", {}).get("repeat", {})
        _rename(repeat, periodUnit="periodUnits")
        if "when" in repeat:
            repeat["when"] = repeat["when"][0]
    if kind == "MedicationRequest":
        resource["resourceType"] = "MedicationOrder"
        _rename(resource, authoredOn="dateWritten", requester="prescriber")
    elif kind == "MedicationStatement":
        for dosage in _instructions(resource):
            _rename(dosage, doseQuantity="quantityQuantity", doseRange="quantityRange")
        if resource["status"] == "not-taken":
            resource |= {"status": "active", "wasNotTaken": True}
        elif resource["status"] == "stopped":
            resource["status"] = "completed"
    elif kind == "MedicationDispense" and resource["status"] in ("cancelled", "declined"):
        resource["status"] = "entered-in-error"
    elif kind == "MedicationAdministration":
        _dstu2_administration(resource)


def _dstu2_administration(resource: JSON) -> None:
    _rename(resource, effectiveDateTime="effectiveTimeDateTime", effectivePeriod="effectiveTimePeriod")
    _rename(resource, request="prescription")
    if isinstance(resource.get("dosage"), dict):
        _rename(resource["dosage"], dose="quantity")
    if resource["status"] == "not-done":
        resource |= {"status": "completed", "wasNotGiven": True}


_CONVERTERS = {"R5": _r5, "STU3": _stu3, "DSTU2": _dstu2}
