"""The texts that cards are put together from: all there, and filled only with what there is to fill in.

A card file is checked by the house rules. Here it is the texts beside the cards: a missing one would be noticed in the
answer that needs it, when an order is signed.
"""

from __future__ import annotations

import string
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

from cds_service.errors import Fault

# What each text may be filled with, by its key. The names are those of `core.wording` and `core.evaluate`.
_PLAIN = (
    *("source_label", "can_happen", "why", "missing", "also", "rule", "certainty", "unreviewed"),
    *("renewal", "renewal_alone", "renewal_review"),
    *("no_dose", "no_kidney", "unnamed_order", "not_seen", "stands_in", "no_age"),
    *("times_1", "times_2", "times_3", "times_4"),
    *("missing_age", "missing_sex", "missing_conditions", "missing_medications"),
)
_FILLED: Mapping[str, tuple[str, ...]] = {
    "would_be": ("indicator", "values"),
    "only_range": ("fact",),
    "not_on_file": ("months",),
    "unknown_dose": ("drugs", "limit", "kidney", "band"),
    "scope": ("orders", "drugs"),
    "scope_with_gaps": ("orders", "drugs", "unseen"),
    "month_one": ("count",),
    "month_many": ("count",),
    "order_one": ("count",),
    "order_many": ("count",),
    "drug_one": ("count",),
    "drug_many": ("count",),
    "not_used": ("fact",),
    "dose_ordered": ("dose",),
    "dose_with_taken": ("dose",),
    "dose_limit": ("band", "limit"),
    "and_more": ("count",),
}
# The notices of `core.notices`.
_NOTICES = (
    "order-not-checked",
    "code-and-text-disagree",
    "current-drug-not-read",
    "current-drug-disagrees",
    "no-medication-list",
    "medication-list-failed",
    "medication-list-partial",
    "medication-source-incomplete",
    "check-switched-off",
    "chart-incomplete",
)
# What the suggestions of each kind fill their texts with. A new order is written as it stands, or names its tests.
_SUGGESTED: Mapping[str, tuple[str, ...]] = {
    "create": (),
    "delete": ("drug",),
    "replace": ("drug",),
    "reduce-dose": ("drug", "dose", "often", "total"),
    "stagger": ("drug", "times", "others"),
}
Texts = Mapping[str, Any]


def check_texts(read: Mapping[str, Texts], faults: list[Fault]) -> None:
    """Add what is wrong in the texts of `wording`, `notices` and `suggestions`. A file that was not read has none."""
    if read["wording"] and read["chart"]:
        allowed: dict[str, tuple[str, ...]] = dict.fromkeys((*_PLAIN, *(f"part_{key}" for key in read["chart"])), ())
        faults += _wording(read["wording"], {**allowed, **_FILLED})
    if read["notices"]:
        faults += _notices(read["notices"], read["topics"])
    for key, entry in read["suggestions"].items():
        texts = ((name, str(entry.get(name, ""))) for name in ("label", "description", "note"))
        allowed_here = (*_SUGGESTED[entry["kind"]], *(("tests",) if "tests" in entry else ()))
        faults += _misfilled("cards/suggestions.yaml", key, texts, allowed_here)


def placeholders(text: str) -> list[str]:
    """What stands in braces in a text, with all that follows the name there; "{" where its braces do not close."""
    try:
        parts = list(string.Formatter().parse(text))
    except ValueError:
        return ["{"]
    return [_written(name, spec, how) for _, name, spec, how in parts if name is not None]


def _written(name: str, spec: str | None, conversion: str | None) -> str:
    return name + (f"!{conversion}" if conversion else "") + (f":{spec}" if spec else "")


def misfilled(text: str, allowed: Collection[str]) -> Iterator[str]:
    """What is wrong with each placeholder of a text that is none of `allowed`."""
    use = f"Use {', '.join(allowed)}." if allowed else "This text is used as it stands, without braces."
    for placeholder in placeholders(text):
        if placeholder not in allowed:
            braces = "a brace that is not closed" if placeholder == "{" else f"{{{placeholder}}}"
            yield f"{braces} is no placeholder here. {use}"


def _wording(wording: Texts, allowed: Mapping[str, tuple[str, ...]]) -> Iterator[Fault]:
    file = "cards/wording.yaml"
    for key in allowed:
        if key not in wording:
            yield Fault(file, key, "is missing")
    for key, text in wording.items():
        if key in allowed:
            yield from _misfilled(file, key, [("", text)], allowed[key])
        else:
            yield Fault(file, key, f"is no text of this file. Use {', '.join(sorted(allowed))}.")


def _notices(notices: Texts, topics: Texts) -> Iterator[Fault]:
    file = "cards/notices.yaml"
    for key in _NOTICES:
        if key not in notices:
            yield Fault(file, key, "is missing")
    for key, entry in notices.items():
        if key not in _NOTICES:
            yield Fault(file, key, f"is no notice. Use {', '.join(_NOTICES)}.")
        if topics and entry["topic"] not in topics:
            yield Fault(file, f"{key}.topic", f'"{entry["topic"]}" is not in topics.yaml')
        texts = ((name, entry[name]) for name in ("summary", "detail"))
        yield from _misfilled(file, key, texts, ("names",))


def _misfilled(file: str, key: str, texts: Iterable[tuple[str, str]], allowed: tuple[str, ...]) -> Iterator[Fault]:
    for name, text in texts:
        for message in misfilled(text, allowed):
            yield Fault(file, f"{key}.{name}".rstrip("."), message)
