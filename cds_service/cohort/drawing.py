"""A synthetic cohort: order-sign calls of people drawn from published frequencies, the same for the same seed.

People are drawn in the order a life goes: age and sex, conditions, the drugs these conditions bring, results, and
then one signing. Which drugs meet in one person follows from the conditions alone; there is no list of pairs.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from random import Random

from cds_service.cohort.chart import finished
from cds_service.cohort.frequencies import Condition, Drug, Frequencies, read_frequencies, share_of
from cds_service.cohort.request import request_of
from cds_service.cohort.values import Order, Person, Signing, Taken
from cds_service.errors import ServiceError

_YEAR = 365


def write_cohort(folder: Path, frequencies: Path, seed: int, patients: int, today: date) -> int:
    """Write one hook call a patient into an empty folder; returns how many. Raises ServiceError otherwise."""
    _empty(folder)
    figures = read_frequencies(frequencies)
    count = 0
    for count, signing in enumerate(draw_signings(figures, seed, patients), start=1):
        body = request_of(signing, f"cohort-{seed}-{count:04}", today)
        (folder / f"{count:04}.json").write_text(json.dumps(body, indent=1) + "\n", encoding="utf-8")
    return count


def draw_signings(figures: Frequencies, seed: int, patients: int) -> Iterator[Signing]:
    """One signing of each of `patients` people."""
    rng = Random(seed)
    for _ in range(patients):
        yield _Draw(rng, figures).signing()


def _empty(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if any(folder.iterdir()):
            raise ServiceError(
                f"{folder}: is not empty. Name a new or an empty folder, so that no file is overwritten."
            )
    except OSError as error:
        raise ServiceError(f"{folder}: cannot be used as a folder ({error.strerror})") from None


@dataclass(frozen=True, slots=True)
class _Draw:
    """The dice and the figures, handed from step to step."""

    rng: Random
    figures: Frequencies

    def signing(self) -> Signing:
        """A person who signs orders (people with more drugs more often), and what is ordered."""
        rule = self.figures.people["signing"]
        person = self._person()
        while self.rng.random() >= (sum(not t.drug.days for t in person.taken) + 1) / rule["chance_per_drug"]["drugs"]:
            person = self._person()
        discharge = self.rng.random() < rule["discharge"]["share"]
        count = rule["discharge"]["orders"] if discharge else self._pick(rule["orders"]["share"]) + 1
        new = rule["discharge"]["new"] if discharge else 1 - rule["renewal"]["share"] - rule["dose_change"]["share"]
        person, orders = self._orders(person, count, new)
        person = replace(person, conditions=(*person.conditions, *self._short_conditions(person, orders)))
        return finished(self.rng, self.figures, Signing(person, orders))

    # --- The person ----------------------------------------------------------------------------------

    def _person(self) -> Person:
        people = self.figures.people
        band = self._pick(people["population"]["thousands"])
        age = self.rng.randint(people["bands"]["from"][band], people["bands"]["to"][band])
        is_female = self.rng.random() < people["female"]["share"][band]
        person = Person(age, band, is_female, conditions=self._conditions(band, is_female))
        return replace(person, taken=self._taken(person))

    def _conditions(self, band: int, is_female: bool) -> tuple[Condition, ...]:
        people = self.figures.people
        shape = people["clustering"]["shape"]
        illness = self.rng.gammavariate(shape, 1 / shape)
        found = []
        for condition in self.figures.conditions.values():
            share = 0.0 if condition.short else share_of(condition, band, is_female, people)
            if share and self.rng.random() < share * illness / (1 - share + share * illness):
                found.append(condition)
        return tuple(found)

    def _taken(self, person: Person) -> tuple[Taken, ...]:
        families: dict[str, list[tuple[Drug, float]]] = {}
        for drug in self.figures.drugs:
            chance = self._expected(drug, person, drug.people) * self.figures.people["use"]["factor"]
            if drug.days:
                chance = self._expected(drug, person, drug.fills) * drug.days / _YEAR
            if chance:
                families.setdefault(drug.family, []).append((drug, min(chance, 0.95)))
        return tuple(Taken(drug, self._since(drug)) for drug in map(self._one_of, families.values()) if drug)

    def _since(self, drug: Drug) -> int:
        return self.rng.randint(1, max(2, drug.days)) if drug.days else self.rng.randint(20, 330)

    def _expected(self, drug: Drug, person: Person, total: float) -> float:
        """The part of a yearly total (people or fills, thousands) that falls on this person."""
        people, had = self.figures.people, {condition.id for condition in person.conditions}
        part = 0.0
        for name, share in drug.uses:
            condition = self.figures.conditions[name]
            weight = float(name in had)
            if condition.short:
                weight = share_of(condition, person.band, person.is_female, people)
            part += total * share * weight / self.figures.carriers[name]
        return part

    def _one_of(self, family: list[tuple[Drug, float]]) -> Drug | None:
        """At most one drug of a family, as often as any of them would be taken."""
        none = 1.0
        for _, chance in family:
            none *= 1 - chance
        if self.rng.random() < none:
            return None
        return family[self._pick([chance for _, chance in family])][0]

    # --- What is ordered -----------------------------------------------------------------------------

    def _orders(self, person: Person, count: int, new: float) -> tuple[Person, tuple[Order, ...]]:
        rule = self.figures.people["signing"]
        changed = rule["dose_change"]["share"] / (rule["dose_change"]["share"] + rule["renewal"]["share"])
        orders: list[Order] = []
        for _ in range(count):
            order = None
            if self.rng.random() >= new:
                order = self._again(person, orders, is_change=self.rng.random() < changed)
            if order is None:
                order = self._new(person, orders)
            if order is not None:
                orders.append(order)
                if order.kind == "start":
                    person = replace(person, taken=tuple(t for t in person.taken if t.drug is not order.drug))
        return person, tuple(orders)

    def _again(self, person: Person, orders: Sequence[Order], is_change: bool) -> Order | None:
        """A renewal of a drug on the chart, or a change of its dose."""
        ordered = {order.drug for order in orders}
        known = [t.drug for t in person.taken if t.drug not in ordered and (t.drug.doubled or not is_change)]
        if not known:
            return None
        linked = self.rng.random() < self.figures.people["signing"]["linked"]["share"]
        return Order(self.rng.choice(known), "change" if is_change else "renewal", linked)

    def _new(self, person: Person, orders: Sequence[Order]) -> Order | None:
        """A short course, or the start of a drug that the person's conditions bring."""
        ordered = {order.drug for order in orders}
        starts = [t.drug for t in person.taken if not t.drug.days and t.drug not in ordered]
        if starts and self.rng.random() >= self.figures.people["signing"]["short_course"]["share"]:
            return Order(self.rng.choice(starts), "start", False)
        held = {t.drug.family for t in person.taken} | {order.drug.family for order in orders}
        courses = [d for d in self.figures.drugs if d.days and d.family not in held]
        chances = [self._expected(drug, person, drug.fills) for drug in courses]
        return Order(courses[self._pick(chances)], "course", False) if any(chances) else None

    def _short_conditions(self, person: Person, orders: Sequence[Order]) -> tuple[Condition, ...]:
        """The short illnesses behind the short courses, each once."""
        drugs = [t.drug for t in person.taken] + [order.drug for order in orders]
        names = dict.fromkeys(drug.uses[0][0] for drug in drugs)
        return tuple(c for c in (self.figures.conditions[name] for name in names) if c.short)

    def _pick(self, weights: Sequence[float]) -> int:
        """A position, as often as its weight says."""
        left = self.rng.random() * sum(weights)
        for position, weight in enumerate(weights):
            left -= weight
            if left < 0:
                return position
        return len(weights) - 1
