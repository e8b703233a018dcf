"""Examples of card files -> hook requests, so that a pharmacist's lines become real calls.

Used by the lint, the tests and the command line; the requests go through the same door as a client's.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from cds_service.core.values import JSON, ConditionGroup, Knowledge
from cds_service.fhir.writing import bundle, patient, result

RXNORM = "http://www.nlm.nih.gov/research/umls/rxnorm"
_UNITS = {"mg": "mg", "g": "g", "mcg": "ug", "ml": "mL", "tablet": "{tbl}", "tablets": "{tbl}"}
_UNITS |= {"capsule": "{capsule}", "capsules": "{capsule}", "pill": "{pill}", "pills": "{pill}"}
ROUTES = {
    "oral": ("26643006", "Oral route"),
    "vaginal": ("16857009", "Vaginal route"),
    "rectal": ("37161004", "Rectal route"),
    "topical": ("6064005", "Topical route"),
    "intrathecal": ("72607000", "Intrathecal route"),
    "intramuscular": ("78421000", "Intramuscular route"),
    "intravenous": ("47625008", "Intravenous route"),
    "transdermal": ("45890007", "Transdermal route"),
    "ophthalmic": ("54485002", "Ophthalmic route"),
}
_PATIENT = "example"
Line = str | Mapping[str, Any]


def example_request(example: Mapping[str, Any], knowledge: Knowledge, today: date) -> JSON:
    """The body of the hook call that an example of a card file stands for."""
    hook = example.get("hook", "order-sign")
    facts = example.get("facts", {})
    taking = [_order(line, f"taking-{i}", today, draft=False) for i, line in enumerate(example.get("taking", []))]
    ordering = [_order(line, f"order-{i}", today, draft=True) for i, line in enumerate(example["ordering"])]
    for line, resource in zip(example["ordering"], ordering, strict=True):
        _link_replaced(line, resource, example.get("taking", []))
    context: JSON = {
        "userId": "Practitioner/example",
        "patientId": _PATIENT,
        "draftOrders": bundle(ordering, "collection"),
    }
    if hook == "order-select":
        context["selections"] = [
            f"MedicationRequest/{r['id']}"
            for line, r in zip(example["ordering"], ordering, strict=True)
            if isinstance(line, str) or not line.get("not_selected")
        ]
    return {
        "hook": hook,
        "hookInstance": str(uuid.uuid5(uuid.NAMESPACE_URL, example["name"])),
        "context": context,
        "prefetch": {
            "patient": patient(_PATIENT, facts.get("sex", ""), _age(facts), today),
            "medicationRequests": bundle(taking),
            "medicationStatements": bundle([]),
            "medicationDispenses": bundle([]),
            "medicationAdministrations": bundle([]),
            "conditions": bundle(_conditions(facts, knowledge, today)),
            "observations": bundle(_observations(facts, knowledge, today)),
        },
    }


# --- Orders ------------------------------------------------------------------------------------------


def _order(line: Line, order_id: str, today: date, draft: bool) -> JSON:
    entry = {"drug": line} if isinstance(line, str) else dict(line)
    ended = "stopped_days_ago" in entry or "stopped_unknown" in entry
    status = entry.get("status") or ("draft" if draft else "stopped" if ended else "active")
    order: JSON = {
        "resourceType": "MedicationRequest",
        "id": order_id,
        "status": status,
        "intent": "order",
        "medicationCodeableConcept": _drug(entry),
        "subject": {"reference": f"Patient/{_PATIENT}"},
        "authoredOn": (today if draft else today - timedelta(days=90)).isoformat(),
    }
    if entry.get("no_id"):
        del order["id"]
    dosage = _dosage(entry, today)
    if dosage:
        order["dosageInstruction"] = [dosage]
    return order


def _drug(entry: Mapping[str, Any]) -> JSON:
    concept: JSON = {"text": entry["drug"]}
    if "code" in entry:
        concept["coding"] = [{"system": RXNORM, "code": entry["code"], "display": entry["drug"]}]
    return concept


def _dosage(entry: Mapping[str, Any], today: date) -> JSON:
    dosage: JSON = {}
    repeat = _repeat(entry)
    if "stopped_days_ago" in entry:
        end = today - timedelta(days=entry["stopped_days_ago"])
        repeat["boundsPeriod"] = {"end": end.isoformat()}
    if repeat:
        dosage["timing"] = {"repeat": repeat}
    if "sig" in entry:
        dosage["text"] = entry["sig"]
    if entry.get("as_needed"):
        dosage["asNeededBoolean"] = True
    if "route" in entry:
        code, display = ROUTES[entry["route"]]
        dosage["route"] = {"coding": [{"system": "http://snomed.info/sct", "code": code, "display": display}]}
    if "dose" in entry:
        number, unit = _amount(entry["dose"])
        quantity = {
            "value": number,
            "unit": unit,
            "system": "http://unitsofmeasure.org",
            "code": _UNITS[unit.lower()],
        }
        dosage["doseAndRate"] = [{"doseQuantity": quantity}]
    return dosage


def _repeat(entry: Mapping[str, Any]) -> JSON:
    repeat: JSON = {}
    if "at" in entry:
        repeat["timeOfDay"] = [f"{t}:00" for t in entry["at"]]
    if "bedtime" in entry:
        repeat |= {"frequency": 1, "period": 1, "periodUnit": "d", "when": ["HS"]}
    if "times_a_day" in entry:
        repeat |= {"frequency": entry["times_a_day"], "period": 1, "periodUnit": "d"}
    if "days" in entry:
        repeat["dayOfWeek"] = list(entry["days"])
    if "per_week" in entry:
        repeat |= {"frequency": entry["per_week"], "period": 1, "periodUnit": "wk"}
    return repeat


def _amount(text: str) -> tuple[int | Decimal, str]:
    found = re.match(r"(\d+(?:\.\d+)?)\s*([A-Za-z]+)\Z", text.strip())
    if not found or found.group(2).lower() not in _UNITS:
        raise ValueError(f'dose "{text}" is not a number and one of {", ".join(_UNITS)}')
    number = Decimal(found.group(1))
    return (int(number) if number == int(number) else number), found.group(2)


def _link_replaced(line: Line, order: JSON, taking: list[Line]) -> None:
    if isinstance(line, str) or "replaces" not in line:
        return
    for position, current in enumerate(taking):
        name = current if isinstance(current, str) else current["drug"]
        if name.lower().startswith(str(line["replaces"]).lower()):
            order["priorPrescription"] = {"reference": f"MedicationRequest/taking-{position}"}


# --- Facts -------------------------------------------------------------------------------------------


def _age(facts: Mapping[str, Any]) -> Decimal | None:
    return Decimal(facts["age"]) if "age" in facts else None


def _observations(facts: Mapping[str, Any], knowledge: Knowledge, today: date) -> list[JSON]:
    taken = today - timedelta(days=21)
    labs = [(knowledge.labs[name], value) for name, value in facts.items() if name in knowledge.labs]
    return [result(lab, value, taken, _PATIENT) for lab, value in labs]


def code_of(group: ConditionGroup, knowledge: Knowledge) -> JSON:
    """A coding that stands for this condition and, where there is one, for no other."""
    if not group.snomed and not group.icd10:
        raise ValueError(f"the condition {group.id} has no code")
    if not group.snomed:
        return {"system": "http://hl7.org/fhir/sid/icd-10-cm", "code": group.icd10[0]}
    own = min(group.snomed, key=lambda code: (len(knowledge.condition_index["snomed", code]), code))
    return {"system": "http://snomed.info/sct", "code": own}


def _conditions(facts: Mapping[str, Any], knowledge: Knowledge, today: date) -> list[JSON]:
    found = []
    for position, item in enumerate(facts.get("conditions", [])):
        entry: Mapping[str, Any] = {"condition": item} if isinstance(item, str) else item
        group = knowledge.conditions[entry["condition"]]
        clinical = "resolved" if entry.get("resolved") else "active"
        condition: JSON = {
            "resourceType": "Condition",
            "id": f"problem-{position}",
            "clinicalStatus": {
                "coding": [{"system": "http://terminology.hl7.org/CodeSystem/condition-clinical", "code": clinical}]
            },
            "code": {"coding": [code_of(group, knowledge)]},
            "subject": {"reference": f"Patient/{_PATIENT}"},
        }
        if "days_ago" in entry:
            condition["onsetDateTime"] = (today - timedelta(days=entry["days_ago"])).isoformat()
        found.append(condition)
    return found
