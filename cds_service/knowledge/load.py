"""Put the knowledge together: read every file, collect every fault, build the indexes."""

from __future__ import annotations

import gc
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from cds_service.core.naming import LEAD_BRAND
from cds_service.core.values import Knowledge, LabFact, Rule, Test
from cds_service.errors import Fault, KnowledgeError
from cds_service.knowledge import supports
from cds_service.knowledge.dictionary import Dictionary, read_dictionary
from cds_service.knowledge.folder import CARD_FOLDERS, SUPPORTS, Folder, read_folder, trusted, unread
from cds_service.knowledge.house_rules import check_cards
from cds_service.knowledge.rules import Builder, Shelf
from cds_service.knowledge.texts import check_texts

_IN_USE = ("active", "silent")
_INPUTS = {"egfr": ("creatinine",), "crcl": ("creatinine", "weight")}


def cards_folder() -> Path:
    """Where the card files are: inside an installed package, else beside it in a checkout."""
    package = Path(__file__).resolve().parent.parent
    installed = package / "_data" / "cards"
    return installed if installed.is_dir() else package.parent / "cards"


def load_knowledge(path: Path) -> Knowledge:
    """Read the `cards/` directory `path`. Raises KnowledgeError with every fault of every file."""
    return knowledge_of(trusted(read_folder(path)))


def knowledge_of(folder: Folder) -> Knowledge:
    """The knowledge a folder holds; every file is checked unless the folder is. Raises as `load_knowledge` does."""
    with _collector_paused():
        return _load(folder)


@contextmanager
def _collector_paused() -> Iterator[None]:
    """A million small values are made and kept; looking for garbage among them takes a tenth of the time."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def _load(folder: Folder) -> Knowledge:
    faults: list[Fault] = []
    dictionary, vocabulary = read_dictionary(folder, faults)
    read = {stem: supports.read_support(folder, stem, faults) for stem in SUPPORTS}
    evidence = supports.read_evidence(folder, faults)
    reasons = supports.reasons(read["override_reasons"])
    topics = supports.topics(read["topics"])
    shelf = Shelf(
        ingredients=dictionary.ingredients,
        groups=dictionary.groups,
        scales=dictionary.scales,
        labs=supports.labs(read["facts"]),
        conditions=supports.conditions(read["facts"]),
        suggestions=supports.suggestions(read["suggestions"], dictionary.ingredients, dictionary.groups, faults),
        reasons=reasons,
        evidence=evidence,
        topics=topics,
        forms={"", *vocabulary.forms},
        brands={LEAD_BRAND, *(brand.lower() for brand in vocabulary.brands.values())},
    )
    faults += _sources(dictionary, evidence)
    faults += supports.unknown_conditions(read["suggestions"], shelf.conditions)
    check_texts(read, faults)
    cards = read_cards(folder, faults)
    built = {name: Builder(name, shelf, faults).rule(card) for name, card in cards.items()}
    if not folder.is_checked:
        faults += unread(folder)
        check_cards(cards, built, read["notices"], faults)
        supports.different_problems(folder, topics, faults)
    rules = tuple(sorted(built.values(), key=lambda rule: rule.id))
    notices = supports.notices(read["notices"], reasons, faults)
    if faults:
        raise KnowledgeError(faults)
    return Knowledge(
        version=folder.version,
        ingredients=dictionary.ingredients,
        groups=dictionary.groups,
        vocabulary=vocabulary,
        labs=shelf.labs,
        conditions=shelf.conditions,
        condition_index=supports.condition_index(shelf.conditions),
        rules=rules,
        rules_by_ingredient=_index(rules),
        by_the_week=_by_the_week(rules),
        suggestions=shelf.suggestions,
        topics=topics,
        notices=notices,
        wording=read["wording"],
        chart_queries=_queries(read["chart"], rules, shelf.labs),
        fact_parts=_fact_parts(read["chart"], shelf.labs),
    )


def card_places(folder: Folder) -> list[str]:
    """The place in the folder of each card file."""
    return [place for part in CARD_FOLDERS for place in folder.under(part, ".yaml")]


def read_cards(folder: Folder, faults: list[Fault]) -> dict[str, Mapping[str, Any]]:
    """Card files that pass the schema, by their name in messages; those of a checked folder without their examples."""
    read = {p: folder.content(p, "card.schema.json", faults, until="examples:") for p in card_places(folder)}
    return {f"cards/{place}": card for place, card in read.items() if card is not None}


def _sources(dictionary: Dictionary, evidence: Mapping[str, Any]) -> list[Fault]:
    """The sources that groups and scales rest on exist."""
    cited = [("groups", g.id, g.sources) for g in dictionary.groups.values()]
    cited += [("scores", s.id, s.sources) for s in dictionary.scales.values()]
    return [
        Fault(f"cards/drugs/{folder}", name, f'source "{key}" is not in cards/evidence/')
        for folder, name, keys in cited
        for key in keys
        if key not in evidence
    ]


def _index(rules: tuple[Rule, ...]) -> dict[str, tuple[int, ...]]:
    """Ingredient -> positions of the rules in use that name it in any slot."""
    found: dict[str, list[int]] = {}
    for position, rule in enumerate(rules):
        if rule.status in _IN_USE:
            for name in {n for slot in rule.slots for n in slot.members}:
                found.setdefault(name, []).append(position)
    return {name: tuple(positions) for name, positions in found.items()}


# --- The chart table -----------------------------------------------------------------------------------


def facts_read(rules: tuple[Rule, ...]) -> set[str]:
    """Names of all numeric facts that rules in use read."""
    names: set[str] = set()
    for rule in rules:
        if rule.status not in _IN_USE:
            continue
        names |= {test.subject for test in _tests_of(rule) if test.kind in ("number", "unknown")}
        if rule.dose:
            names |= {rule.dose.by, rule.dose.stand_in} - {""}
    return names


def _tests_of(rule: Rule) -> list[Test]:
    """Every test of a rule, those inside an `any` too."""
    found = [*rule.when]
    found += [t for v in rule.variants for t in v.when] + [t for m in rule.modifiers for t in m.when]
    for test in found:
        found += [t for branch in test.branches for t in branch]
    return found


_OF_A_WEEK = ("weekly_dose", "weekly_dose_unknown", "days_a_week", "days_a_week_unknown")


def _by_the_week(rules: tuple[Rule, ...]) -> frozenset[str]:
    """The drugs that some rule judges by the dose or the days of a week."""
    asked = [(rule, test.subject) for rule in rules for test in _tests_of(rule) if test.kind in _OF_A_WEEK]
    return frozenset(name for rule, slot in asked for s in rule.slots if s.id == slot for name in s.members)


def _queries(chart: Mapping[str, Any], rules: tuple[Rule, ...], labs: Mapping[str, LabFact]) -> dict[str, str]:
    needed = facts_read(rules) | {"pregnancy_status", "egfr", "qtc", "alt"}
    needed |= {name for fact in tuple(needed) for name in _INPUTS.get(fact, ())}
    codes = ",".join(f"http://loinc.org|{code}" for key in sorted(needed & labs.keys()) for code in labs[key].loinc)
    return {key: entry["query"].replace("{{loinc}}", codes) for key, entry in chart.items()}


def _fact_parts(chart: Mapping[str, Any], labs: Mapping[str, LabFact]) -> dict[str, str]:
    """Fact -> prefetch key it comes from."""
    parts = {fact: key for key, entry in chart.items() for fact in entry["facts"]}
    parts |= {name: parts["labs"] for name in labs if "labs" in parts}
    return parts
