"""By what each type of resource can be searched and sorted: search parameters of FHIR R4 and the elements they read.

The CapabilityStatement and the refusals are made of this table, so they say what is so.
"""

from __future__ import annotations

from dataclasses import dataclass

from cds_service.core.values import JSON


@dataclass(frozen=True, slots=True)
class Parameter:
    """A search parameter: its FHIR type, and the paths of the elements it reads. Dates are for sorting only."""

    name: str
    kind: str
    paths: tuple[str, ...]

    @property
    def is_for_search(self) -> bool:
        """Whether resources can be picked by it."""
        return self.kind != "date"

    @property
    def is_for_sorting(self) -> bool:
        """Whether resources can be put in order by it."""
        return self.kind in ("date", "string") or self.name == "_id"


def _token(name: str, path: str) -> Parameter:
    return Parameter(name, "token", (path,))


def _date(name: str, *paths: str) -> Parameter:
    return Parameter(name, "date", paths)


_ID = _token("_id", "id")
_OF_A_PATIENT = (
    _ID,
    Parameter("patient", "reference", ("subject.reference",)),
    Parameter("subject", "reference", ("subject.reference",)),
)
_STATUS = _token("status", "status")
_OF_A_DRUG = (*_OF_A_PATIENT, _STATUS, _token("code", "medicationCodeableConcept"))
_EFFECTIVE = ("effectiveDateTime", "effectivePeriod.start")

PARAMETERS: dict[str, tuple[Parameter, ...]] = {
    "Patient": (
        _ID,
        _token("identifier", "identifier"),
        _token("gender", "gender"),
        Parameter("name", "string", ("name.text", "name.family", "name.given")),
        Parameter("family", "string", ("name.family",)),
        Parameter("given", "string", ("name.given",)),
        _date("birthdate", "birthDate"),
    ),
    "Condition": (
        *_OF_A_PATIENT,
        _token("code", "code"),
        _token("category", "category"),
        _token("clinical-status", "clinicalStatus"),
        _token("verification-status", "verificationStatus"),
        _date("onset-date", "onsetDateTime", "onsetPeriod.start"),
        _date("recorded-date", "recordedDate"),
    ),
    "Observation": (
        *_OF_A_PATIENT,
        _STATUS,
        _token("code", "code"),
        _token("category", "category"),
        _date("date", *_EFFECTIVE),
    ),
    "MedicationRequest": (*_OF_A_DRUG, _token("intent", "intent"), _date("authoredon", "authoredOn")),
    "MedicationStatement": (*_OF_A_DRUG, _token("category", "category"), _date("effective", *_EFFECTIVE)),
    "MedicationDispense": (
        *_OF_A_DRUG,
        _date("whenhandedover", "whenHandedOver"),
        _date("whenprepared", "whenPrepared"),
    ),
    "MedicationAdministration": (*_OF_A_DRUG, _date("effective-time", *_EFFECTIVE)),
    "Medication": (_ID, _STATUS, _token("code", "code")),
}


def describe_server(base: str, version: str, day: str) -> JSON:
    """The CapabilityStatement (FHIR R4, http://hl7.org/fhir/R4/capabilitystatement.html)."""
    return {
        "resourceType": "CapabilityStatement",
        "status": "active",
        "date": day,
        "kind": "instance",
        "software": {"name": "cds-service demo-fhir", "version": version},
        "implementation": {"description": "Made-up patients for trying a CDS Service; read-only", "url": base},
        "fhirVersion": "4.0.1",
        "format": ["application/fhir+json", "json"],
        "rest": [
            {
                "mode": "server",
                "security": {"cors": True, "description": "Open to every program on this machine."},
                "resource": [_described(kind, parameters) for kind, parameters in PARAMETERS.items()],
            }
        ],
    }


def _described(kind: str, parameters: tuple[Parameter, ...]) -> JSON:
    return {
        "type": kind,
        "interaction": [{"code": "read"}, {"code": "search-type"}],
        "versioning": "no-version",
        "searchParam": [{"name": p.name, "type": p.kind} for p in parameters if p.is_for_search],
    }
