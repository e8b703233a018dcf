"""Tolerant access to FHIR JSON: a member of the wrong type reads as absent, never as an exception."""

from __future__ import annotations

import calendar
import hashlib
import json
import re
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

from cds_service.core.values import Coding, Quantity

_SYSTEMS = {
    "http://www.nlm.nih.gov/research/umls/rxnorm": "rxnorm",
    "urn:oid:2.16.840.1.113883.6.88": "rxnorm",
    "http://snomed.info/sct": "snomed",
    "urn:oid:2.16.840.1.113883.6.96": "snomed",
    "http://loinc.org": "loinc",
    "urn:oid:2.16.840.1.113883.6.1": "loinc",
    "http://www.whocc.no/atc": "atc",
    "urn:oid:2.16.840.1.113883.6.73": "atc",
    "http://hl7.org/fhir/sid/icd-10-cm": "icd10",
    "http://hl7.org/fhir/sid/icd-10": "icd10",
    "urn:oid:2.16.840.1.113883.6.90": "icd10",
    "http://hl7.org/fhir/sid/ndc": "ndc",
}
_DATE = re.compile(r"(\d{4})(?:-(\d{2})(?:-(\d{2}))?)?(?:T.*)?\Z")
_COMPARED = re.compile(r"(<=|>=|<|>)?\s*(\d+(?:\.\d+)?)\Z")
_LARGEST_EXPONENT = 18


def as_object(value: Any) -> dict[str, Any]:
    """The value if it is a JSON object, else an empty one."""
    return value if isinstance(value, dict) else {}


def as_list(value: Any) -> list[Any]:
    """A list; one object stands for a list of one (real clients send that)."""
    if isinstance(value, list):
        return value
    return [value] if isinstance(value, dict) else []


def as_text(value: Any) -> str:
    """The value if it is a string, else ""."""
    return value if isinstance(value, str) else ""


def as_texts(value: Any) -> tuple[str, ...]:
    """All strings of a list, or the one string."""
    if isinstance(value, str):
        return (value,)
    return tuple(v for v in value if isinstance(v, str)) if isinstance(value, list) else ()


def as_number(value: Any) -> Decimal | None:
    """An exact number within sense; booleans, strings and absurd exponents are not numbers."""
    if value is None or isinstance(value, bool) or not isinstance(value, (int, Decimal, float)):
        return None
    if isinstance(value, int) and value.bit_length() > 64:
        return None
    number = Decimal(str(value)) if isinstance(value, float) else Decimal(value)
    if not number.is_finite() or abs(number.adjusted()) > _LARGEST_EXPONENT:
        return None
    return number


def as_date(value: Any, latest: bool = False) -> date | None:
    """A FHIR date or dateTime as a day. A bare year or month is its first day, or its last with `latest`."""
    found = _DATE.match(value) if isinstance(value, str) else None
    if not found:
        return None
    year, month, day = (int(part) if part else 0 for part in found.groups())
    try:
        if not month:
            return date(year, 12, 31) if latest else date(year, 1, 1)
        if not day:
            return date(year, month, calendar.monthrange(year, month)[1] if latest else 1)
        return date(year, month, day)
    except ValueError:
        return None


def later(day: date, days: int) -> date:
    """`days` after `day`, at most the last day there is: open ends are sent as 9999-12-31."""
    return date.max if (date.max - day).days < days else day + timedelta(days=days)


def as_instant(value: Any) -> str:
    """A dateTime with its time as UTC text that sorts by time, or "" where no time is given."""
    text = as_text(value)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return ""
    if "T" not in text or not 1 < moment.year < 9999:
        return ""
    return moment.astimezone(UTC).isoformat() if moment.tzinfo else moment.isoformat()


def codings_of(concept: Any) -> tuple[Coding, ...]:
    """The codings of a CodeableConcept, with short names for the systems we know."""
    listed = concept.get("coding") if isinstance(concept, dict) else None
    return tuple([_coding(c) for c in as_list(listed) if isinstance(c, dict) and c]) if listed else ()


def _coding(coding: dict[str, Any]) -> Coding:
    system = as_text(coding.get("system"))
    return Coding(_SYSTEMS.get(system, system), as_text(coding.get("code")).strip(), as_text(coding.get("display")))


def resource_of(value: Any) -> dict[str, Any]:
    """The resource that a prefetch value is, or the one in the entry of a Bundle that some clients send instead."""
    found = as_object(value)
    return found if "resourceType" in found else as_object(found.get("resource")) or found


def quantity_of(value: Any) -> Quantity | None:
    """A Quantity with its UCUM code, else its unit text; None without a number."""
    number = as_number(value.get("value")) if isinstance(value, dict) else None
    if number is None:
        return None
    unit = as_text(value.get("code")) or as_text(value.get("unit"))
    return Quantity(number, unit, as_text(value.get("comparator")))


def compared_number(text: str) -> tuple[Decimal, str] | None:
    """ ">60" or "38" written as text: (60, ">"), (38, "")."""
    found = _COMPARED.match(text.strip())
    return (Decimal(found.group(2)), found.group(1) or "") if found else None


def resource_key(resource: dict[str, Any], taken: set[str]) -> str:
    """`Type/id`, or a key from the content where there is no id (or it stands twice); added to `taken`.

    The position in the request is no key: the order of entries must not change an answer.
    """
    kind, own_id = as_text(resource.get("resourceType")), as_text(resource.get("id"))
    key = f"{kind}/{own_id}"
    if not own_id or key in taken:
        digest = hashlib.sha256(json.dumps(resource, sort_keys=True, default=str).encode()).hexdigest()[:12]
        key = f"{kind}[{digest}]"
        while key in taken:
            key += "+"
    taken.add(key)
    return key


def reference_id(reference: Any, resource_type: str) -> str:
    """The id in a literal reference to `resource_type` (relative or absolute), or "" for anything else."""
    text = as_text(reference.get("reference")) if isinstance(reference, dict) else ""
    if resource_type not in text:
        return ""
    parts = text.split("/_history/")[0].split("/")
    if len(parts) >= 2 and parts[-2] == resource_type and not parts[0].startswith("urn:"):
        return parts[-1]
    return ""
