"""Hostile requests: a request that has every member that is read, and what may stand in the place of each.

`CANARY` stands in every text that is put in; no refusal, no log line and no report of an answer may hold it.
"""

from __future__ import annotations

import copy
import json
import logging
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, settings
from werkzeug.test import TestResponse

from cds_service.core.values import Knowledge
from cds_service.web.json_body import write_json
from tests.helpers import hook_call, outcome_text, strict_json
from tests.response_schema import check_response

JSON = dict[str, Any]
Place = tuple[str | int, ...]
CANARY = "Zzcanary"

# FUZZ_SEED: draw anew, from this seed; FUZZ_EXAMPLES: how many per test. Without them a run is the same everywhere.
SEED = os.environ.get("FUZZ_SEED", "")
LONG = bool(SEED)
SHORT = int(os.environ.get("FUZZ_EXAMPLES", "25"))
FUZZED = settings(
    max_examples=SHORT,
    derandomize=not SEED,
    database=settings.default.database if SEED else None,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    print_blob=True,
)
# Seconds. The slowest body of the size that is allowed takes a tenth of this on a slow machine: this is a hang.
HANG = 60


def open_settings(folder: Path, **more: str) -> dict[str, str]:
    """Settings of a service that is to be fuzzed: open, and not limited where limits are not the point."""
    return {"CDS_AUTH": "off", "CDS_RATE": "0", "CDS_DATA": str(folder)} | more


# --- What must hold ----------------------------------------------------------------------------------


class Hang(BaseException):
    """A call took too long. No Exception, so that the service cannot answer it as a fault of its own."""


@contextmanager
def guarded(seconds: float = HANG) -> Iterator[None]:
    """Break off what hangs. Only in the main thread, as signals are."""

    def stop(*_: Any) -> None:
        raise Hang(f"no answer within {seconds} seconds")

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


class _Kept(logging.Handler):
    """Everything that is logged, as text."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(f"{record.getMessage()} {record.__dict__}")


@contextmanager
def log_kept() -> Iterator[list[str]]:
    """All lines of the service's log."""
    log, kept = logging.getLogger("cds_service"), _Kept()
    before = log.level
    log.addHandler(kept)
    log.setLevel(logging.DEBUG)
    try:
        yield kept.lines
    finally:
        log.removeHandler(kept)
        log.setLevel(before)


def check_sound(response: TestResponse) -> None:
    """No fault of ours; an answer fits its schema, a refusal is an OperationOutcome; neither tells what was sent."""
    assert response.status_code < 500, (response.status_code, response.get_data(as_text=True))
    head = " ".join(f"{name}: {value}" for name, value in response.headers)
    assert CANARY.lower() not in head.lower()
    assert response.content_type == "application/json; charset=utf-8"
    if response.status_code == 200:
        answer = strict_json(response.get_data())
        check_response(answer)
        told = json.dumps(answer.get("extension"))
    else:
        told = outcome_text(response) + response.get_data(as_text=True)
    assert CANARY.lower() not in told.lower(), told


def send(client: Any, data: bytes, url: str, **more: Any) -> TestResponse:
    """Send a body and see that the answer, and what is logged about it, is sound."""
    arguments = {"content_type": "application/json"} | more
    with guarded(), log_kept() as lines:
        response: TestResponse = client.post(url, data=data, **arguments)
    check_sound(response)
    assert not [line for line in lines if CANARY.lower() in line.lower()]
    return response


# --- What may stand in the place of a value -----------------------------------------------------------

# JSON that no library writes: each stands for a text that is exchanged for it in the bytes.
_RAW = {
    "raw-nan": b"NaN",
    "raw-infinity": b"-Infinity",
    "raw-exponent": b"1e999999999",
    "raw-small": b"1e-999999999",
    "raw-digits": b"9" * 5000,
    "raw-fraction": b"0." + b"1" * 5000,
    "raw-octal": b"0123",
    "raw-surrogate": b'"' + CANARY.encode() + b'\\ud800"',
    "raw-surrogates": b'"\\ude00\\ud83d"',
    "raw-latin": b'"' + CANARY.encode() + b'\xe4"',
    "raw-twice": b'{"resourceType": "Patient", "resourceType": "Bundle", "id": 1, "id": "a"}',
    "raw-bare": CANARY.encode(),
}
_DEEP: Any = CANARY
for _ in range(30):
    _DEEP = {"extension": [_DEEP]}
NASTY: tuple[Any, ...] = (
    None,
    True,
    False,
    0,
    -1,
    7,
    2**63,
    -(10**40),
    Decimal("0.1"),
    Decimal("1e18"),
    Decimal("-1e400"),
    Decimal("1e-400"),
    "",
    "  ",
    CANARY,
    f"{CANARY}\0\x1f\x7f\u0085",
    f"{CANARY}\u2028\u202e\ufeff\U000e0001\U0001f48a",
    f"](javascript:x) <b>{CANARY}</b> ![]() | --- | `{{}} %s {{patient}}",
    CANARY * 1500,
    "9" * 400,
    "9999-12-31",
    "0000-00-00T99:99:99+99:99",
    "0001-01-01T00:00:00+14:00",
    "Patient/",
    f"#{CANARY}",
    "//_history/",
    "urn:uuid:",
    "<=.",
    "draft",
    [],
    {},
    [[]],
    [None],
    [7],
    [CANARY],
    [{}],
    {CANARY: CANARY},
    {"": {"": ""}},
    {"value": CANARY, "coding": CANARY, "reference": [CANARY], "text": {CANARY: [CANARY]}},
    {"resourceType": ["Bundle"]},
    {"resourceType": "Bundle", "entry": {"resource": {"resourceType": "OperationOutcome", "issue": [7]}}},
    {"resourceType": CANARY},
    {"resourceType": "MedicationRequest"},
    _DEEP,
    *_RAW,
)


def bytes_of(body: Any) -> bytes:
    """The body as JSON, or as what only looks like it."""
    data = write_json(body)
    for name, raw in _RAW.items():
        data = data.replace(f'"{name}"'.encode(), raw)
    return data


def places(value: Any, path: Place = ()) -> Iterator[Place]:
    """The path of every value in a body, the body itself included."""
    yield path
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, below in inner:
        yield from places(below, (*path, name))


def form_of(path: Place) -> Place:
    """The same for the same member of each entry of a list."""
    return tuple("*" if isinstance(step, int) else step for step in path)


Change = Callable[[Any, Any], None]


def put(value: Any) -> Change:
    """Put a value into a place."""
    return lambda holder, name: holder.__setitem__(name, copy.deepcopy(value))


def remove(holder: Any, name: Any) -> None:
    """Leave it out."""
    del holder[name]


def repeat(holder: Any, name: Any) -> None:
    """Thrice what is there once, as a list."""
    one = holder[name]
    holder[name] = (one if isinstance(one, list) else [one]) * 3


def wrap(holder: Any, name: Any) -> None:
    """One level deeper."""
    holder[name] = [holder[name]]


def as_text(holder: Any, name: Any) -> None:
    """As a text that looks like it."""
    holder[name] = write_json(holder[name]).decode()


def as_name(holder: Any, name: Any) -> None:
    """Under another name, where it has one."""
    if isinstance(holder, dict):
        holder[f"{CANARY}{name}"] = holder.pop(name)


def beside(holder: Any, name: Any) -> None:
    """A member that nobody knows beside it."""
    if isinstance(holder[name], dict):
        holder[name][CANARY] = {CANARY: [CANARY]}


CHANGES: tuple[Change, ...] = (*map(put, NASTY), remove, repeat, wrap, as_text, as_name, beside)


def changed(body: Any, path: Place, change: Change) -> Any:
    """A copy of a body with one place changed."""
    whole = {"body": copy.deepcopy(body)}
    holder: Any = whole
    *above, last = ("body", *path)
    for step in above:
        holder = holder[step]
    change(holder, last)
    return whole.get("body")


# --- A request with every member that is read ---------------------------------------------------------

_RXNORM = "http://www.nlm.nih.gov/research/umls/rxnorm"
_OURS = {"reference": "Patient/example", "display": CANARY}


def _concept(text: str, code: str = "", system: str = _RXNORM) -> JSON:
    coding = {"system": system, "code": code, "display": text}
    return {"coding": [coding], "text": text} if code else {"text": text}


def _quantity(value: Any, unit: str, code: str) -> JSON:
    return {
        "value": value,
        "comparator": "<",
        "unit": unit,
        "system": "http://unitsofmeasure.org",
        "code": code,
    }


def _dosage(dose: str = "doseQuantity") -> JSON:
    amount = _quantity(2, "capsule", "{capsule}")
    del amount["comparator"]
    return {
        "sequence": 1,
        "text": CANARY,
        "patientInstruction": CANARY,
        "timing": {
            "event": ["2026-11-22"],
            "repeat": {
                "boundsPeriod": {"start": "2026-01-01", "end": "2027-01-01"},
                "count": 30,
                "countMax": 40,
                "frequency": 3,
                "frequencyMax": 4,
                "period": 1,
                "periodUnit": "d",
                "periodUnits": "d",
                "timeOfDay": ["08:00:00"],
                "when": ["HS"],
                "dayOfWeek": ["mon"],
                "offset": 5,
            },
            "code": {"coding": [{"code": "TID"}]},
        },
        "asNeededBoolean": True,
        "asNeededCodeableConcept": _concept(CANARY),
        "asNeeded": True,
        "asNeededFor": [_concept(CANARY)],
        "route": _concept("Oral route", "26643006", "http://snomed.info/sct"),
        "doseAndRate": [
            {dose: amount if dose == "doseQuantity" else {"low": amount, "high": amount}},
            {"dose": amount},
        ],
        "doseQuantity": amount,
        "doseRange": {"low": amount, "high": amount},
        "dose": amount,
        "quantityQuantity": amount,
        "quantity": amount,
        "quantityRange": {"high": amount},
        "maxDosePerPeriod": [{"numerator": amount, "denominator": {"value": 1, "unit": "day", "code": "d"}}],
        "maxDosePerAdministration": amount,
    }


def _plain_dosage() -> JSON:
    """An instruction that a suggestion can rewrite: large enough for a limit, at fixed times."""
    amount = {"value": 4, "unit": "capsule", "system": "http://unitsofmeasure.org", "code": "{capsule}"}
    return {
        "text": "four capsules three times a day",
        "timing": {
            "repeat": {"frequency": 3, "period": 1, "periodUnit": "d", "timeOfDay": ["08:00:00"]},
            "code": {"text": "TID"},
        },
        "route": _concept("Oral route", "26643006", "http://snomed.info/sct"),
        "doseAndRate": [{"type": _concept("ordered"), "doseQuantity": amount}],
    }


def _medication(kind: str, own_id: str, **more: Any) -> JSON:
    return {
        "resourceType": kind,
        "id": own_id,
        "meta": {"lastUpdated": "2026-11-20T08:00:00Z"},
        "status": "active",
        "intent": "order",
        "subject": dict(_OURS),
        "note": [{"text": CANARY}],
    } | more


def _dispense_request() -> JSON:
    return {
        "initialFill": {"quantity": {"value": 3}},
        "numberOfRepeatsAllowed": 2,
        "quantity": {"value": 90, "unit": "capsule", "code": "{capsule}"},
        "expectedSupplyDuration": {"value": 30, "unit": "days", "code": "d"},
    }


def _drafts() -> list[JSON]:
    plain_dispense = {name: value for name, value in _dispense_request().items() if name != "initialFill"}
    contained = {"resourceType": "Medication", "id": "drug", "code": _concept("oxycodone 5 MG Oral Tablet", "1049621")}
    contained["ingredient"] = [
        {"itemCodeableConcept": _concept("oxycodone", "7804")},
        {"itemReference": {"reference": "Substance/x", "display": "naltrexone"}},
    ]
    return [
        _medication(
            "MedicationRequest",
            "a",
            status="draft",
            authoredOn="2026-11-22",
            medicationCodeableConcept=_concept("gabapentin 300 MG Oral Capsule", "310431"),
            dosageInstruction=[_plain_dosage()],
            dispenseRequest=plain_dispense,
            priorPrescription={"reference": "MedicationRequest/taking-1"},
            category=[_concept("inpatient", "inpatient")],
            doNotPerform=False,
            text={"status": "generated", "div": f"<div>{CANARY}</div>"},
            implicitRules="urn:x",
        ),
        _medication(
            "MedicationRequest",
            "b",
            medicationReference={"reference": "#drug", "display": "oxycodone"},
            contained=[contained],
            dosageInstruction=[_dosage(), _dosage("doseRange")],
            dispenseRequest=_dispense_request(),
        ),
        _medication("MedicationRequest", "c", medicationReference={"reference": "Medication/baclofen"}),
        _medication("MedicationRequest", "d", medication={"concept": _concept("amitriptyline 25 MG Oral Tablet")}),
        _medication("MedicationRequest", "e", medication={"reference": {"reference": "Medication/baclofen"}}),
        _medication("MedicationOrder", "f", medicationCodeableConcept=_concept("naltrexone 50 MG Oral Tablet")),
        _medication("MedicationPrescription", "g", medicationCodeableConcept=_concept(CANARY), patient=dict(_OURS)),
        {"resourceType": "ServiceRequest", "id": "h", "status": "draft", "code": _concept("Creatinine", "2160-0")},
        {"resourceType": "Medication", "id": "baclofen", "code": _concept("baclofen 10 MG Oral Tablet")},
    ]


def _taken() -> dict[str, list[JSON]]:
    period = {"start": "2026-10-01", "end": "2026-12-24"}
    phenelzine = _concept("phenelzine 15 MG Oral Tablet")
    return {
        "medicationRequests": [
            _medication(
                "MedicationRequest",
                "taking-1",
                authoredOn="2026-08-01",
                medicationCodeableConcept=_concept("baclofen 10 MG Oral Tablet"),
                dosageInstruction=[_dosage()],
                dispenseRequest=_dispense_request(),
            ),
            {"resourceType": "Medication", "id": "other", "code": phenelzine, "ingredient": [{}]},
        ],
        "medicationStatements": [
            _medication(
                "MedicationStatement",
                "taking-2",
                medicationCodeableConcept=phenelzine,
                effectivePeriod=period,
                dateAsserted="2026-10-01",
                dosage=[_dosage()],
            )
        ],
        "medicationDispenses": [
            _medication(
                "MedicationDispense",
                "taking-3",
                status="completed",
                medicationReference={"reference": "Medication/other"},
                daysSupply={"value": 30, "unit": "days", "code": "d"},
                whenPrepared="2026-11-01",
                whenHandedOver="2026-11-02T10:00:00Z",
                dosageInstruction=[_dosage()],
            )
        ],
        "medicationAdministrations": [
            _medication(
                "MedicationAdministration",
                "taking-4",
                medicationCodeableConcept=_concept("methadone 10 MG Oral Tablet"),
                effectiveDateTime="2026-11-21T08:00:00Z",
                dosage={"text": CANARY, "route": _concept("Oral route"), "dose": _quantity(1, "mg", "mg")},
            )
        ],
    }


def _results(found: list[JSON]) -> list[JSON]:
    """The results that the service's own examples have, each told in another way."""
    more = [
        {"effectiveInstant": "2026-11-21T08:00:00Z"},
        {"effectivePeriod": {"end": "2026-11-21"}},
        {"issued": "2026-11-21T08:00:00+02:00"},
        {"valueString": ">60", "effectiveDateTime": "2026-11-20"},
        {"valueCodeableConcept": _concept("Positive", "10828004", "http://snomed.info/sct")},
    ]
    for result, told in zip(found, more, strict=False):
        del result["effectiveDateTime"]
        result |= told
        if any(name.startswith("value") for name in told):
            del result["valueQuantity"]
    return found


def maximal_request(knowledge: Knowledge, hook: str = "order-select") -> JSON:
    """A valid call with every member that is read, in each of the forms that FHIR has for it."""
    facts = {"age": 70, "sex": "female", "egfr": 38, "creatinine": 2, "weight": 60, "qtc": 480, "potassium": 3}
    first, second = list(knowledge.conditions)[:2]
    facts["conditions"] = [first, {"condition": second, "days_ago": 9}]
    body = hook_call(knowledge, facts=facts, hook=hook)
    drafts = [{"fullUrl": f"urn:uuid:{r['id']}", "resource": r} for r in _drafts()]
    body["context"] |= {"encounterId": CANARY, "userId": f"Practitioner/{CANARY}"}
    body["context"]["draftOrders"]["entry"] = drafts
    if hook == "order-select":
        body["context"]["selections"] = ["MedicationRequest/a", "MedicationRequest/b"]
    chart = body["prefetch"]
    chart["patient"]["name"] = [{"text": CANARY}]
    chart |= {key: _bundle(resources) for key, resources in _taken().items()}
    _results([entry["resource"] for entry in chart["observations"]["entry"]])
    for position, entry in enumerate(chart["conditions"]["entry"]):
        resource = entry["resource"]
        resource["verificationStatus"] = _concept("confirmed", "confirmed")
        resource["code"]["text"] = CANARY
        resource |= {"recordedDate": "2020-01"} if position else {"onsetPeriod": {"start": "2020"}}
    outcome = {"resourceType": "OperationOutcome", "issue": [{"severity": "warning", "code": "processing"}]}
    chart["conditions"]["entry"].append({"resource": outcome, "search": {"mode": "outcome"}})
    inner = {"resourceType": "Bundle", "type": "batch-response", "entry": chart["medicationStatements"]["entry"]}
    chart["medicationStatements"] = {"response": {"status": "200"}, "resource": _bundle([inner])}
    body["fhirServer"] = f"https://{CANARY.lower()}.example/fhir"
    body["fhirAuthorization"] = {
        "access_token": CANARY,
        "token_type": "Bearer",
        "expires_in": 300,
        "scope": "patient/*.read",
        "subject": CANARY,
        "patient": "example",
    }
    body["extension"] = {"com.example.vendor": {"text": CANARY}}
    return body


def _oxycodone(version: str) -> JSON:
    concept = _concept("oxycodone 5 MG Oral Tablet")
    return {"medication": {"concept": concept}} if version == "r5" else {"medicationCodeableConcept": concept}


def _of_version(version: str) -> dict[str, JSON]:
    """What only this version of FHIR has, for a statement, a dispense and an administration."""
    day, span = "2026-11-21", {"start": "2026-11-01", "end": "2026-11-21"}
    amount = {"value": 1, "unit": "tablet"}
    inside = {"item": {"concept": _concept("oxycodone"), "reference": {"reference": "Substance/x", "display": "a"}}}
    made: dict[str, dict[str, JSON]] = {
        "dstu2": {
            "MedicationStatement": {
                "wasNotTaken": False,
                "dateEnded": day,
                "dosage": [{"quantityQuantity": amount, "quantityRange": {"high": amount}, "quantity": amount}],
            },
            "MedicationDispense": {
                "dispenser": {"reference": "Practitioner/x"},
                "dateWritten": day,
                "medicationReference": {"reference": "#in"},
                "contained": [{"resourceType": "Medication", "id": "in", "product": {"ingredient": [inside]}}],
            },
            "MedicationAdministration": {
                "wasNotGiven": False,
                "effectiveTimeDateTime": day,
                "effectiveTimePeriod": span,
            },
        },
        "stu3": {
            "MedicationStatement": {"taken": "y", "effectivePeriod": span},
            "MedicationDispense": {"notDone": False, "effectiveDosePeriod": span, "effectiveDoseDateTime": day},
            "MedicationAdministration": {"notGiven": False, "effectivePeriod": span},
        },
        "r5": {
            "MedicationStatement": {"adherence": {"code": _concept("taking", "taking")}},
            "MedicationDispense": {
                "medication": {"reference": {"reference": "#in"}},
                "contained": [{"resourceType": "Medication", "id": "in", "code": {}, "ingredient": [inside]}],
            },
            "MedicationAdministration": {
                "occurenceDateTime": day,
                "occurencePeriod": span,
                "occurrenceDateTime": day,
                "occurrencePeriod": span,
            },
        },
    }
    return made[version]


def with_members_of(version: str, body: JSON) -> JSON:
    """A call in this version with the members that only it has."""
    chart = body["prefetch"]
    for kind, members in _of_version(version).items():
        drug = {} if "contained" in members else _oxycodone(version)
        chart[f"m{kind[1:]}s"] = _bundle([_medication(kind, f"more-{kind}", **drug, **members)])
    if version == "r5":
        test = {"resourceType": "ServiceRequest", "status": "draft", "code": {"concept": _concept("x", "2160-0")}}
        body["context"]["draftOrders"]["entry"].append({"resource": test})
    return body


def slices(body: JSON) -> Iterator[tuple[JSON, list[Place]]]:
    """Parts of the maximal request that are calls of their own, so that one is quick, with the places each is for."""
    entries, chart = body["context"]["draftOrders"]["entry"], body["prefetch"]
    shared = [entry for entry in entries if entry["resource"]["resourceType"] == "Medication"]
    few = {key: chart[key] for key in ("patient", "observations") if key in chart}
    envelope = _call(body, entries[:1], few)
    under = (("context", "draftOrders", "entry", 0, "resource"), ("prefetch",))
    yield envelope, [p for p in places(envelope) if not any(p[: len(u)] == u and p != u for u in under)]
    for entry in entries:
        one = _call(body, [entry, *shared], few)
        yield one, [p for p in places(one) if p[:4] == under[0][:4]]
    for key in chart:
        one = _call(body, entries[:1], {key: chart[key]})
        yield one, [p for p in places(one) if p[:2] == ("prefetch", key)]


def _call(body: JSON, drafts: list[JSON], prefetch: JSON) -> JSON:
    context = body["context"] | {"draftOrders": body["context"]["draftOrders"] | {"entry": drafts}}
    return copy.deepcopy(body | {"context": context, "prefetch": prefetch})


class _Watched(dict[str, Any]):
    """An object that notes down what it is asked for, as (kind, member)."""

    def __init__(self, kind: str, members: JSON, asked: set[tuple[str, str]]) -> None:
        super().__init__(members)
        self._kind, self._asked = kind, asked

    def get(self, name: Any, default: Any = None) -> Any:
        self._asked.add((self._kind, name))
        return super().get(name, default)

    def __getitem__(self, name: Any) -> Any:
        self._asked.add((self._kind, name))
        return super().__getitem__(name)

    def __contains__(self, name: Any) -> bool:
        self._asked.add((self._kind, name))
        return super().__contains__(name)


class Watch:
    """What was asked of the objects of a request, and what they have."""

    def __init__(self) -> None:
        self.asked: set[tuple[str, str]] = set()
        self.there: set[tuple[str, str]] = set()

    def over(self, value: Any, kind: str = "") -> Any:
        """The same value, watched."""
        if isinstance(value, list):
            return [self.over(one, kind) for one in value]
        if not isinstance(value, dict):
            return value
        kind = _folded(value, value.get("resourceType", kind))
        self.there |= {(kind, name) for name in value}
        return _Watched(kind, {name: self.over(one, name) for name, one in value.items()}, self.asked)


def _folded(value: JSON, kind: str) -> str:
    """One kind for what is read by the same lines of code."""
    if kind.startswith("Medication") or kind == "ServiceRequest":
        return "order"
    if ("value" in value and "unit" in value) or kind in ("dose", "high", "denominator", "numerator"):
        return "quantity"
    return {"dosageInstruction": "dosage", "concept": "code"}.get(kind, kind)


def _bundle(resources: list[JSON]) -> JSON:
    link = [{"relation": "self", "url": f"https://{CANARY.lower()}.example/fhir"}]
    entries = [{"fullUrl": f"urn:uuid:{r.get('id')}", "resource": r} for r in resources]
    return {"resourceType": "Bundle", "type": "searchset", "total": len(entries), "link": link, "entry": entries}
