"""Which version of FHIR a resource is written in: told by its members, for nothing else in a hook call says it.

A resource may fit several versions. Then all are named, the likeliest first, and the rest of the call decides.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from cds_service.core.values import JSON
from cds_service.fhir.medication import has_medication
from cds_service.fhir.reading import as_list, as_object, as_text

R4, R5, STU3, DSTU2 = "R4", "R5", "STU3", "DSTU2"
PREFERRED = (R4, R5, STU3, DSTU2)
_EITHER = (R4, STU3)
_LEANING_TO_STU3 = (STU3, R4)

# Members that a kind of resource has in one version only (R5 is told by `medication` before these are looked at).
_MEMBERS: Mapping[str, Mapping[str, frozenset[str]]] = {
    "MedicationRequest": {
        R4: frozenset(
            {
                "courseOfTherapyType",
                "doNotPerform",
                "encounter",
                "instantiatesCanonical",
                "instantiatesUri",
                "insurance",
                "performer",
                "performerType",
                "reportedBoolean",
                "reportedReference",
                "statusReason",
            }
        ),
        STU3: frozenset({"context", "definition"}),
    },
    "MedicationStatement": {
        R4: frozenset({"statusReason"}),
        R5: frozenset({"adherence"}),
        STU3: frozenset({"taken"}),
        DSTU2: frozenset({"patient", "wasNotTaken"}),
    },
    "MedicationDispense": {
        R4: frozenset({"statusReasonCodeableConcept", "statusReasonReference"}),
        STU3: frozenset({"notDone", "notDoneReasonCodeableConcept", "notDoneReasonReference"}),
        DSTU2: frozenset({"patient", "dispenser"}),
    },
    "MedicationAdministration": {
        R4: frozenset({"statusReason", "request", "instantiates"}),
        R5: frozenset({"occurenceDateTime", "occurencePeriod", "occurenceTiming"}),
        STU3: frozenset({"notGiven", "definition"}),
        DSTU2: frozenset({"patient", "wasNotGiven", "effectiveTimeDateTime", "effectiveTimePeriod", "practitioner"}),
    },
    "Condition": {
        STU3: frozenset({"assertedDate", "context", "subject"}),
        DSTU2: frozenset({"dateRecorded", "patient"}),
    },
    "ProcedureRequest": {
        STU3: frozenset({"intent", "context", "authoredOn", "requester"}),
        DSTU2: frozenset({"encounter", "orderedOn", "orderer"}),
    },
}


def possible_versions(resource: JSON) -> tuple[str, ...]:
    """The versions this resource may be of, the likeliest first; () where its kind does not tell."""
    look = _KINDS.get(as_text(resource.get("resourceType")))
    return look(resource) if look else ()


def _medication(resource: JSON) -> tuple[str, ...]:
    if _names_drug_as_r5(resource):
        return (R5,)
    signs = _signs(resource) | _dosage_signs(resource) | _requester_signs(resource)
    if not has_medication(resource):
        signs = (signs or set(_EITHER)) | {R5}  # a form not filled in yet: what tells R5 is not there
    found = tuple(version for version in PREFERRED if version in signs)
    if found:
        return found
    return _LEANING_TO_STU3 if _has_bare_dose(resource) else _EITHER


def _names_drug_as_r5(resource: JSON) -> bool:
    drug = as_object(resource.get("medication"))
    older = as_object(resource.get("medicationCodeableConcept")) or as_object(resource.get("medicationReference"))
    return not older and (isinstance(drug.get("concept"), dict) or isinstance(drug.get("reference"), dict))


def _signs(resource: JSON) -> set[str]:
    members = _MEMBERS.get(as_text(resource.get("resourceType")), {})
    names = resource.keys()
    return {version for version, own in members.items() if not own.isdisjoint(names)}


def _instructions(resource: JSON) -> list[JSON]:
    places = (*as_list(resource.get("dosageInstruction")), *as_list(resource.get("dosage")))
    return [place for place in places if isinstance(place, dict)]


def _dosage_signs(resource: JSON) -> set[str]:
    """A list in `doseAndRate` is R4; published samples of STU3 have a single object there, so that tells nothing."""
    signs = set()
    for dosage in _instructions(resource):
        repeat = as_object(as_object(dosage.get("timing")).get("repeat"))
        if isinstance(dosage.get("doseAndRate"), list):
            signs.add(R4)
        if "periodUnits" in repeat or dosage.keys() & {"quantityQuantity", "quantityRange"}:
            signs.add(DSTU2)
    return signs


def _requester_signs(resource: JSON) -> set[str]:
    """Who ordered it is a reference in R4; in STU3 it has parts."""
    requester = as_object(resource.get("requester"))
    signs = {STU3} if requester.keys() & {"agent", "onBehalfOf"} else set()
    return signs | ({R4} if "reference" in requester else set())


def _has_bare_dose(resource: JSON) -> bool:
    """A dose in the instruction itself is how STU3 has it, and how a published sample of R4 has it by mistake."""
    if as_text(resource.get("resourceType")) == "MedicationAdministration":
        return False
    return any(dosage.keys() & {"doseQuantity", "doseRange"} for dosage in _instructions(resource))


def _condition(resource: JSON) -> tuple[str, ...]:
    statuses = [resource.get("clinicalStatus"), resource.get("verificationStatus")]
    if any(isinstance(status, dict) for status in statuses):
        return (R4, R5)
    older = tuple(version for version in (STU3, DSTU2) if version in _signs(resource))
    if any(isinstance(status, str) for status in statuses):
        return older or (STU3, DSTU2)
    return older if resource.keys() & {"assertedDate", "context", "dateRecorded", "patient"} else ()


def _service_request(resource: JSON) -> tuple[str, ...]:
    code = as_object(resource.get("code"))
    return (R5,) if isinstance(code.get("concept"), dict) else (R4,) if code else (R4, R5)


def _procedure_request(resource: JSON) -> tuple[str, ...]:
    signs = _signs(resource)
    return tuple(version for version in (STU3, DSTU2) if version in signs or not signs)


def _dstu2(_: JSON) -> tuple[str, ...]:
    return (DSTU2,)


_KINDS: Mapping[str, Callable[[JSON], tuple[str, ...]]] = {
    "MedicationRequest": _medication,
    "MedicationStatement": _medication,
    "MedicationDispense": _medication,
    "MedicationAdministration": _medication,
    "MedicationOrder": _dstu2,
    "DiagnosticOrder": _dstu2,
    "DeviceUseRequest": _dstu2,
    "Condition": _condition,
    "ServiceRequest": _service_request,
    "ProcedureRequest": _procedure_request,
}
