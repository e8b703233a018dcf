"""The body of a hook call -> HookRequest, with a report of what was odd in it.

The check of what must be there (CDS Hooks 2.0.1) and of whose orders they are. Everything else is read
as far as it can be: one odd resource never blinds the whole check.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from cds_service.core.values import (
    JSON,
    Coding,
    HookRequest,
    MedicationEntry,
)
from cds_service.errors import BadRequest
from cds_service.fhir.chart import read_chart, read_parts
from cds_service.fhir.fetching import Call, Fetched
from cds_service.fhir.medication import ORDERS, Place, Resources, has_medication
from cds_service.fhir.reading import as_object, as_text, codings_of, reference_id, resource_key
from cds_service.fhir.validation import Problem, validate
from cds_service.fhir.versions import CallVersion, settle_version

MOST_ORDERS = 100  # far more than anybody signs at once
_UNREAD_ORDERS = {"MedicationPrescription": "MedicationPrescription"}
_TESTS = ("ServiceRequest", "ProcedureRequest")


Entry = tuple[str, JSON, str]
# (whole body, patient id, prefetch, draft resources, what to do with a note) -> what prefetch left out
Complete = Callable[[JSON, str, JSON, list[JSON], Callable[[str], None]], Fetched]


@dataclass(slots=True)
class Report:
    """What was odd in a request: for the log and the response's `extension`, never with patient data."""

    invalid: dict[str, list[Problem]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    calls: list[Call] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class ReadRequest:
    """A hook request with the raw draft orders (by key) that an `update` starts from, and the version it is in."""

    request: HookRequest
    orders: Mapping[str, JSON]
    report: Report
    version: CallVersion


def read_hook_request(body: Any, hook: str, complete: Complete | None = None, most_entries: int = 1000) -> ReadRequest:
    """Read the body of a call to the service of `hook`; `complete` adds what prefetch left out of the chart.

    Of each part of the chart at most `most_entries` resources are read.

    Raises BadRequest naming the path of what is missing or of the wrong type.
    """
    report = Report()
    root = _object(body, "the request body")
    if _text(root, "hook", "hook") != hook:
        report.notes.append("hook does not fit the URL; the URL decides")
    instance = _text(root, "hookInstance", "hookInstance")
    context = _object(root.get("context"), "context")
    patient_id = _text(context, "patientId", "context.patientId").removeprefix("Patient/")
    if not patient_id.strip():
        raise BadRequest("context.patientId", "names no patient; an id is expected")
    bundle = _object(context.get("draftOrders"), "context.draftOrders")
    if bundle.get("resourceType") != "Bundle":
        raise BadRequest("context.draftOrders.resourceType", 'is not "Bundle"; a FHIR Bundle is expected')
    drafts = _entries(bundle, patient_id)
    _refuse_too_many_orders(drafts)
    prefetch = root.get("prefetch")
    if prefetch is not None and not isinstance(prefetch, dict):
        raise BadRequest("prefetch", "is not an object; leave it out or send an object of prefetch keys")
    fetched = Fetched(as_object(prefetch))
    if complete and any(has_medication(r) for _, r, _ in drafts):
        fetched = complete(root, patient_id, fetched.prefetch, [r for _, r, _ in drafts], report.notes.append)
        report.calls += fetched.calls
    chart_resources, parts = read_parts(fetched.prefetch, most_entries)
    in_chart = [r for found in chart_resources.values() for r in found]
    resources = _index([r for _, r, _ in drafts], [*in_chart, *fetched.medications])
    version = settle_version((r for _, r, _ in drafts), in_chart, report.notes)
    chosen = _chosen(drafts, _selections(context, hook, report), report)
    orders = _drafts(drafts, chosen, resources, version, report)
    request = HookRequest(
        hook=hook,
        hook_instance=instance,
        patient_id=patient_id,
        user=as_text(context.get("userId")),
        encounter_id=as_text(context.get("encounterId")),
        drafts=tuple(entry for entry, _ in orders),
        service_requests=_tests_ordered(drafts),
        chart=read_chart(chart_resources, parts, patient_id, resources, version, report.notes),
        may_create=version.may_create,
    )
    return ReadRequest(request, {entry.key: raw for entry, raw in orders}, report, version)


def _object(value: Any, path: str) -> JSON:
    if value is None:
        raise BadRequest(path, "is missing; an object is expected")
    if not isinstance(value, dict):
        raise BadRequest(path, "is not an object")
    return value


def _text(holder: JSON, name: str, path: str) -> str:
    value = holder.get(name)
    if not isinstance(value, str) or not value.strip():
        raise BadRequest(path, "is missing or not a string; a non-empty string is expected")
    return value


# --- Draft orders ------------------------------------------------------------------------------------


def _entries(bundle: JSON, patient_id: str) -> list[Entry]:
    """(path, resource, id in fullUrl) of each entry. What is no resource may be an order, so it is refused."""
    entries = bundle.get("entry", [])
    if not isinstance(entries, list):
        raise BadRequest("context.draftOrders.entry", "is not a list")
    found = []
    for position, entry in enumerate(entries):
        path = f"context.draftOrders.entry[{position}].resource"
        resource = as_object(entry).get("resource")
        if not isinstance(resource, dict) or not isinstance(resource.get("resourceType"), str):
            raise BadRequest(path, "is missing or has no resourceType; a FHIR resource is expected")
        _refuse_other_patient(resource, patient_id, path)
        found.append((path, resource, _bare(as_text(as_object(entry).get("fullUrl")))))
    return found


def _refuse_too_many_orders(drafts: list[Entry]) -> None:
    """Orders are checked with each other, two and three at a time: thousands would take hours."""
    if sum(has_medication(resource) for _, resource, _ in drafts) > MOST_ORDERS:
        raise BadRequest("context.draftOrders.entry", f"holds more than {MOST_ORDERS} orders of medications")


def _selections(context: JSON, hook: str, report: Report) -> set[str] | None:
    """Ids of the selected orders, or None where all count (order-sign, or no usable `selections`)."""
    if hook != "order-select":
        return None
    value = context.get("selections")
    if value is None:
        report.notes.append("selections missing; all draft orders count as selected")
        return None
    if not isinstance(value, list) or not all(isinstance(v, str) for v in value):
        raise BadRequest("context.selections", "is not a list of strings such as MedicationRequest/123")
    return {_bare(v) for v in value}


def _bare(reference: str) -> str:
    """The id in a reference of any form: Type/id, with a version, absolute, or urn:uuid."""
    return reference.split("/_history/")[0].split("/")[-1].removeprefix("urn:uuid:")


def _chosen(drafts: list[Entry], selections: set[str] | None, report: Report) -> list[bool]:
    """Which entries are selected. A selection that names none of them cannot be followed: then all count."""
    entries = [{as_text(r.get("id")), full} - {""} for _, r, full in drafts]
    if selections is None:
        return [True] * len(entries)
    chosen = [bool(selections & names) for names in entries]
    if any(chosen) or not entries:
        return chosen
    report.notes.append("selections name none of the draft orders; all count as selected")
    return [True] * len(entries)


def _drafts(
    drafts: list[Entry], chosen: list[bool], resources: Resources, version: CallVersion, report: Report
) -> list[tuple[MedicationEntry, JSON]]:
    found = []
    taken: set[str] = set()
    for position, (_, resource, _) in enumerate(drafts):
        kind = as_text(resource.get("resourceType"))
        if kind not in (*ORDERS, *_UNREAD_ORDERS) or not has_medication(resource):
            continue
        place = Place(resource_key(resource, taken), True, chosen[position], resources)
        if kind in _UNREAD_ORDERS:
            found.append((_unread_order(resource, place), resource))
            continue
        own = version.of(resource)
        problems = validate(resource, own.name)
        if problems:
            report.invalid[f"entry[{position}]"] = problems
        entry = own.read_medication(resource, place)
        if entry.key != f"{kind}/{entry.resource_id}":
            entry = replace(entry, resource_id="")  # no id, or one that names two orders: nothing to act on
        found.append((entry, resource))
    return found


def _unread_order(resource: JSON, place: Place) -> MedicationEntry:
    """An order of a FHIR version that is not read yet: named as not checked."""
    kind = as_text(resource.get("resourceType"))
    concept = as_object(resource.get("medicationCodeableConcept"))
    name = as_text(concept.get("text")) or next((c.display for c in codings_of(concept)), "")
    return MedicationEntry(
        key=place.key,
        resource_type=kind,
        resource_id="",
        is_draft=True,
        selected=place.selected,
        status=as_text(resource.get("status")),
        codings=(),
        texts=(f"{_UNREAD_ORDERS[kind]} {name}".strip(),),
        readable=False,
    )


def _refuse_other_patient(resource: JSON, patient_id: str, path: str) -> None:
    """An order that says it is another patient's. One whose subject cannot be resolved is taken as ours."""
    for member in ("subject", "patient"):
        owner = reference_id(resource.get(member), "Patient")
        if owner and owner != patient_id:
            raise BadRequest(f"{path}.{member}", "is another patient than context.patientId")


def _will_be_done(resource: JSON) -> bool:
    ended = ("revoked", "cancelled", "entered-in-error", "completed")
    return resource.get("status") not in ended and resource.get("doNotPerform") is not True


def _tests_ordered(drafts: list[Entry]) -> tuple[tuple[Coding, ...], ...]:
    tests = (r for _, r, _ in drafts if r.get("resourceType") in _TESTS and _will_be_done(r))
    codes = (as_object(test.get("code")) for test in tests)
    return tuple(codings_of(code) or codings_of(code.get("concept")) for code in codes)


def _index(drafts: list[JSON], chart: Iterable[JSON]) -> dict[str, JSON]:
    """ "Type/id" of everything in the request, to resolve medicationReference."""
    return {
        f"{r.get('resourceType')}/{r['id']}": r
        for r in (*chart, *drafts)
        if isinstance(r.get("id"), str) and r.get("resourceType") == "Medication"
    }
