"""The files beside the cards: facts, suggestions, notices, override reasons, evidence, topics, chart."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from cds_service.core.values import (
    ConditionGroup,
    Group,
    Ingredient,
    LabFact,
    Notice,
    OrderedTest,
    OverrideReason,
    StaggerLimits,
    SuggestionPlan,
    Topic,
)
from cds_service.errors import Fault
from cds_service.knowledge.folder import Folder

_SCHEMA = "supports.schema.json"


def read_support(folder: Folder, stem: str, faults: list[Fault]) -> dict[str, Any]:
    """The checked content of `cards/<stem>.yaml`, or {} with its faults noted."""
    return folder.content(f"{stem}.yaml", _SCHEMA, faults, stem) or {}


def read_evidence(folder: Folder, faults: list[Fault]) -> dict[str, Any]:
    """All sources of `cards/evidence/`, by key; a key stands in one file only."""
    found: dict[str, Any] = {}
    for place in folder.under("evidence", ".yaml"):
        content = folder.content(place, _SCHEMA, faults, "evidence") or {}
        for key in sorted(content.keys() & found.keys()):
            faults.append(Fault(f"cards/{place}", key, "stands in another file of cards/evidence/ already"))
        found.update(content)
    return found


def labs(content: Mapping[str, Any]) -> dict[str, LabFact]:
    """Laboratory facts; units are matched in lower case."""
    return {
        key: LabFact(
            id=key,
            name=entry["name"],
            unit=entry.get("unit", ""),
            max_age_days=entry["max_age_days"],
            loinc=tuple(entry["loinc"]),
            units={u.lower(): Decimal(f) for u, f in entry.get("units", {}).items()},
            positive=frozenset(entry.get("positive", ())),
            negative=frozenset(entry.get("negative", ())),
            worse_high=entry.get("worse") == "high",
            unit_of_the_test=entry.get("unit_of_the_test", False),
        )
        for key, entry in content.get("labs", {}).items()
    }


def conditions(content: Mapping[str, Any]) -> dict[str, ConditionGroup]:
    """Condition groups with their codes and texts."""
    return {
        key: ConditionGroup(
            id=key,
            name=entry["name"],
            snomed=frozenset(entry.get("snomed", ())),
            icd10=tuple(code.replace(".", "") for code in entry.get("icd10", ())),
            icd10_not=tuple(code.replace(".", "") for code in entry.get("icd10_not", ())),
            texts=frozenset(t.lower() for t in (*entry.get("text", ()), entry["name"])),
        )
        for key, entry in content.get("conditions", {}).items()
    }


def condition_index(groups: Mapping[str, ConditionGroup]) -> dict[tuple[str, str], tuple[str, ...]]:
    """(kind, code or ICD-10 family or text) -> condition groups it stands for."""
    found: dict[tuple[str, str], tuple[str, ...]] = {}
    for group in groups.values():
        keys = [*(("snomed", c) for c in group.snomed), *(("icd10", c) for c in group.icd10)]
        for key in (*keys, *(("text", t) for t in group.texts)):
            found[key] = (*found.get(key, ()), group.id)
    return found


def reasons(content: Mapping[str, Any]) -> dict[str, OverrideReason]:
    """Override reasons by id."""
    return {k: OverrideReason(k, e["code"], e["system"], e["display"]) for k, e in content.items()}


def topics(content: Mapping[str, str]) -> dict[str, Topic]:
    """Topics by id."""
    return {key: Topic(key, name) for key, name in content.items()}


def different_problems(folder: Folder, known: Mapping[str, Topic], faults: list[Fault]) -> dict[frozenset[str], str]:
    """The two topics of each entry of `different-problems.yaml` -> why they are two problems."""
    name = "cards/different-problems.yaml"
    content = folder.content("different-problems.yaml", _SCHEMA, faults, "different_problems") or []
    found: dict[frozenset[str], str] = {}
    for position, entry in enumerate(content):
        path = f"[{position}].topics"
        faults += [Fault(name, path, f'"{t}" is not in topics.yaml') for t in entry["topics"] if t not in known]
        topics = frozenset(entry["topics"])
        if topics in found:
            faults.append(Fault(name, path, f"{' and '.join(sorted(topics))} stand here twice"))
        found[topics] = entry["why"]
    return found


def notices(content: Mapping[str, Any], known: Mapping[str, OverrideReason], faults: list[Fault]) -> dict[str, Notice]:
    """Notices by id."""
    found = {}
    for key, entry in content.items():
        for name in entry["override_reasons"]:
            if name not in known:
                faults.append(Fault("cards/notices.yaml", key, f'"{name}" is not in override_reasons.yaml'))
        found[key] = Notice(
            id=key,
            version=entry["version"],
            topic=entry["topic"],
            indicator=entry["indicator"],
            summary=entry["summary"],
            detail=entry["detail"],
            override_reasons=tuple(known[n] for n in entry["override_reasons"] if n in known),
        )
    return found


def suggestions(
    content: Mapping[str, Any],
    ingredients: Mapping[str, Ingredient],
    groups: Mapping[str, Group],
    faults: list[Fault],
) -> dict[str, SuggestionPlan]:
    """Suggestion plans by id, with the names of drugs resolved."""
    return {
        key: SuggestionPlan(
            id=key,
            kind=entry["kind"],
            label=entry["label"],
            description=entry["description"],
            note=" ".join(entry.get("note", "").split()),
            tests=_tests(entry),
            satisfied_by=tuple(entry.get("satisfied_by", ())),
            limits={n: StaggerLimits(v["min_gap"], v["max_gap"]) for n, v in entry.get("limits", {}).items()},
            anchors=dict(entry.get("anchors", {})),
            assumed_times={int(n): tuple(t) for n, t in entry.get("assumed_times", {}).items()},
            waking=_pair(entry.get("waking", ("07:00", "22:00"))),
            min_distance_hours=entry.get("min_distance_hours", 2),
            min_hours_after=entry.get("min_hours_after"),
            not_with_drugs=_drugs(entry.get("not_with_drugs", ()), key, ingredients, groups, faults),
            not_with_conditions=frozenset(entry.get("not_with_conditions", ())),
            not_brands=frozenset(b.lower() for b in entry.get("not_brands", ())),
            needs_egfr=Decimal(entry["needs_egfr"]) if "needs_egfr" in entry else None,
            never_stop_abruptly=_drugs(entry.get("not_for_running", ()), key, ingredients, groups, faults),
            due_in_days=_due(entry, key, faults),
            stands_in_for=_drugs(entry.get("for", ()), key, ingredients, groups, faults),
            alternative=_alternative(entry, key, ingredients, faults),
        )
        for key, entry in content.items()
    }


def unknown_conditions(content: Mapping[str, Any], known: Mapping[str, ConditionGroup]) -> list[Fault]:
    """Conditions that a suggestion is not offered with and that `facts.yaml` does not have."""
    named = [(key, name) for key, entry in content.items() for name in entry.get("not_with_conditions", ())]
    what = "is not a condition of facts.yaml"
    return [
        Fault("cards/suggestions.yaml", f"{key}.not_with_conditions", f'"{name}" {what}')
        for key, name in named
        if known and name not in known
    ]


def _due(entry: Mapping[str, Any], key: str, faults: list[Fault]) -> tuple[int, int] | None:
    if "due_in_days" not in entry:
        return None
    first, last = entry["due_in_days"]
    if first > last:
        faults.append(Fault("cards/suggestions.yaml", f"{key}.due_in_days", "the first day is after the last"))
    return first, last


def _alternative(
    entry: Mapping[str, Any], key: str, ingredients: Mapping[str, Ingredient], faults: list[Fault]
) -> Ingredient | None:
    """The drug a `replace` puts in place; it needs that, and the drugs it stands in for."""
    missing = [name for name in ("for", "by") if entry["kind"] == "replace" and name not in entry]
    faults += [Fault("cards/suggestions.yaml", f"{key}.{name}", "is missing; a replace needs it") for name in missing]
    if "by" not in entry or entry["by"] in ingredients:
        return ingredients.get(entry.get("by", ""))
    faults.append(Fault("cards/suggestions.yaml", f"{key}.by", f'"{entry["by"]}" is no ingredient of cards/drugs/'))
    return None


def _pair(times: Any) -> tuple[str, str]:
    return times[0], times[1]


def _tests(entry: Mapping[str, Any]) -> tuple[OrderedTest, ...]:
    """What a `create` orders: each of its tests, written like its resource, or the resource alone."""
    resource = entry.get("resource", {})
    if "tests" not in entry:
        return (OrderedTest("", resource, _codes(entry)),) if resource else ()
    return tuple(OrderedTest(t["name"], {**resource, "code": t["code"]}, _codes(t)) for t in entry["tests"])


def _codes(entry: Mapping[str, Any]) -> frozenset[tuple[str, str]]:
    """Codes (as the reader names their systems) that mean the test is among the orders already."""
    return frozenset(("loinc", code) for code in entry.get("also_ordered_as", ()))


def _drugs(
    names: Any,
    key: str,
    ingredients: Mapping[str, Ingredient],
    groups: Mapping[str, Group],
    faults: list[Fault],
) -> frozenset[str]:
    found: set[str] = set()
    for name in names:
        if name in groups:
            found |= groups[name].members
        elif name in ingredients:
            found.add(name)
        else:
            faults.append(Fault("cards/suggestions.yaml", key, f'"{name}" is neither a group nor an ingredient'))
    return frozenset(found)
