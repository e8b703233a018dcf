"""The frequency files of the synthetic cohort (`fixtures/cohort`), read into values.

Figures, their sources and their reasons stand in the files; nothing here knows a drug, a condition or a share.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

FILES = ("people.yaml", "conditions.yaml", "drugs.yaml", "sources.yaml")


@dataclass(frozen=True, slots=True)
class Condition:
    """A condition: how common it is in each age band, or how its short courses are spread over the bands."""

    id: str
    name: str
    snomed: str
    icd10: str
    short: bool
    share: tuple[float, ...]
    only: str
    female: float


@dataclass(frozen=True, slots=True)
class Drug:
    """A product as a chart writes it, and how many thousand adults take it a year and for what."""

    text: str
    code: str
    family: str
    dose: str
    times_a_day: int
    per_week: int
    bedtime: bool
    as_needed: bool
    over_the_counter: bool
    doubled: bool
    people: float
    fills: float
    days: int
    uses: tuple[tuple[str, float], ...]


@dataclass(frozen=True, slots=True)
class Frequencies:
    """All figures the generator draws from. `carriers`: thousands of adults with each condition."""

    people: Mapping[str, Any]
    conditions: Mapping[str, Condition]
    drugs: tuple[Drug, ...]
    carriers: Mapping[str, float]


def read_frequencies(folder: Path) -> Frequencies:
    """The figures of one folder of frequency files."""
    people, conditions, drugs, _ = (yaml.safe_load((folder / name).read_text(encoding="utf-8")) for name in FILES)
    known = {name: _condition(name, entry) for name, entry in conditions.items()}
    return Frequencies(
        people=people,
        conditions=known,
        drugs=tuple(_drug(entry, people["fills_per_person"]["count"]) for entry in drugs),
        carriers={name: _carriers(condition, people) for name, condition in known.items()},
    )


def share_of(condition: Condition, band: int, is_female: bool, people: Mapping[str, Any]) -> float:
    """How common a condition is in people of one age band and sex."""
    share = condition.share[band]
    if condition.only:
        return share if is_female == (condition.only == "female") else 0.0
    if is_female:
        return share * condition.female
    women = people["female"]["share"][band]
    return max(0.0, float(share * (1 - women * condition.female) / (1 - women)))


def _carriers(condition: Condition, people: Mapping[str, Any]) -> float:
    total = 0.0
    for band, thousands in enumerate(people["population"]["thousands"]):
        women = people["female"]["share"][band]
        total += thousands * women * share_of(condition, band, True, people)
        total += thousands * (1 - women) * share_of(condition, band, False, people)
    return total


def _condition(name: str, entry: Mapping[str, Any]) -> Condition:
    return Condition(
        id=name,
        name=entry["name"],
        snomed=entry.get("snomed", ""),
        icd10=entry.get("icd10", ""),
        short="profile" in entry,
        share=tuple(entry["profile"] if "profile" in entry else entry["share"]),
        only=entry.get("only", ""),
        female=entry.get("female", 1.0),
    )


def _drug(entry: Mapping[str, Any], fills_per_person: float) -> Drug:
    adults = entry.get("adults", 1.0)
    return Drug(
        text=entry["drug"],
        code=entry.get("rxnorm", ""),
        family=entry["class"],
        dose=entry.get("dose", ""),
        times_a_day=entry.get("times_a_day", 0),
        per_week=entry.get("per_week", 0),
        bedtime=entry.get("bedtime", False),
        as_needed=entry.get("as_needed", False),
        over_the_counter=entry.get("over_the_counter", False),
        doubled=entry.get("doubled", False),
        people=adults * entry.get("people", entry["fills"] / fills_per_person),
        fills=adults * entry["fills"],
        days=entry.get("days", 0),
        uses=tuple(entry["for"].items()),
    )
