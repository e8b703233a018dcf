"""Observations, conditions and the Patient -> facts, or unknown.

Newest result of a final status within its age limit, in one unit. eGFR is the reported value or, when
that is older than the newest creatinine or absent, CKD-EPI 2021 (Inker et al., N Engl J Med 2021;385:1737).
Creatinine clearance is the reported value or Cockcroft-Gault (Nephron 1976;16:31) with actual weight.
The two are different facts: labels are written in CrCl, some guidance in eGFR.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import date, timedelta
from decimal import ROUND_HALF_UP, Decimal

from cds_service.core.values import (
    Chart,
    Coding,
    ConditionEntry,
    ConditionFact,
    ConditionGroup,
    Fact,
    Facts,
    Knowledge,
    LabFact,
    Observation,
    PatientEntry,
)

_HIGHEST = Decimal(10) ** 6
_TENTH = Decimal("0.1")
_ADULT = 18
_TAG = re.compile(r"\s*\((disorder|finding|situation|event)\)\Z")


def gather_facts(chart: Chart, knowledge: Knowledge, today: date) -> Facts:
    """Everything rules may read of this patient today."""
    known: dict[str, Fact] = {}
    age = _age(chart.patient, today)
    if age is not None:
        known["age"] = age
    for lab in knowledge.labs.values():
        fact = _newest(chart.observations, lab, today)
        if fact is not None:
            known[lab.id] = fact
    sex = chart.patient.sex if chart.patient else ""
    _add_kidney(known, sex, knowledge)
    return Facts(
        today=today,
        known=known,
        conditions=_conditions(chart, knowledge, today),
        conditions_seen=chart.seen("conditions"),
        medications_seen=chart.seen("medicationRequests"),
        sex=sex,
        unseen=frozenset(fact for fact, part in knowledge.fact_parts.items() if not chart.seen(part)),
    )


def _age(patient: PatientEntry | None, today: date) -> Fact | None:
    """Completed years. Of a bare year or month of birth the oldest age counts, of a possible child the youngest."""
    if patient is None or patient.born is None or patient.born > today:
        return None
    born = patient.born
    years = today.year - born.year - ((today.month, today.day) < (born.month, born.day))
    if patient.born_precision != "day" and 0 < years < _ADULT:
        years -= 1
    about = "" if patient.born_precision == "day" else "about "
    return Fact("age", Decimal(years), f"age {about}{years}", f"age {about}{years}")


def _newest(observations: tuple[Observation, ...], lab: LabFact, today: date) -> Fact | None:
    """The newest result of this kind that has a date, a known unit and is not too old."""
    best: tuple[date, str, int, Decimal, Observation, Decimal] | None = None
    for observation in observations:
        rank = _rank(observation, lab)
        if rank is None or observation.taken is None or observation.taken > today + timedelta(days=1):
            continue  # a day of grace: the laboratory may be in a time zone that is ahead
        if observation.taken < today - timedelta(days=lab.max_age_days):
            continue
        value = _in_unit(observation, lab)
        if value is None:
            continue
        worse = value if lab.worse_high else -value
        candidate = (observation.taken, observation.instant, -rank, worse, observation, value)
        if best is None or candidate[:4] > best[:4]:
            best = candidate
    if best is None:
        return None
    observation, value = best[4:]
    comparator = observation.quantity.comparator if observation.quantity else ""
    return _lab_fact(lab, value, observation, comparator)


def _rank(observation: Observation, lab: LabFact) -> int | None:
    """Position of its code in the list (preferred first), or None if it is another test."""
    for coding in observation.codings:
        if coding.system == "loinc" and coding.code in lab.loinc:
            return lab.loinc.index(coding.code)
    return None


def _in_unit(observation: Observation, lab: LabFact) -> Decimal | None:
    if lab.positive or lab.negative:
        codes = {c.code for c in observation.value_codings}
        if codes & lab.positive:
            return Decimal(1)
        return Decimal(0) if codes & lab.negative else None
    quantity = observation.quantity
    if quantity is None or not 0 < quantity.value < _HIGHEST:
        return None
    factor = lab.units.get(quantity.unit.strip().lower())
    if not quantity.unit and lab.unit_of_the_test:
        factor = Decimal(1)
    return None if factor is None else quantity.value * factor


def _lab_fact(lab: LabFact, value: Decimal, observation: Observation, comparator: str) -> Fact:
    shown = _plain(value)
    day = observation.taken.isoformat() if observation.taken else ""
    name, unit = lab.name, f" {lab.unit}" if lab.unit else ""
    return Fact(
        lab.id,
        _rounded(value),
        f"{name} {comparator}{shown}{unit} ({day})",
        f"{name} {comparator}{shown}",
        observation.taken,
        comparator,
        observation.instant,
    )


def _rounded(value: Decimal) -> Decimal:
    """To what the card shows, so that a value is never judged by digits nobody sees."""
    places = _TENTH if value >= 10 else Decimal("0.01")
    return value.quantize(places, ROUND_HALF_UP)


def _plain(value: Decimal) -> str:
    text = f"{_rounded(value):f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


# --- Kidney function ---------------------------------------------------------------------------------


def _add_kidney(known: dict[str, Fact], sex: str, knowledge: Knowledge) -> None:
    age, creatinine, weight = known.get("age"), known.get("creatinine"), known.get("weight")
    if age is None or creatinine is None or sex not in ("female", "male"):
        return
    if age.value is None or creatinine.value is None or age.value < 18 or creatinine.comparator:
        return
    years, level = age.value, creatinine.value
    egfr = _rounded(ckd_epi_2021(level, years, sex == "female"))
    if _is_newer(creatinine, known.get("egfr")):
        known["egfr"] = _calculated(knowledge.labs["egfr"], egfr, creatinine, "CKD-EPI 2021", creatinine.text)
    if weight is not None and weight.value is not None and _is_newer(creatinine, known.get("crcl")):
        crcl = _rounded(cockcroft_gault(level, years, weight.value, sex == "female"))
        basis = f"{creatinine.text}, {weight.text}, {age.text}"
        known["crcl"] = _calculated(knowledge.labs["crcl"], crcl, creatinine, "Cockcroft–Gault", basis)


def _is_newer(creatinine: Fact, reported: Fact | None) -> bool:
    if reported is None:
        return True
    if creatinine.taken is None or reported.taken is None:
        return False
    return (creatinine.taken, creatinine.instant) > (reported.taken, reported.instant or creatinine.instant)


def _calculated(lab: LabFact, value: Decimal, basis: Fact, formula: str, inputs: str) -> Fact:
    text = f"{lab.name} {_plain(value)} {lab.unit}, calculated ({formula}) from {inputs}"
    return Fact(lab.id, value, text, f"{lab.name} {_plain(value)}", basis.taken)


def ckd_epi_2021(creatinine: Decimal, age: Decimal, female: bool) -> Decimal:
    """eGFR in mL/min/1.73 m² from creatinine in mg/dL: CKD-EPI 2021, creatinine (Inker 2021, table 2)."""
    kappa, alpha = (0.7, -0.241) if female else (0.9, -0.302)
    ratio = float(creatinine) / kappa
    value = 142 * min(ratio, 1.0) ** alpha * max(ratio, 1.0) ** -1.200 * 0.9938 ** float(age)
    return Decimal(repr(round(value * (1.012 if female else 1.0), 6)))


def cockcroft_gault(creatinine: Decimal, age: Decimal, weight: Decimal, female: bool) -> Decimal:
    """Creatinine clearance in mL/min from mg/dL, years and kg (Cockcroft and Gault 1976)."""
    value = (Decimal(140) - age) * weight / (Decimal(72) * creatinine)
    return max(value * (Decimal("0.85") if female else Decimal(1)), Decimal("0.1"))


# --- Conditions --------------------------------------------------------------------------------------


def _conditions(chart: Chart, knowledge: Knowledge, today: date) -> Mapping[str, tuple[ConditionFact, ...]]:
    found: dict[str, list[ConditionFact]] = {}
    for entry in chart.conditions:
        for group in _groups_of(entry, knowledge):
            onset = entry.onset if entry.onset and entry.onset <= today else None
            since = f" (since {onset.isoformat()})" if onset else ""
            fact = ConditionFact(group.id, f"{group.name}{since}", entry.active, onset)
            found.setdefault(group.id, []).append(fact)
    pregnancy = _newest_pregnancy(chart, knowledge, today)
    if pregnancy is not None:
        found.setdefault("pregnancy", []).append(pregnancy)
    return {group: tuple(sorted(facts, key=_newest_first)) for group, facts in found.items()}


def _newest_first(fact: ConditionFact) -> tuple[bool, str, str]:
    onset = str(fact.onset or "")
    return (not fact.active, "".join(chr(255 - ord(c)) for c in onset), fact.text)


def _groups_of(entry: ConditionEntry, knowledge: Knowledge) -> list[ConditionGroup]:
    """By code; the text counts only where no code is recognised."""
    names = {name for c in entry.codings for name in _coded_groups(c, knowledge)}
    if not names:
        texts = (entry.text, *(c.display for c in entry.codings))
        names = {name for t in texts if t for name in knowledge.condition_index.get(("text", _words(t)), ())}
    return [knowledge.conditions[name] for name in sorted(names)]


def _coded_groups(coding: Coding, knowledge: Knowledge) -> Iterator[str]:
    index = knowledge.condition_index
    if coding.system == "snomed":
        yield from index.get(("snomed", coding.code), ())
    elif coding.system == "icd10":
        code = coding.code.replace(".", "").upper()
        for length in range(1, len(code) + 1):
            for name in index.get(("icd10", code[:length]), ()):
                excluded = knowledge.conditions[name].icd10_not
                if not (excluded and code.startswith(excluded)):
                    yield name


def _words(text: str) -> str:
    """Lower case, without SNOMED's semantic tag: "Asthma (disorder)" is asthma."""
    return _TAG.sub("", " ".join(text.lower().split()))


def _newest_pregnancy(chart: Chart, knowledge: Knowledge, today: date) -> ConditionFact | None:
    lab = knowledge.labs.get("pregnancy_status")
    fact = _newest(chart.observations, lab, today) if lab else None
    if fact is None or fact.value != 1 or fact.taken is None:
        return None
    return ConditionFact("pregnancy", f"pregnant ({fact.taken.isoformat()})", True, fact.taken)
