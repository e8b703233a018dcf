"""What the generator of the cohort hands from step to step."""

from __future__ import annotations

from dataclasses import dataclass

from cds_service.cohort.frequencies import Condition, Drug


@dataclass(frozen=True, slots=True)
class Taken:
    """A drug on the chart: since how many days, whether as a statement of the patient, whether coded."""

    drug: Drug
    since: int
    stated: bool = False
    coded: bool = True


@dataclass(frozen=True, slots=True)
class Listed:
    """An entry of the problem list as the chart writes it; an empty code is not sent."""

    name: str
    snomed: str = ""
    icd10: str = ""


@dataclass(frozen=True, slots=True)
class Result:
    """A result or a weight: its LOINC code, value, unit and age in days."""

    loinc: str
    value: float
    unit: str
    days_ago: int


@dataclass(frozen=True, slots=True)
class Order:
    """A draft order. kind: renewal, change (of a dose), start (of a long-term drug) or course (a short one)."""

    drug: Drug
    kind: str
    linked: bool
    coded: bool = True


@dataclass(frozen=True, slots=True)
class Person:
    """One patient and what the chart holds."""

    age: int
    band: int
    is_female: bool
    conditions: tuple[Condition, ...] = ()
    taken: tuple[Taken, ...] = ()
    listed: tuple[Listed, ...] = ()
    results: tuple[Result, ...] = ()


@dataclass(frozen=True, slots=True)
class Signing:
    """A person and the orders of one signing."""

    person: Person
    orders: tuple[Order, ...]
