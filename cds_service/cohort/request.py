"""One signing -> the order-sign call a client sends: FHIR R4, prefetch under our keys."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from cds_service.cohort.frequencies import Drug
from cds_service.cohort.values import Listed, Order, Person, Result, Signing, Taken
from cds_service.core.values import JSON

_SERVER = "https://ehr.example.org/fhir/r4"
_RXNORM = "http://www.nlm.nih.gov/research/umls/rxnorm"
_SNOMED = "http://snomed.info/sct"
_ICD10 = "http://hl7.org/fhir/sid/icd-10-cm"
_UCUM = "http://unitsofmeasure.org"
_UNITS = {"tablet": "{tbl}", "capsule": "{capsule}", "film": "{film}", "ml": "mL"}
_WEEK = 7


def request_of(signing: Signing, patient: str, today: date) -> JSON:
    """The body of the hook call of one signing; `patient` is the id of the patient and seeds the other ids."""
    return _Writer(patient, today).body(signing)


@dataclass(frozen=True, slots=True)
class _Writer:
    patient: str
    today: date

    def body(self, signing: Signing) -> JSON:
        person = signing.person
        drafts = [self._draft(order, f"draft-{n}", person) for n, order in enumerate(signing.orders, start=1)]
        return {
            "hook": "order-sign",
            "hookInstance": str(uuid.uuid5(uuid.NAMESPACE_URL, f"{_SERVER}/{self.patient}")),
            "fhirServer": _SERVER,
            "context": {
                "userId": "Practitioner/cohort",
                "patientId": self.patient,
                "draftOrders": {"resourceType": "Bundle", "type": "collection", "entry": self._entries(drafts)},
            },
            "prefetch": self._prefetch(person),
        }

    def _prefetch(self, person: Person) -> JSON:
        taken = list(enumerate(person.taken, start=1))
        return {
            "patient": self._patient(person),
            "medicationRequests": self._found(self._current(t, n) for n, t in taken if not t.stated),
            "medicationStatements": self._found(self._statement(t, n) for n, t in taken if t.stated),
            "medicationDispenses": self._found([]),
            "medicationAdministrations": self._found([]),
            "conditions": self._found(self._condition(p, n) for n, p in enumerate(person.listed, start=1)),
            "observations": self._found(self._observation(r, n) for n, r in enumerate(person.results, start=1)),
        }

    def _found(self, resources: Iterable[JSON]) -> JSON:
        every = list(resources)
        bundle: JSON = {"resourceType": "Bundle", "type": "searchset", "total": len(every)}
        if every:
            bundle["entry"] = [entry | {"search": {"mode": "match"}} for entry in self._entries(every)]
        return bundle

    def _entries(self, resources: Sequence[JSON]) -> list[JSON]:
        return [{"fullUrl": f"{_SERVER}/{r['resourceType']}/{r['id']}", "resource": r} for r in resources]

    def _day(self, days_ago: int) -> str:
        return (self.today - timedelta(days=days_ago)).isoformat()

    @property
    def _subject(self) -> JSON:
        return {"reference": f"Patient/{self.patient}"}

    def _patient(self, person: Person) -> JSON:
        born = date(self.today.year - person.age, 1, 1)
        return {
            "resourceType": "Patient",
            "id": self.patient,
            "active": True,
            "gender": "female" if person.is_female else "male",
            "birthDate": born.isoformat(),
        }

    # --- Medications -----------------------------------------------------------------------------------

    def _draft(self, order: Order, order_id: str, person: Person) -> JSON:
        resource = self._request(order.drug, order.coded, order_id, "draft", 0, twice=order.kind == "change")
        if order.linked:
            position = next(n for n, t in enumerate(person.taken, start=1) if t.drug is order.drug)
            kind = "MedicationStatement" if person.taken[position - 1].stated else "MedicationRequest"
            if kind == "MedicationRequest":
                resource["priorPrescription"] = {"reference": f"{kind}/current-{position}"}
        return resource

    def _current(self, taken: Taken, position: int) -> JSON:
        return self._request(taken.drug, taken.coded, f"current-{position}", "active", taken.since, twice=False)

    def _request(self, drug: Drug, coded: bool, order_id: str, status: str, days_ago: int, twice: bool) -> JSON:
        return {
            "resourceType": "MedicationRequest",
            "id": order_id,
            "status": status,
            "intent": "order",
            "medicationCodeableConcept": _concept(drug, coded),
            "subject": self._subject,
            "authoredOn": self._day(days_ago),
            "requester": {"reference": "Practitioner/cohort"},
            "dosageInstruction": [_dosage(drug, twice)],
        }

    def _statement(self, taken: Taken, position: int) -> JSON:
        return {
            "resourceType": "MedicationStatement",
            "id": f"current-{position}",
            "status": "active",
            "medicationCodeableConcept": _concept(taken.drug, taken.coded),
            "subject": self._subject,
            "effectivePeriod": {"start": self._day(taken.since)},
            "dosage": [_dosage(taken.drug, twice=False)],
        }

    # --- Problems and results --------------------------------------------------------------------------

    def _condition(self, problem: Listed, position: int) -> JSON:
        coded = [(_SNOMED, problem.snomed), (_ICD10, problem.icd10)]
        code: JSON = {"text": problem.name}
        if any(value for _, value in coded):
            code["coding"] = [{"system": system, "code": value} for system, value in coded if value]
        status = {"system": "http://terminology.hl7.org/CodeSystem/condition-clinical", "code": "active"}
        return {
            "resourceType": "Condition",
            "id": f"problem-{position}",
            "clinicalStatus": {"coding": [status]},
            "code": code,
            "subject": self._subject,
        }

    def _observation(self, result: Result, position: int) -> JSON:
        return {
            "resourceType": "Observation",
            "id": f"result-{position}",
            "status": "final",
            "code": {"coding": [{"system": "http://loinc.org", "code": result.loinc}]},
            "subject": self._subject,
            "effectiveDateTime": self._day(result.days_ago),
            "valueQuantity": {"value": result.value, "unit": result.unit, "system": _UCUM, "code": result.unit},
        }


def _concept(drug: Drug, coded: bool) -> JSON:
    concept: JSON = {"text": drug.text}
    if coded:
        concept["coding"] = [{"system": _RXNORM, "code": drug.code, "display": drug.text}]
    return concept


def _dosage(drug: Drug, twice: bool) -> JSON:
    repeat: JSON = {"frequency": drug.times_a_day or 1, "period": 1, "periodUnit": "d"}
    if drug.per_week:
        repeat = {"frequency": drug.per_week, "period": 1, "periodUnit": "wk"}
    if drug.bedtime:
        repeat["when"] = ["HS"]
    dosage: JSON = {"timing": {"repeat": repeat}}
    if drug.as_needed:
        dosage["asNeededBoolean"] = True
    if drug.dose:
        count, _, unit = drug.dose.partition(" ")
        number = int(count) * (2 if twice else 1)
        quantity = {"value": number, "unit": unit, "system": _UCUM, "code": _UNITS[unit.removesuffix("s")]}
        dosage["doseAndRate"] = [{"doseQuantity": quantity}]
    return dosage
