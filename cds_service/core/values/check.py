"""What the steps make of a request: medications, facts, findings, suggestions, cards."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from cds_service.core.values.chart import MedicationEntry, Quantity
from cds_service.core.values.knowledge import DoseBand, Face, Ingredient, OverrideReason, Product, Rule


@dataclass(frozen=True, slots=True)
class DailyDose:
    """The dose of one ingredient on its highest day, in mg, or why it could not be worked out."""

    mg: Decimal | None
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Medication:
    """A drug being ordered, stopped, or taken, with its name understood.

    `role`: ordering, stopping (its stop order is among the drafts), taking, stopped.
    `daily` and `weekly` are mg of each ingredient; `days_a_week` None means that no schedule is stated. The week is
    worked out only for drugs that a rule judges by it.
    `label` is how the request names it, for drugs that could not be read.
    `form_group` is the dose form group of its form (oral, transdermal …), "" where no form says so.
    """

    entry: MedicationEntry
    role: str
    ingredients: tuple[str, ...]
    product: Product | None
    label: str
    unread: tuple[str, ...]
    disagrees: bool
    route: str
    daily: Mapping[str, DailyDose]
    weekly: Mapping[str, DailyDose]
    days_a_week: Decimal | None
    doses_per_day: int | None
    times: tuple[str, ...]
    times_stated: bool
    stopped_on: date | None = None
    replaced: bool = False
    form_group: str = ""

    @property
    def is_new(self) -> bool:
        """Being ordered in this session (for order-select: and selected)."""
        return self.role in ("ordering", "stopping") and self.entry.selected

    @property
    def kind_of_product(self) -> tuple[object, ...]:
        """The same drugs by the same route and release. The form group is told beside it, for it may be unknown."""
        return self.ingredients, self.route, self.is_lasting

    @property
    def is_lasting(self) -> bool:
        """Whether its name calls it extended release."""
        return self.product is not None and self.product.extended_release

    @property
    def states_form(self) -> bool:
        """Whether its name says in what form it is given, or at least that it is a lasting one."""
        return self.is_lasting or (self.product is not None and bool(self.product.form))

    @property
    def was_taken(self) -> bool:
        """In use when this session began, even if the session ends or replaces it."""
        return self.role == "taking" or self.replaced


@dataclass(frozen=True, slots=True)
class Fact:
    """One known fact of this patient, with how it is written on a card."""

    id: str
    value: Decimal | None
    text: str
    short: str
    taken: date | None = None
    comparator: str = ""
    instant: str = ""


@dataclass(frozen=True, slots=True)
class ConditionFact:
    """A condition found in the chart."""

    group: str
    text: str
    active: bool
    onset: date | None


@dataclass(frozen=True, slots=True)
class Facts:
    """All facts of one patient on one day. A fact that is not in `known` is unknown.

    `unseen` are the facts whose part of the chart was not there to look at.
    """

    today: date
    known: Mapping[str, Fact]
    conditions: Mapping[str, tuple[ConditionFact, ...]]
    conditions_seen: bool
    medications_seen: bool
    sex: str
    unseen: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Participant:
    """A drug in its slot. `ingredient` is the one of its ingredients that filled the slot."""

    slot: str
    medication: Medication
    ingredient: str


@dataclass(frozen=True, slots=True)
class Reason:
    """A modifier that held: why this patient is at more risk, with the facts it rests on."""

    name: str
    because: str
    facts: tuple[Fact, ...]


@dataclass(frozen=True, slots=True)
class Missing:
    """A fact that is not on file, and the modifier (or rule) that could not be judged without it."""

    fact: str
    would: str
    indicator: str


@dataclass(frozen=True, slots=True)
class DoseFinding:
    """A dose above (or not comparable with) the labelled limit.

    `certain` is False where the kidney function the limit depends on is unknown or stood in for. `taken` is the part
    of `daily` that other products bring which are taken already (mg per day).
    """

    daily: Decimal | None
    limit: Decimal
    fact: Fact | None
    stands_in: bool
    band: DoseBand
    certain: bool
    not_used: Fact | None = None
    problem: str = ""
    taken: Decimal = Decimal(0)


@dataclass(frozen=True, slots=True)
class Finding:
    """A rule that matched, with what it matched on. `orders` are the keys of the draft orders it is about."""

    rule: Rule
    participants: tuple[Participant, ...]
    orders: tuple[str, ...]
    severity: str
    indicator: str
    face: Face
    advice: tuple[str, ...]
    suggestions: tuple[str, ...]
    reasons: tuple[Reason, ...]
    missing: tuple[Missing, ...]
    renewal: bool
    variant: str = ""
    dose: DoseFinding | None = None
    given: tuple[Fact, ...] = ()
    deciding: tuple[Fact, ...] = ()

    @property
    def has_partner(self) -> bool:
        """Whether it is about more than one drug."""
        return len({p.ingredient for p in self.participants}) > 1

    @property
    def dosed(self) -> Participant:
        """The drug whose dose the rule judges; without a dose rule the first one."""
        slot = self.rule.dose.slot if self.rule.dose else ""
        return next((p for p in self.participants if p.slot == slot), self.participants[0])


@dataclass(frozen=True, slots=True)
class Regimen:
    """A dose to change an order to: units (or mg) per dose and doses per day."""

    dose: Quantity
    doses_per_day: int
    mg_per_day: Decimal


@dataclass(frozen=True, slots=True)
class OrderChange:
    """What an `update` does to a draft order; None leaves that part as it is.

    A new `drug` leaves the order without a dosage: the old one was that of another drug.
    """

    regimen: Regimen | None = None
    times: tuple[str, ...] = ()
    drug: Ingredient | None = None


@dataclass(frozen=True, slots=True)
class Action:
    """One CDS Hooks action, before it is written as FHIR."""

    type: str
    description: str
    order_key: str = ""
    change: OrderChange | None = None
    resource: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Suggestion:
    """What the prescriber may take with one click."""

    id: str
    kind: str
    label: str
    actions: tuple[Action, ...]
    note: str = ""


@dataclass(frozen=True, slots=True)
class CardOrigin:
    """What a card came from and how loud it was: its leading rule (or notice), that rule's version, the indicator."""

    rule: str
    version: int
    indicator: str


@dataclass(frozen=True, slots=True)
class Card:
    """A composed card; `fhir` turns its actions into resources and `web` writes it as JSON."""

    uuid: str
    summary: str
    detail: str
    indicator: str
    topic: str
    topic_name: str
    suggestions: tuple[Suggestion, ...]
    selection_behavior: str
    override_reasons: tuple[OverrideReason, ...]
    links: tuple[tuple[str, str], ...]
    rules: tuple[tuple[str, int, str, str], ...]
    orders: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Evaluation:
    """The answer of the core to one hook request.

    `scope` says in one line what was checked with what, `medications` what each order and chart entry was read as.
    `unshown` are findings that are counted and not shown, those of silenced rules among them; `silenced` are the ids
    of the silenced rules that would have shown a card. `not_checked` are new orders that were not read, or not in
    full, each with why.
    """

    scope: str
    medications: tuple[Medication, ...]
    cards: tuple[Card, ...]
    findings: tuple[Finding, ...]
    unshown: tuple[Finding, ...]
    not_checked: tuple[tuple[str, str], ...]
    silenced: tuple[str, ...] = ()
