"""The source attributes of an evidence-based decision support intervention: 45 CFR 170.315(b)(11)(iv)(A).

The thirteen are told in the order of the regulation: (1) bibliographic citation, (2) developer, (3) funding source,
(4) release and revision dates, (5) to (13) the use of data elements as expressed in the standards of 45 CFR 170.213
(USCDI). Whether an element is used is computed from what the rule reads (`reads`), never written down.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from cds_service.core.values import ConditionGroup, Knowledge, Rule
from cds_service.explained.reads import CALCULATED, Reads, read_by
from cds_service.explained.said import joined
from cds_service.explained.when import fact_name

REGULATION = "45 CFR 170.315(b)(11)(iv)(A)"
NOT_USED = "not used"
NOT_STATED = "not stated"
_OURS, _AUTHORS = "project authors", "the authors of cds-service"
# Conditions that say the same as an element of USCDI's class Health Status Assessments (US Core, Screening and
# Assessments, and USCDI for pregnancy and smoking status).
_ASSESSED = {
    "pregnancy": "Pregnancy Status",
    "smoking": "Smoking Status",
    "alcohol-use-disorder": "Alcohol Use",
    "opioid-use-disorder": "Substance Use",
    "delirium": "Mental/Cognitive Status",
    "dementia": "Mental/Cognitive Status",
}
# ICD-10-CM chapter 21, block Z55-Z65: hazards related to socioeconomic and psychosocial circumstances.
_SOCIAL = frozenset(f"Z{number}" for number in range(55, 66))
_NEVER_READ = ("ethnicity", "language", "sexual orientation", "gender identity")
_RACE = (
    "not used. Where a laboratory reports an eGFR by an older formula, that formula may have used race; the one "
    "calculated here (CKD-EPI 2021) does not"
)


@dataclass(frozen=True, slots=True)
class ElementUse:
    """One data element of the regulation: its paragraph, whether the rule uses it, and how."""

    paragraph: int
    element: str
    used: bool
    how: str


@dataclass(frozen=True, slots=True)
class Citation:
    """A source of the card, and its address."""

    title: str
    url: str


@dataclass(frozen=True, slots=True)
class SourceAttributes:
    """All source attributes of one rule. Dates as the card file has them (ISO 8601), empty where it cannot be read."""

    citations: tuple[Citation, ...]
    developer: str
    funding: str
    released: str
    revised: tuple[str, ...]
    uses: tuple[ElementUse, ...]


def source_attributes(rule: Rule, knowledge: Knowledge, written: Mapping[str, Any]) -> SourceAttributes:
    """The attributes of a rule; `written` is its card file (or empty), for its author and its dates."""
    author = written.get("review", {}).get("written_by", "")
    dates = [entry["date"] for entry in sorted(written.get("history", ()), key=lambda entry: int(entry["version"]))]
    return SourceAttributes(
        citations=tuple(Citation(use.title, use.url) for use in rule.evidence),
        developer=_AUTHORS if author == _OURS else author or NOT_STATED,
        funding=NOT_STATED,
        released=dates[0] if dates else "",
        revised=tuple(dates[1:]),
        uses=_uses(read_by(rule, knowledge), knowledge),
    )


def _uses(reads: Reads, knowledge: Knowledge) -> tuple[ElementUse, ...]:
    race = _RACE if "egfr" in reads.facts else NOT_USED
    conditions = [knowledge.conditions[name] for name in sorted(reads.conditions)]
    social = [group.name for group in conditions if is_social(group)]
    return (
        ElementUse(5, "race", False, race),
        *(ElementUse(6 + i, name, False, NOT_USED) for i, name in enumerate(_NEVER_READ)),
        _use(10, "sex", ["tested"] if reads.sex else [], reads, knowledge),
        _use(11, "date of birth", ["as age"] if "age" in reads.facts else [], reads, knowledge),
        ElementUse(12, "social determinants of health data", bool(social), _as_problems(social)),
        _health_status(conditions),
    )


def _use(paragraph: int, element: str, direct: list[str], reads: Reads, knowledge: Knowledge) -> ElementUse:
    """Sex or date of birth: itself, or where a measure of kidney function is calculated from it."""
    measures = [fact_name(name, knowledge) for name in sorted(reads.facts & CALCULATED, reverse=True)]
    ways = [*direct, *([f"where {joined(measures, 'or')} is calculated from it"] if measures else [])]
    return ElementUse(paragraph, element, bool(ways), f"used: {'; '.join(ways)}" if ways else NOT_USED)


def is_social(group: ConditionGroup) -> bool:
    """Whether a condition is a social determinant of health, by its ICD-10-CM codes."""
    return any(code[:3] in _SOCIAL for code in group.icd10)


def _health_status(conditions: Iterable[ConditionGroup]) -> ElementUse:
    found = [f"{group.name} ({_ASSESSED[group.id]})" for group in conditions if group.id in _ASSESSED]
    return ElementUse(13, "health status assessments data", bool(found), _as_problems(found))


def _as_problems(names: list[str]) -> str:
    return f"used, as entries of the chart: {joined(names, 'and')}" if names else NOT_USED
