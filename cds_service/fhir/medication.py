"""What the readers of all versions share: a medication record -> MedicationEntry, once its version is known."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Any

from cds_service.core.values import JSON, Coding, MedicationEntry
from cds_service.fhir.dosage import read_dosage
from cds_service.fhir.reading import (
    as_date,
    as_list,
    as_number,
    as_object,
    as_text,
    codings_of,
    later,
    quantity_of,
    reference_id,
)

Resources = Mapping[str, JSON]
ORDERS = frozenset({"MedicationRequest", "MedicationOrder"})
MEDICATION_TYPES = ORDERS | {"MedicationStatement", "MedicationDispense", "MedicationAdministration"}
_SUPPLIED = ("MedicationDispense", "MedicationAdministration")
_READ_BY_RULES = ("dosageInstruction", "dosage", "dispenseRequest")
_INPATIENT = frozenset({"inpatient"})
_DATA_OF_ONE_DOSE = frozenset({"frequencyMax", "periodMax", "offset", "count", "countMax", "duration"})


@dataclass(frozen=True, slots=True)
class Place:
    """Where a record stands in a request: its key, whether it is a draft and selected, and what it may refer to."""

    key: str
    is_draft: bool
    selected: bool
    resources: Resources


@dataclass(frozen=True, slots=True)
class Told:
    """What a version's reader found in the places of that version.

    `concept` or else `reference` name the drug. `status` is that of R4: not-taken, not-done. `rewritable` as in
    MedicationEntry; `writable` is False where no order of the version can be written.
    """

    concept: JSON
    reference: JSON
    status: str
    period: JSON = field(default_factory=dict)
    written_on: Any = None
    rewritable: bool = False
    writable: bool = True


def has_medication(resource: JSON) -> bool:
    """Whether any `medication[x]` is there; a form not filled in yet has none."""
    named = (name for name in resource if "medication" in name and name.lstrip("_").startswith("medication"))
    return any(resource[name] is not None for name in named)


def medication_entry(resource: JSON, place: Place, told: Told) -> MedicationEntry:
    """The record in neutral form. What all versions write alike is read here."""
    kind = as_text(resource.get("resourceType"))
    concept, medication = _drug(resource, told, place.resources)
    handed_over = _handed_over(resource)
    return MedicationEntry(
        key=place.key,
        resource_type=kind,
        resource_id=as_text(resource.get("id")),
        is_draft=place.is_draft,
        selected=place.selected,
        status=_status(resource, kind, told.status),
        codings=codings_of(concept),
        texts=tuple(t for t in (as_text(concept.get("text")), _reference_text(told, concept)) if t),
        reference="" if concept else as_text(told.reference.get("reference")),
        ingredient_texts=_ingredients(medication, resource),
        dosages=tuple(read_dosage(d) for d in _instructions(resource, kind)),
        authored=as_date(told.written_on or resource.get("dateAsserted") or handed_over),
        starts=as_date(told.period.get("start")) or as_date(handed_over),
        ends=_ends(resource, kind, told.period),
        rewritable=told.writable and told.rewritable,
        recorded=as_date(as_object(resource.get("meta")).get("lastUpdated")),
        supply_days=_supply(resource),
        prior=_prior(resource),
        setting=_setting(resource),
        problems=_problems(resource),
        writable=told.writable,
    )


def period_of(resource: JSON, *names: str) -> JSON:
    """The first of `<name>Period` and `<name>DateTime` that is there, as a Period."""
    for name in names:
        period = as_object(resource.get(f"{name}Period"))
        moment = as_text(resource.get(f"{name}DateTime"))
        if period or moment:
            return period or {"start": moment}
    return {}


# --- The drug ----------------------------------------------------------------------------------------


def _drug(resource: JSON, told: Told, resources: Resources) -> tuple[JSON, JSON]:
    """(the concept that names the drug, the Medication resource it came from or {})."""
    if told.concept:
        return told.concept, {}
    medication = _referenced(told.reference, (resource,), resources)
    return as_object(medication.get("code")), medication


def _referenced(reference: JSON, holders: Iterable[JSON], resources: Resources) -> JSON:
    """The resource a reference points to: contained in one of `holders`, or anywhere in the request."""
    target = as_text(reference.get("reference"))
    if target.startswith("#"):
        inside = (as_object(c) for holder in holders for c in as_list(holder.get("contained")))
        return next((c for c in inside if as_text(c.get("id")) == target[1:]), {})
    place = target.split("/_history/")[0].split("/")[-2:]
    return resources.get("/".join(place), {}) if target else {}


def _reference_text(told: Told, concept: JSON) -> str:
    """The display of a reference names the drug where the Medication itself is not to be had."""
    return "" if concept else as_text(told.reference.get("display"))


def _ingredients(medication: JSON, holder: JSON) -> tuple[tuple[tuple[Coding, ...], str], ...]:
    """Codes and name of each ingredient; DSTU2 keeps them in `product`, and each version has its own `item`."""
    listed = (*as_list(medication.get("ingredient")), *as_list(as_object(medication.get("product")).get("ingredient")))
    return tuple(_ingredient(as_object(ingredient), (medication, holder)) for ingredient in listed)


def _ingredient(ingredient: JSON, holders: tuple[JSON, ...]) -> tuple[tuple[Coding, ...], str]:
    item = as_object(ingredient.get("item"))
    concept = as_object(ingredient.get("itemCodeableConcept")) or as_object(item.get("concept"))
    nested = item.get("reference")
    reference = as_object(ingredient.get("itemReference")) or (nested if isinstance(nested, dict) else item)
    concept = concept or as_object(_referenced(reference, holders, {}).get("code"))
    return codings_of(concept), as_text(concept.get("text")) or as_text(reference.get("display"))


# --- Status, dates, supply -----------------------------------------------------------------------------


def _instructions(resource: JSON, kind: str) -> list[Any]:
    return as_list(resource.get("dosageInstruction" if kind in ORDERS or kind == "MedicationDispense" else "dosage"))


def _status(resource: JSON, kind: str, status: str) -> str:
    if resource.get("doNotPerform") is True:
        return "not-done"
    if kind in _SUPPLIED and status in ("completed", "in-progress"):
        return "active"  # handed over or given is not over: the supply or the day given decides
    return status


def _ends(resource: JSON, kind: str, period: JSON) -> date | None:
    if kind == "MedicationAdministration":
        given = as_date(period.get("end") or period.get("start"), latest=True)
        return later(given, 1) if given else None
    if kind == "MedicationDispense":
        begun, days = as_date(_handed_over(resource)), _supply(resource)
        return later(begun, int(days)) if begun and days and 0 < days <= 3660 else None
    return as_date(period.get("end"), latest=True)


def _handed_over(resource: JSON) -> str:
    return as_text(resource.get("whenHandedOver")) or as_text(resource.get("whenPrepared"))


def _supply(resource: JSON) -> Decimal | None:
    request = as_object(resource.get("dispenseRequest"))
    quantity = quantity_of(resource.get("daysSupply") or request.get("expectedSupplyDuration"))
    if quantity is None or quantity.unit.lower() not in ("d", "day", "days", ""):
        return None
    repeats = as_number(request.get("numberOfRepeatsAllowed")) or Decimal(0)
    return quantity.value * (1 + min(max(repeats, Decimal(0)), Decimal(99)))


def _prior(resource: JSON) -> str:
    earlier = resource.get("priorPrescription")
    found = ((kind, reference_id(earlier, kind)) for kind in sorted(ORDERS) if earlier)
    return next((f"{kind}/{own}" for kind, own in found if own), "")


def _setting(resource: JSON) -> str:
    categories = as_list(resource.get("category"))
    words = {c.code.lower() for concept in categories for c in codings_of(concept)}
    words |= {as_text(as_object(concept).get("text")).strip().lower() for concept in categories}
    return "inpatient" if words & _INPATIENT else ""


def _problems(resource: JSON) -> tuple[str, ...]:
    """Members that rules read and that are of the wrong JSON type."""
    wrong = [
        name
        for name in _READ_BY_RULES
        if resource.get(name) is not None and not isinstance(resource[name], (list, dict))
    ]
    wrong += [
        f"dosageInstruction[{i}]"
        for i, d in enumerate(as_list(resource.get("dosageInstruction")))
        if not isinstance(d, dict)
    ]
    return tuple(wrong)


# --- What an update can change -------------------------------------------------------------------------


def plain_instruction(resource: JSON) -> JSON:
    """The one instruction that a suggestion can rewrite without loss, or {}. Where its dose stands is not looked at."""
    instructions = resource.get("dosageInstruction")
    if not isinstance(instructions, list) or len(instructions) != 1 or not isinstance(instructions[0], dict):
        return {}
    dosage = instructions[0]
    timing = dosage.get("timing")
    if not isinstance(timing, dict) or not isinstance(timing.get("repeat"), dict) or timing.get("event"):
        return {}
    filled = as_object(as_object(resource.get("dispenseRequest")).get("initialFill"))
    return {} if _DATA_OF_ONE_DOSE & timing["repeat"].keys() or filled.get("quantity") else dosage


def has_one_dose_and_rate(dosage: JSON) -> bool:
    """Whether the dose stands where R4 and R5 have it: one `doseAndRate` in a list."""
    rates = dosage.get("doseAndRate")
    return isinstance(rates, list) and len(rates) == 1 and isinstance(as_object(rates[0]).get("doseQuantity"), dict)
