"""The reader for FHIR R4 and R4B: resources -> values. Other versions are one more module like this."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from cds_service.core.values import (
    JSON,
    Coding,
    ConditionEntry,
    Dosage,
    MedicationEntry,
    Observation,
    PatientEntry,
    Quantity,
)
from cds_service.fhir.reading import (
    as_date,
    as_instant,
    as_list,
    as_number,
    as_object,
    as_text,
    as_texts,
    codings_of,
    compared_number,
    later,
    quantity_of,
    reference_id,
)

_FINAL = frozenset({"final", "amended", "corrected"})
_OVER = frozenset({"inactive", "remission", "resolved"})
_NOT_TRUE = frozenset({"refuted", "entered-in-error"})
_INPATIENT = frozenset({"inpatient"})
_READ_BY_RULES = ("dosageInstruction", "dosage", "dispenseRequest")

Resources = Mapping[str, JSON]


def has_medication(resource: JSON) -> bool:
    """Whether any `medication[x]` is there; a form not filled in yet has none."""
    return any(name.lstrip("_").startswith("medication") and value is not None for name, value in resource.items())


def read_medication(resource: JSON, key: str, is_draft: bool, selected: bool, resources: Resources) -> MedicationEntry:
    """A MedicationRequest, -Statement, -Dispense or -Administration in neutral form.

    `resources` resolves a `medicationReference` ("Type/id" to resource); `contained` is looked at first.
    """
    kind = as_text(resource.get("resourceType"))
    concept, medication = _medication(resource, resources)
    texts = tuple(t for t in (as_text(concept.get("text")), *_reference_texts(resource, concept)) if t)
    dosages = tuple(_dosage(d) for d in as_list(resource.get("dosageInstruction" if "Request" in kind else "dosage")))
    if kind in ("MedicationDispense",):
        dosages = tuple(_dosage(d) for d in as_list(resource.get("dosageInstruction")))
    period = _period(resource)
    return MedicationEntry(
        key=key,
        resource_type=kind,
        resource_id=as_text(resource.get("id")),
        is_draft=is_draft,
        selected=selected,
        status=_status(resource, kind),
        codings=codings_of(concept),
        texts=texts,
        ingredient_texts=_ingredients(medication),
        dosages=dosages,
        authored=as_date(resource.get("authoredOn") or resource.get("dateAsserted") or _handed_over(resource)),
        starts=as_date(period.get("start")) or _handed_over_date(resource),
        ends=_ends(resource, kind, period),
        rewritable=_is_plain(resource),
        recorded=as_date(as_object(resource.get("meta")).get("lastUpdated")),
        supply_days=_supply(resource),
        prior=_prior(resource),
        setting=_setting(resource),
        problems=_problems(resource),
    )


def _medication(resource: JSON, resources: Resources) -> tuple[JSON, JSON]:
    """(the concept that names the drug, the Medication resource it came from or {})."""
    concept = as_object(resource.get("medicationCodeableConcept"))
    concept = concept or as_object(as_object(resource.get("medication")).get("concept"))
    if concept:
        return concept, {}
    reference = as_text(as_object(resource.get("medicationReference")).get("reference"))
    if reference.startswith("#"):
        for contained in as_list(resource.get("contained")):
            if as_text(as_object(contained).get("id")) == reference[1:]:
                return as_object(contained.get("code")), contained
        return {}, {}
    found = resources.get("/".join(reference.split("/_history/")[0].split("/")[-2:]), {}) if reference else {}
    return as_object(found.get("code")), found


def _reference_texts(resource: JSON, concept: JSON) -> tuple[str, ...]:
    """The display of a reference names the drug where the Medication itself is not to be had."""
    reference = as_object(resource.get("medicationReference"))
    return (as_text(reference.get("display")),) if reference and not concept else ()


def _ingredients(medication: JSON) -> tuple[tuple[tuple[Coding, ...], str], ...]:
    found = []
    for ingredient in as_list(medication.get("ingredient")):
        item = as_object(ingredient)
        concept = as_object(item.get("itemCodeableConcept"))
        display = as_text(as_object(item.get("itemReference")).get("display"))
        found.append((codings_of(concept), as_text(concept.get("text")) or display))
    return tuple(found)


def _status(resource: JSON, kind: str) -> str:
    status = as_text(resource.get("status"))
    if resource.get("doNotPerform") is True:
        return "not-done"
    if kind in ("MedicationDispense", "MedicationAdministration") and status in ("completed", "in-progress"):
        return "active"  # handed over or given is not over: the supply or the day given decides
    return status


def _period(resource: JSON) -> JSON:
    period = as_object(resource.get("effectivePeriod"))
    if period:
        return period
    moment = as_text(resource.get("effectiveDateTime"))
    return {"start": moment} if moment else {}


def _ends(resource: JSON, kind: str, period: JSON) -> Any:
    if kind == "MedicationAdministration":
        given = as_date(period.get("end") or period.get("start"), latest=True)
        return later(given, 1) if given else None
    if kind == "MedicationDispense":
        begun, days = as_date(_handed_over(resource)), _supply(resource)
        return later(begun, int(days)) if begun and days and 0 < days <= 3660 else None
    return as_date(period.get("end"), latest=True)


def _handed_over(resource: JSON) -> str:
    return as_text(resource.get("whenHandedOver")) or as_text(resource.get("whenPrepared"))


def _handed_over_date(resource: JSON) -> Any:
    return as_date(_handed_over(resource))


def _supply(resource: JSON) -> Decimal | None:
    request = as_object(resource.get("dispenseRequest"))
    quantity = quantity_of(resource.get("daysSupply") or request.get("expectedSupplyDuration"))
    if quantity is None or quantity.unit.lower() not in ("d", "day", "days", ""):
        return None
    repeats = as_number(request.get("numberOfRepeatsAllowed")) or Decimal(0)
    return quantity.value * (1 + min(max(repeats, Decimal(0)), Decimal(99)))


def _prior(resource: JSON) -> str:
    found = reference_id(resource.get("priorPrescription"), "MedicationRequest")
    return f"MedicationRequest/{found}" if found else ""


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


_DATA_OF_ONE_DOSE = frozenset({"frequencyMax", "periodMax", "offset", "count", "countMax", "duration"})


def _is_plain(resource: JSON) -> bool:
    """Whether the order has one instruction of the simple shape that a suggestion can rewrite without loss."""
    instructions = resource.get("dosageInstruction")
    if (
        "medication" in resource
        or not isinstance(instructions, list)
        or len(instructions) != 1
        or not isinstance(instructions[0], dict)
    ):
        return False
    dosage = instructions[0]
    timing, rates = dosage.get("timing"), dosage.get("doseAndRate", [])
    if not isinstance(timing, dict) or not isinstance(timing.get("repeat"), dict) or timing.get("event"):
        return False
    if not isinstance(rates, list) or len(rates) != 1 or not isinstance(as_object(rates[0]).get("doseQuantity"), dict):
        return False
    filled = as_object(as_object(resource.get("dispenseRequest")).get("initialFill"))
    return not (_DATA_OF_ONE_DOSE & timing["repeat"].keys() or filled.get("quantity"))


# --- Dosage ------------------------------------------------------------------------------------------


def _dosage(value: Any) -> Dosage:
    dosage = as_object(value)
    timing = as_object(dosage.get("timing"))
    repeat = as_object(timing.get("repeat"))
    route = as_object(dosage.get("route"))
    bounds = as_object(repeat.get("boundsPeriod"))
    return Dosage(
        text=" ".join(filter(None, (as_text(dosage.get("text")), as_text(dosage.get("patientInstruction"))))),
        dose=_dose(dosage),
        frequency=as_number(repeat.get("frequencyMax")) or as_number(repeat.get("frequency")),
        period=as_number(repeat.get("period")),
        period_unit=as_text(repeat.get("periodUnit")),
        timing_codes=tuple(c.code for c in codings_of(timing.get("code"))),
        times_of_day=as_texts(repeat.get("timeOfDay")),
        when=as_texts(repeat.get("when")),
        days_of_week=as_texts(repeat.get("dayOfWeek")),
        as_needed=dosage.get("asNeededBoolean") is True or bool(as_object(dosage.get("asNeededCodeableConcept"))),
        max_per_day=_max_per_day(dosage),
        sequence=_sequence(dosage),
        route_codings=codings_of(route),
        route_text=as_text(route.get("text")),
        starts=as_date(bounds.get("start")),
        ends=as_date(bounds.get("end"), latest=True),
    )


def _dose(dosage: JSON) -> Quantity | None:
    """The dose, or the upper end of a range. Published samples put it in three places."""
    places = [*as_list(dosage.get("doseAndRate")), dosage]
    for place in map(as_object, places):
        plain = quantity_of(place.get("doseQuantity")) or quantity_of(place.get("dose"))
        high = quantity_of(as_object(place.get("doseRange")).get("high"))
        if plain or high:
            return high or plain
    return None


_HOURS = {"h": 1, "hour": 1, "hours": 1, "d": 24, "day": 24, "days": 24, "wk": 168, "week": 168, "weeks": 168}


def _max_per_day(dosage: JSON) -> Quantity | None:
    """The most that may be taken on a day. A limit for a longer period may all be taken on one of its days."""
    for ratio in map(as_object, as_list(dosage.get("maxDosePerPeriod"))):
        top, bottom = quantity_of(ratio.get("numerator")), quantity_of(ratio.get("denominator"))
        hours = _HOURS.get(bottom.unit.lower()) if bottom else None
        if top is None or bottom is None or hours is None or bottom.value <= 0:
            continue
        span = bottom.value * hours
        return Quantity(top.value * 24 / span, top.unit) if span < 24 else top
    return None


def _sequence(dosage: JSON) -> int | None:
    number = as_number(dosage.get("sequence"))
    return int(number) if number is not None and number == int(number) else None


# --- Patient, results and problems ---------------------------------------------------------------------


def read_patient(resource: JSON) -> PatientEntry:
    """Birth date and administrative sex. A bare year or month counts as its first day."""
    text = as_text(resource.get("birthDate"))
    gender = as_text(resource.get("gender"))
    return PatientEntry(
        born=as_date(text),
        born_precision={4: "year", 7: "month"}.get(len(text), "day"),
        sex=gender if gender in ("female", "male") else "",
    )


def read_observation(resource: JSON) -> Observation | None:
    """A result of a final status, or None."""
    if as_text(resource.get("status")) not in _FINAL:
        return None
    moment = resource.get("effectiveDateTime") or resource.get("effectiveInstant")
    moment = moment or as_object(resource.get("effectivePeriod")).get("end") or resource.get("issued")
    return Observation(
        codings=codings_of(resource.get("code")),
        quantity=quantity_of(resource.get("valueQuantity")) or _written_quantity(resource),
        value_codings=codings_of(resource.get("valueCodeableConcept")),
        taken=as_date(moment),
        instant=as_instant(moment),
    )


def _written_quantity(resource: JSON) -> Quantity | None:
    """`valueString: ">60"`: laboratories report a limit that way, without a unit."""
    found = compared_number(as_text(resource.get("valueString")))
    if found is None:
        return None
    number, comparator = found
    return Quantity(number, "", comparator)


def read_condition(resource: JSON) -> ConditionEntry | None:
    """A problem that is not refuted or entered in error, or None."""
    verification = {c.code for c in codings_of(resource.get("verificationStatus"))}
    if verification & _NOT_TRUE:
        return None
    clinical = {c.code.lower() for c in codings_of(resource.get("clinicalStatus"))}
    onset = resource.get("onsetDateTime") or as_object(resource.get("onsetPeriod")).get("start")
    concept = resource.get("code")
    return ConditionEntry(
        codings=codings_of(concept),
        text=as_text(as_object(concept).get("text")),
        active=not clinical & _OVER,
        onset=as_date(onset or resource.get("recordedDate"), latest=True),
    )
