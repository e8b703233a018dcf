"""What a sentence is made of: words, numbers, and lists that may be long."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal

_PLACEHOLDER = re.compile(r"\{(\w+)\}")
# Names of slots that stand for any drug; others are named for what fills them.
PLAIN_SLOTS = {
    "drug": "drug",
    "drug_a": "drug A",
    "drug_b": "drug B",
    "precipitant": "precipitant (the drug that causes the change)",
    "object": "object (the drug that is changed)",
}
_ROUTES = {
    "systemic": "by mouth, injected, through the skin or by a route that is not stated",
    "variable": "vaginally or rectally",
    "local": "on skin, eye, ear or nose",
    "central": "intrathecally or epidurally",
}


@dataclass(frozen=True, slots=True)
class Said:
    """One statement. `drugs` is the full list where `text` shortens it; of `any_of` one alternative is enough.

    Each alternative is a tuple of statements that must all hold.
    """

    text: str
    drugs: tuple[str, ...] = ()
    any_of: tuple[tuple[Said, ...], ...] = ()


def joined(parts: Sequence[str], word: str) -> str:
    """ "a", "a or b", "a, b or c"; "a or b; or c" where a part is itself such a list."""
    if len(parts) < 2:
        return "".join(parts)
    nested = any(f" {word} " in part for part in parts)
    between, before = ("; ", ";") if nested else (", ", "")
    return f"{between.join(parts[:-1])}{before} {word} {parts[-1]}"


def amount(value: Decimal) -> str:
    """1800 → "1,800"; 2.50 → "2.5"."""
    return f"{value.normalize():,f}"


def bracketed(text: str) -> str:
    """A text of a card file with what is filled in per patient in square brackets: "{drug_a}" → "[drug A]"."""
    return _PLACEHOLDER.sub(lambda found: f"[{slot_name(found.group(1))}]", text)


def slot_name(slot: str) -> str:
    """The name of a slot in words: "precipitant", "drug A"."""
    words = slot.replace("_", " ")
    return f"{words[:-1]}{words[-1].upper()}" if words[-2:-1] == " " else words


def routes_in_words(routes: Iterable[str]) -> str:
    """Routes as one reads them, in a fixed order."""
    given = set(routes)
    return joined([words for route, words in _ROUTES.items() if route in given], "or")
