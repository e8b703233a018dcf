"""What the card files hold, checked and indexed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any


@dataclass(frozen=True, slots=True)
class Ingredient:
    """A drug of the dictionary. `name` is its key and how cards write it.

    `other_rxnorm`: further codes, where RxNorm has one ingredient under two names.
    """

    name: str
    rxnorm: str
    form_of: str = ""
    other_rxnorm: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Strength:
    """How much of an ingredient is in one unit (`per` empty) or in one `per` of the product."""

    value: Decimal
    unit: str
    per: str = ""


@dataclass(frozen=True, slots=True)
class Product:
    """What a drug name was understood as. `unread` are the words that were not understood.

    `unread_drugs` are those of them that a strength follows: they stand where a drug stands.
    `contradicts`: texts of one order named different drugs; all of them are here.
    """

    ingredients: tuple[str, ...]
    strengths: Mapping[str, Strength]
    form: str
    route: str
    unit: str
    brand: str
    unread: tuple[str, ...] = ()
    unread_drugs: tuple[str, ...] = ()
    contradicts: bool = False
    extended_release: bool = False


@dataclass(frozen=True, slots=True)
class Group:
    """A named list of ingredients, with why they are members and the source keys."""

    id: str
    singular: str
    plural: str
    members: frozenset[str]
    sources: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """Everything needed to read the name of a drug; built from `cards/drugs/`.

    `first_words`, `first_of_forms`: the first word of names, and of dose forms of several words -> the words of the
    longest of them. `hyphenated`: words of names that hold a hyphen.
    `form_groups`: a dose form -> what it is, of RxNorm's dose form groups (oral, transdermal, injectable …).
    `biologicals`: last words of names that take a four-letter suffix; `elements`: what salts are measured in;
    `brand_words`: words that make another product of the brand they follow.
    `weekly` and `daily` are phrases that say in free text how often a drug is taken.
    """

    names: Mapping[str, tuple[str, ...]]
    first_words: Mapping[str, int]
    hyphenated: frozenset[str]
    brands: Mapping[str, str]
    codes: Mapping[tuple[str, str], tuple[str, ...]]
    products: Mapping[str, str]
    forms: Mapping[str, tuple[str, str]]
    form_groups: Mapping[str, str]
    first_of_forms: Mapping[str, int]
    biologicals: frozenset[str]
    elements: frozenset[str]
    brand_words: frozenset[str]
    noise: frozenset[str]
    salts: frozenset[str]
    plain_instruction: frozenset[str]
    units: frozenset[str]
    weekly: frozenset[str]
    daily: frozenset[str]
    routes: Mapping[str, str]
    route_words: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class LabFact:
    """How one laboratory fact is found and written. `units` maps a unit as sent to its factor.

    `unit_of_the_test`: all its codes are reported in one unit, so a result without a unit is in that.
    `worse_high`: of two results of one moment the higher counts (else the lower).
    """

    id: str
    name: str
    unit: str
    max_age_days: int
    loinc: tuple[str, ...]
    units: Mapping[str, Decimal]
    positive: frozenset[str] = frozenset()
    negative: frozenset[str] = frozenset()
    unit_of_the_test: bool = False
    worse_high: bool = False


@dataclass(frozen=True, slots=True)
class ConditionGroup:
    """The codes and exact texts that stand for one condition."""

    id: str
    name: str
    snomed: frozenset[str]
    icd10: tuple[str, ...]
    icd10_not: tuple[str, ...]
    texts: frozenset[str]


@dataclass(frozen=True, slots=True)
class Test:
    """One line of a `when`: `kind` says what is tested, `subject` of what, `bounds` the limits."""

    kind: str
    subject: str = ""
    bounds: tuple[tuple[str, Decimal], ...] = ()
    names: tuple[str, ...] = ()
    days: int = 0
    history: bool = False
    any_route: bool = False
    branches: tuple[tuple[Test, ...], ...] = ()


@dataclass(frozen=True, slots=True)
class Scale:
    """A published scale that gives drugs a score, such as anticholinergic burden. `name` as a card writes it."""

    id: str
    name: str
    scores: Mapping[str, int]
    sources: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Slot:
    """A place in a rule that a drug fills. `members` are the ingredients its groups and names come to.

    `twice`: it is filled by one ingredient that stands in two products. With a `scale` all drugs of the patient
    fill it together, once their scores come to `score_at_least`.
    """

    id: str
    members: frozenset[str]
    label: str
    routes: frozenset[str]
    lower_variable: bool
    washout_days: int = 0
    at_least: int = 1
    except_brands: frozenset[str] = frozenset()
    only_brands: frozenset[str] = frozenset()
    not_in_product_with: frozenset[str] = frozenset()
    forms: frozenset[str] = frozenset()
    except_forms: frozenset[str] = frozenset()
    or_brands: frozenset[str] = frozenset()
    or_drugs: frozenset[str] = frozenset()
    or_extended_release: bool = False
    being: str = ""
    twice: bool = False
    scale: Scale | None = None
    score_at_least: int = 0


@dataclass(frozen=True, slots=True)
class Face:
    """What a rule shows: its best case, or a variant of it."""

    severity: str
    indicator: str
    summary: str
    advice: str
    suggestions: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Variant:
    """Another best case, used instead of the card's own when `when` holds."""

    name: str
    when: tuple[Test, ...]
    face: Face
    apply_modifiers: bool


@dataclass(frozen=True, slots=True)
class Modifier:
    """A patient fact that raises a rule. `severity` and `indicator` are what it raises to."""

    name: str
    when: tuple[Test, ...]
    severity: str
    indicator: str
    because: str
    advice: str = ""
    suggestions: tuple[str, ...] = ()
    replaces_advice: bool = False


@dataclass(frozen=True, slots=True)
class DoseBand:
    """The labelled limit for one range of kidney function.

    `max_per_day` is in mg per day; with `proportional_to` it is multiplied by value / proportional_to.
    """

    label: str
    above: Decimal | None
    at_least: Decimal | None
    below: Decimal | None
    at_most: Decimal | None
    max_per_day: Decimal
    min_per_day: Decimal | None
    doses_per_day: tuple[int, ...]
    proportional_to: Decimal | None = None


@dataclass(frozen=True, slots=True)
class DoseLimit:
    """A dose rule: the slot whose dose is judged, the fact its bands are in, and the bands from best to worst.

    `unknown_is_above`: an order whose dose cannot be worked out counts as above the limit.
    """

    slot: str
    by: str
    stand_in: str
    bands: tuple[DoseBand, ...]
    minimum_age: int = 0
    unknown_is_above: bool = False


@dataclass(frozen=True, slots=True)
class EvidenceUse:
    """A source and what it supports in this rule."""

    key: str
    title: str
    url: str
    kind: str
    supports: str


@dataclass(frozen=True, slots=True)
class OverrideReason:
    """A reason a prescriber may give for going on; `code` and `system` stay the same across releases."""

    id: str
    code: str
    system: str
    display: str


@dataclass(frozen=True, slots=True)
class Rule:
    """A loaded card file."""

    id: str
    title: str
    version: int
    status: str
    topic: str
    slots: tuple[Slot, ...]
    when: tuple[Test, ...]
    consequence: str
    face: Face
    variants: tuple[Variant, ...]
    modifiers: tuple[Modifier, ...]
    dose: DoseLimit | None
    quiet_renewal: bool
    show_minor: bool
    certainty: str
    override_reasons: tuple[OverrideReason, ...]
    evidence: tuple[EvidenceUse, ...]
    reviewed: str


@dataclass(frozen=True, slots=True)
class StaggerLimits:
    """How the doses of one drug may be moved; hours. From `suggestions.yaml`."""

    min_gap: int
    max_gap: int


@dataclass(frozen=True, slots=True)
class OrderedTest:
    """An order to create: its template, and the codes that mean it. `name` is "" where the button names it itself."""

    name: str
    resource: Mapping[str, Any]
    already_ordered: frozenset[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class SuggestionPlan:
    """A suggestion a card may offer, as `cards/suggestions.yaml` describes it."""

    id: str
    kind: str
    label: str
    description: str
    note: str = ""
    tests: tuple[OrderedTest, ...] = ()
    satisfied_by: tuple[str, ...] = ()
    limits: Mapping[str, StaggerLimits] = field(default_factory=dict)
    anchors: Mapping[str, str] = field(default_factory=dict)
    assumed_times: Mapping[int, tuple[str, ...]] = field(default_factory=dict)
    waking: tuple[str, str] = ("07:00", "22:00")
    min_distance_hours: int = 2
    min_hours_after: int | None = None
    not_with_drugs: frozenset[str] = frozenset()
    not_with_conditions: frozenset[str] = frozenset()
    not_brands: frozenset[str] = frozenset()
    needs_egfr: Decimal | None = None
    never_stop_abruptly: frozenset[str] = frozenset()
    due_in_days: tuple[int, int] | None = None
    stands_in_for: frozenset[str] = frozenset()
    alternative: Ingredient | None = None


@dataclass(frozen=True, slots=True)
class Topic:
    """What one merged card is about."""

    id: str
    name: str


@dataclass(frozen=True, slots=True)
class Notice:
    """A card about the check itself (an order that was not read, a chart that was not there)."""

    id: str
    version: int
    topic: str
    indicator: str
    summary: str
    detail: str
    override_reasons: tuple[OverrideReason, ...]


@dataclass(frozen=True, slots=True)
class Knowledge:
    """Everything the core knows, frozen at start. `version` is a hash of all card files.

    `silenced` are the ids of rules that are switched off for now: they are judged and named, but not shown.
    """

    version: str
    ingredients: Mapping[str, Ingredient]
    groups: Mapping[str, Group]
    vocabulary: Vocabulary
    labs: Mapping[str, LabFact]
    conditions: Mapping[str, ConditionGroup]
    condition_index: Mapping[tuple[str, str], tuple[str, ...]]
    rules: tuple[Rule, ...]
    rules_by_ingredient: Mapping[str, tuple[int, ...]]
    by_the_week: frozenset[str]
    suggestions: Mapping[str, SuggestionPlan]
    topics: Mapping[str, Topic]
    notices: Mapping[str, Notice]
    wording: Mapping[str, str]
    chart_queries: Mapping[str, str]
    fact_parts: Mapping[str, str]
    silenced: frozenset[str] = frozenset()
