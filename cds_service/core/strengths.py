"""Which strength in a drug's name belongs to which ingredient.

RxNorm writes each strength behind its ingredient ("a 5 MG / b 325 MG"). Others name the ingredients first and the
strengths after them ("a-b 5 mg-325 mg", "a/b 5/325 mg"), or put each strength in front ("5 mg a / 325 mg b"). A wrong
strength would be a wrong dose: where names and strengths do not go together one to one, no strength is taken.
"""

from __future__ import annotations

import re
from collections.abc import Container, Iterator
from decimal import Decimal

from cds_service.core.values import Strength

NUMBER = re.compile(r"(?:\d+(?:[.,]\d+)*|\.\d+)\Z")
_THOUSANDS = re.compile(r"[1-9]\d{0,2}(?:,\d{3})*,\d\d0(?:\.\d+)?\Z")
_DECIMAL_COMMA = re.compile(r"\d+,\d+\Z")
_THREE_DECIMALS = re.compile(r"[1-9]\d{0,2}[.,]\d{3}\Z")
_THREE_DIGITS = re.compile(r"\d{3}\Z")
_JOINTS = frozenset("-–—\u2010−/\u2044") | {"to"}
_APOSTROPHES = frozenset("'’")
_PER = ("/", "per", "in")
# What a strength is never stated in: how long a product works, and how much of it a package or a dose holds.
_TIMES = frozenset({"hr", "h", "min"})
_VOLUMES = frozenset({"ml", "l", "cc", "actuat", "oz", "gallon", "gallons"})
# "5 mg/325 mg" is two strengths and "5 mg/5 ml" one: nothing is dissolved in so many milligrams.
_NEVER_PER = frozenset({"mg", "mcg", "meq", "mmol", "unt", "unit", "units", "iu"})
# Other spellings of units that doses are worked out in.
_SPELLINGS = {"mgs": "mg", "milligram": "mg", "milligrams": "mg", "gm": "g", "gram": "g", "grams": "g"}
_SPELLINGS |= dict.fromkeys(("μg", "µg", "ug", "mcgs", "microgram", "micrograms"), "mcg")
Amounts = list[Strength | None]


def amounts_at(
    tokens: list[str], position: int, units: Container[str], after_number: bool = False
) -> tuple[Amounts, int]:
    """The strengths listed from a number on, each None where it is not certain, and how many tokens they take.

    No token is taken where the number has no unit; times and volumes are taken and are no strength. `after_number`
    says that another number stands right before.
    """
    found: Amounts = []
    at = position
    while True:
        values, after = _values_at(tokens, at)
        if at == position and values and (after_number or _is_after_apostrophe(tokens, at)):
            # "1 000" and "1'000" are a thousand, and "2 500 mg" may be two of 500 mg.
            values[0] = None if _THREE_DIGITS.match(tokens[at]) else values[0]
        if not values or after >= len(tokens) or tokens[after] not in units:
            break
        unit = _SPELLINGS.get(tokens[after], tokens[after])
        per, after = _per_at(tokens, after + 1, units)
        if per or unit not in _TIMES | _VOLUMES:
            found += [None if value is None else Strength(value, unit, per) for value in values]
        at = after
        if after >= len(tokens) or tokens[after] not in _JOINTS:
            return found, at - position
        at = after + 1
    return found, max(at - 1 - position, 0) if at > position else 0


def _values_at(tokens: list[str], position: int) -> tuple[list[Decimal | None], int]:
    """The numbers that share one unit ("5-325 mg"), and the position behind them."""
    values: list[Decimal | None] = []
    at = position
    while at < len(tokens) and NUMBER.match(tokens[at]):
        values.append(value_of(tokens[at]))
        at += 1
        if at + 1 >= len(tokens) or tokens[at] not in _JOINTS or not NUMBER.match(tokens[at + 1]):
            break
        at += 1
    return values, at


def _is_after_apostrophe(tokens: list[str], position: int) -> bool:
    return position > 0 and tokens[position - 1] in _APOSTROPHES


def _per_at(tokens: list[str], position: int, units: Container[str]) -> tuple[str, int]:
    """What an amount is contained in ("ml", "5 ml", "actuat"), and the position behind it."""
    after = tokens[position : position + 3]
    if len(after) >= 2 and after[0] in _PER[:2] and after[1] in units:
        return after[1], position + 2
    is_measured = len(after) == 3 and after[0] in _PER and bool(NUMBER.match(after[1]))
    if is_measured and after[2] in units and after[2] not in _NEVER_PER:
        return f"{after[1]} {after[2]}", position + 3
    return "", position


def value_of(number: str) -> Decimal | None:
    """What a number means, or None where that is not certain.

    A comma before three digits that end in 0 divides thousands ("1,000"), before one, two or more than three it is
    that of a decimal number ("2,5"). Three other digits behind a comma ("3,125"), and three that end in 0 behind a
    point ("1.500"), are written for a thousand in one country and for a fraction in another.
    """
    if _THREE_DECIMALS.match(number) and (number[-1] == "0") == ("." in number):
        return None
    if "," not in number:
        return Decimal(number) if number.count(".") <= 1 else None
    if _THOUSANDS.match(number):
        return Decimal(number.replace(",", ""))
    return Decimal(number.replace(",", ".")) if _DECIMAL_COMMA.match(number) else None


class Ledger:
    """Names and strengths in the order in which they stand."""

    def __init__(self) -> None:
        self._blocks: list[_Block] = [_Block()]
        self._amounts_first = False

    def name(self, ingredients: tuple[str, ...], is_brand: bool = False) -> None:
        """A name stands here; without ingredients it is that of a drug that is not known."""
        if self._blocks[-1].amounts and not self._amounts_first:
            self._blocks.append(_Block())
        self._blocks[-1].names.append((ingredients, is_brand))

    def amounts(self, amounts: Amounts) -> None:
        """A strength, or a list of them, stands here."""
        if not amounts:
            return
        self._amounts_first = self._amounts_first or not any(block.names for block in self._blocks)
        if self._amounts_first and self._blocks[-1].names:
            self._blocks.append(_Block())
        self._blocks[-1].amounts.append(amounts)

    def strengths(self) -> dict[str, Strength]:
        """The strength of each ingredient that certainly has one."""
        last = self._blocks[-1]
        if self._amounts_first and not last.names and any(last.amounts != b.amounts for b in self._blocks):
            return {}
        found: dict[str, Strength] = {}
        for block in self._blocks:
            for ingredient, strength in block.pairs():
                if strength is not None:
                    found.setdefault(ingredient, strength)
        return found


class _Block:
    """Names with the strengths that stand beside them."""

    __slots__ = ("amounts", "names")

    def __init__(self) -> None:
        self.names: list[tuple[tuple[str, ...], bool]] = []
        self.amounts: list[Amounts] = []

    def pairs(self) -> Iterator[tuple[str, Strength | None]]:
        names, amounts = self._named(), [amount for part in self.amounts for amount in part]
        if any(len(ingredients) != 1 for ingredients in names):
            return
        if len(names) == len(amounts):
            yield from zip((ingredients[0] for ingredients in names), amounts, strict=True)
        elif len(names) == 1 and amounts and len(self.amounts[0]) == 1:
            yield names[0][0], amounts[0]

    def _named(self) -> list[tuple[str, ...]]:
        """Each drug once; a brand only where it stands for other drugs than those that are named."""
        named = {name for ingredients, is_brand in self.names if not is_brand for name in ingredients}
        own = [ingredients for ingredients, is_brand in self.names if not (is_brand and named & set(ingredients))]
        return list(dict.fromkeys(own))
