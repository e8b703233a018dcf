"""What was read from FHIR, in neutral form, before any knowledge is applied."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

JSON = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Coding:
    """A FHIR Coding; all three parts may be empty strings."""

    system: str
    code: str
    display: str


@dataclass(frozen=True, slots=True)
class Quantity:
    """A value with the unit as written (code first, then text). `comparator` is "", "<", "<=", ">" or ">="."""

    value: Decimal
    unit: str
    comparator: str = ""


@dataclass(frozen=True, slots=True)
class Dosage:
    """One dosage instruction, as far as it could be read. Empty and None mean "not stated".

    `count`: after how many doses in all it ends.
    `other_doses`: what further `doseAndRate` entries say. `timing_codes` are in capitals.
    `rates` are the speeds of infusion as they are written; no rule reads them.
    """

    text: str = ""
    dose: Quantity | None = None
    other_doses: tuple[Quantity, ...] = ()
    rates: tuple[str, ...] = ()
    frequency: Decimal | None = None
    count: Decimal | None = None
    period: Decimal | None = None
    period_unit: str = ""
    timing_codes: tuple[str, ...] = ()
    times_of_day: tuple[str, ...] = ()
    when: tuple[str, ...] = ()
    days_of_week: tuple[str, ...] = ()
    as_needed: bool = False
    max_per_day: Quantity | None = None
    sequence: int | None = None
    route_codings: tuple[Coding, ...] = ()
    route_text: str = ""
    starts: date | None = None
    ends: date | None = None


@dataclass(frozen=True, slots=True)
class MedicationEntry:
    """One order, statement, dispense or administration in neutral form.

    `key` names it within one request: `Type/id`, or `Type[hash of the content]` where there is no id.
    `rewritable`: it has the one simple instruction that an `update` can change without losing anything. `writable`:
    orders of its version of FHIR can be written at all.
    `problems` are the paths of members that could not be read and that rules depend on. `reference` leads to the
    Medication of a drug that nothing else names.
    """

    key: str
    resource_type: str
    resource_id: str
    is_draft: bool
    selected: bool
    status: str
    codings: tuple[Coding, ...]
    texts: tuple[str, ...]
    reference: str = ""
    ingredient_texts: tuple[tuple[tuple[Coding, ...], str], ...] = ()
    dosages: tuple[Dosage, ...] = ()
    authored: date | None = None
    starts: date | None = None
    ends: date | None = None
    recorded: date | None = None
    supply_days: Decimal | None = None
    prior: str = ""
    setting: str = ""
    problems: tuple[str, ...] = ()
    readable: bool = True
    rewritable: bool = False
    writable: bool = True


@dataclass(frozen=True, slots=True)
class Observation:
    """One laboratory or vital-sign result that is final, amended or corrected."""

    codings: tuple[Coding, ...]
    quantity: Quantity | None
    value_codings: tuple[Coding, ...]
    taken: date | None
    instant: str = ""


@dataclass(frozen=True, slots=True)
class ConditionEntry:
    """One problem of the patient. `active` is False for resolved, inactive or in remission."""

    codings: tuple[Coding, ...]
    text: str
    active: bool
    onset: date | None


@dataclass(frozen=True, slots=True)
class PatientEntry:
    """What rules read of the Patient: birth date (with how exactly it is known) and sex."""

    born: date | None
    born_precision: str
    sex: str


# Why a part of the chart is not there. The five are different things (checklist, section 1.7).
PRESENT, EMPTY, MISSING, FAILED, PARTIAL = "present", "empty", "missing", "failed", "partial"


@dataclass(frozen=True, slots=True)
class Chart:
    """Everything read of the patient's record. `parts` holds the state of each prefetch key."""

    patient: PatientEntry | None
    medications: tuple[MedicationEntry, ...]
    observations: tuple[Observation, ...]
    conditions: tuple[ConditionEntry, ...]
    parts: Mapping[str, str]

    def seen(self, part: str) -> bool:
        """Whether this part was looked up in full (an empty answer is an answer)."""
        return self.parts.get(part) in (PRESENT, EMPTY)


@dataclass(frozen=True, slots=True)
class HookRequest:
    """One hook call, with its order-independent content already in neutral form.

    `card_key` seals the cards' uuids. `may_create`: a new order can be written in the version of FHIR that the client
    reads.
    """

    hook: str
    hook_instance: str
    patient_id: str
    user: str
    encounter_id: str
    drafts: tuple[MedicationEntry, ...]
    service_requests: tuple[tuple[Coding, ...], ...]
    chart: Chart
    card_key: bytes = b""
    may_create: bool = True
