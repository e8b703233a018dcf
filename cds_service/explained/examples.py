"""An example of a card file in words: who the patient is, what is ordered, and which card is expected."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from cds_service.core.values import Knowledge
from cds_service.explained.said import joined
from cds_service.explained.when import fact_name

_NO_CARD = "no card"


@dataclass(frozen=True, slots=True)
class ToldExample:
    """One example. `number` counts from 1; without a `severity` no card is expected.

    `says` are texts that the card contains, `suggestions` the ids of exactly those it offers (None: not told).
    `card_indicator`: where another rule's finding makes the card louder.
    """

    number: int
    name: str
    hook: str
    ordering: tuple[str, ...]
    taking: tuple[str, ...]
    patient: tuple[str, ...]
    severity: str
    indicator: str
    card_indicator: str
    suggestions: tuple[str, ...] | None
    says: tuple[str, ...]


def tell_example(number: int, example: Mapping[str, Any], knowledge: Knowledge) -> ToldExample:
    """The example in words."""
    expect: Mapping[str, Any] = {} if example["expect"] == _NO_CARD else example["expect"]
    return ToldExample(
        number=number,
        name=example["name"],
        hook=example.get("hook", "order-sign"),
        ordering=tuple(map(_line, example["ordering"])),
        taking=tuple(map(_line, example.get("taking", ()))),
        patient=tuple(_facts(example.get("facts", {}), knowledge)),
        severity=expect.get("severity", ""),
        indicator=expect.get("indicator", ""),
        card_indicator=expect.get("card_indicator", ""),
        suggestions=tuple(expect["suggestions"]) if "suggestions" in expect else None,
        says=tuple(expect.get("says", ())),
    )


def _line(line: str | Mapping[str, Any]) -> str:
    if isinstance(line, str):
        return line
    return ", ".join([line["drug"], *_instructions(line), *_circumstances(line)])


def _instructions(line: Mapping[str, Any]) -> Iterator[str]:
    if "dose" in line:
        yield line["dose"]
    if "times_a_day" in line:
        yield f"{_times(line['times_a_day'])} a day"
    if "per_week" in line:
        yield f"{_times(line['per_week'])} a week"
    if "at" in line:
        yield f"at {joined(line['at'], 'and')}"
    if line.get("bedtime"):
        yield "at bedtime"
    if "days" in line:
        yield f"on {joined([day.title() for day in line['days']], 'and')}"
    if line.get("as_needed"):
        yield "as needed"
    if "sig" in line:
        yield f"“{line['sig']}”"
    if "route" in line:
        yield f"{line['route']} route"


def _circumstances(line: Mapping[str, Any]) -> Iterator[str]:
    if "stopped_days_ago" in line:
        yield f"stopped {line['stopped_days_ago']} days ago"
    if line.get("stopped_unknown"):
        yield "stopped on an unknown day"
    if "status" in line:
        yield f"status {line['status']}"
    if "code" in line:
        yield f"RxNorm {line['code']}"
    if "replaces" in line:
        yield f"in place of {line['replaces']}"
    if line.get("not_selected"):
        yield "not selected"
    if line.get("no_id"):
        yield "without an id"


def _times(count: int) -> str:
    return {1: "once", 2: "twice"}.get(count, f"{count} times")


def _facts(facts: Mapping[str, Any], knowledge: Knowledge) -> Iterator[str]:
    for name, value in facts.items():
        if name == "conditions":
            yield from (_condition(entry, knowledge) for entry in value)
        elif name == "age":
            yield f"{value} years"
        elif name == "sex":
            yield str(value)
        else:
            yield f"{fact_name(name, knowledge)} {value} {knowledge.labs[name].unit}".rstrip()


def _condition(entry: str | Mapping[str, Any], knowledge: Knowledge) -> str:
    if isinstance(entry, str):
        return knowledge.conditions[entry].name
    name = knowledge.conditions[entry["condition"]].name
    since = f" since {entry['days_ago']} days" if "days_ago" in entry else ""
    return f"{name}{since}{', resolved' if entry.get('resolved') else ''}"
