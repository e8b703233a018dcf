"""What the discovery document must keep, from the CDS Hooks checklist (CH ids in the comments)."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

from jsonschema import Draft202012Validator

from cds_service.web.schemas import DISCOVERY_SCHEMA

_DISCOVERY = Draft202012Validator(DISCOVERY_SCHEMA)
_TOKENS = {"context.patientId"}  # CH-027, CH-028: all that 2.x clients can fill for every hook of ours
_TEMPLATE = re.compile(  # CH-026: a relative read or search, no scheme, no leading slash
    r"(?P<type>[A-Z][A-Za-z]+)(?:/\{\{context\.patientId\}\}|\?(?P<search>[^?#\s]+))\Z"
)
_LOINC_LIST = re.compile(r"http://loinc\.org\|\d+-\d(,http://loinc\.org\|\d+-\d)*\Z")
_STATUS = re.compile(r"[a-z-]+(,[a-z-]+)*\Z")
# FHIR R4 search parameters of the types we ask for; those that hold dates may be sorted by.
_DATES = {
    "MedicationRequest": {"authoredon", "date"},
    "MedicationStatement": {"effective"},
    "MedicationDispense": {"whenhandedover", "whenprepared"},
    "MedicationAdministration": {"effective-time"},
    "Condition": {"onset-date", "recorded-date"},
    "Observation": {"date"},
}


def faults_of_discovery(document: Any) -> Iterator[str]:
    """Everything that is wrong with a discovery document, one sentence each."""
    yield from (f"{error.json_path}: {error.message}" for error in _DISCOVERY.iter_errors(document))
    services = document.get("services", [])
    yield from (f"the id {i} stands twice" for i, n in Counter(s["id"] for s in services).items() if n > 1)
    for service in services:
        for key, template in service["prefetch"].items():
            yield from (f"{service['id']} {key}: {fault}" for fault in faults_of_template(template))


def faults_of_template(template: str) -> Iterator[str]:
    """Everything in a prefetch template that a 2.x client need not understand (CH-026 to CH-034)."""
    unknown = set(re.findall(r"\{\{(.*?)\}\}", template)) - _TOKENS
    if unknown:
        yield f"the tokens {unknown} cannot be filled by every client"
    found = _TEMPLATE.match(template)
    if not found:
        yield "is neither a read nor a search"
    elif found["search"]:
        yield from _faults_of_search(found["type"], found["search"])


def _faults_of_search(kind: str, search: str) -> Iterator[str]:
    pairs = [part.partition("=")[::2] for part in search.split("&")]
    names = [name for name, _ in pairs]
    yield from (f"the parameter {n} stands twice" for n, times in Counter(names).items() if times > 1)
    if ("patient", "{{context.patientId}}") not in pairs:
        yield "does not ask for this patient alone"
    if len(set(names) & _DATES.get(kind, set())) > 1:
        yield "has more than one date parameter"
    for name, value in pairs:
        if not _is_known(kind, name, value):
            yield f"{name}={value[:40]} is outside the recommended subset (CH-031)"


def _is_known(kind: str, name: str, value: str) -> bool:
    dates = _DATES.get(kind, set())
    if name == "_sort":
        return value.startswith("-") and value[1:] in dates
    if name in dates:
        return bool(re.match(r"(ge|gt|le|lt|eq)\d{4}", value))
    patterns = {
        "patient": re.compile(r"\{\{context\.patientId\}\}\Z"),
        "_count": re.compile(r"[1-9]\d*\Z"),
        "code": _LOINC_LIST,
        "status": _STATUS,
    }
    return name in patterns and bool(patterns[name].match(value))
