"""Findings -> drugs × drugs: for each pair the worst that was found, and what no pair can show."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import combinations

from cds_service.core.values import Finding, severity_rank

Pair = frozenset[str]


@dataclass(frozen=True, slots=True)
class Found:
    """What was found about these drugs: the title of its rule, how bad it is, and the number of its card."""

    drugs: tuple[str, ...]
    title: str
    severity: str
    card: int


@dataclass(frozen=True, slots=True)
class Cell:
    """One drug with another. `kind`: found, none, self (the diagonal) or product (two drugs of one product)."""

    row: str
    column: str
    kind: str
    found: Found | None = None


@dataclass(frozen=True, slots=True)
class Matrix:
    """`rows` are as many as `drugs`, each with a cell for every drug. A drug that stands in two lines counts once.

    `pairs` were judged, in `hits` of them something was found. `single` and `several` are findings about one drug,
    and about three or more.
    """

    drugs: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    pairs: int
    hits: int
    single: tuple[Found, ...]
    several: tuple[Found, ...]


def build_matrix(products: Iterable[tuple[str, ...]], findings: Iterable[tuple[Finding, int]]) -> Matrix:
    """The matrix of the drugs of `products` (the ingredients of each line); each finding comes with its card."""
    lines = tuple(products)
    drugs = tuple(dict.fromkeys(name for line in lines for name in line))
    found = _worst_of_each(findings)
    worst = _by_pair(found)
    apart = {frozenset(p) for p in combinations(drugs, 2)} - _one_product_only(lines)
    return Matrix(
        drugs=drugs,
        rows=tuple(tuple(_cell(row, column, worst, apart) for column in drugs) for row in drugs),
        pairs=len(apart | worst.keys()),
        hits=len(worst),
        single=tuple(f for f in found if len(set(f.drugs)) == 1),
        several=tuple(f for f in found if len(set(f.drugs)) > 2),
    )


def _worst_of_each(findings: Iterable[tuple[Finding, int]]) -> tuple[Found, ...]:
    """One for each rule and set of drugs: two orders of a drug give a finding each. Worst first."""
    kept: dict[tuple[str, Pair], Found] = {}
    for finding, card in findings:
        names = tuple(dict.fromkeys(p.ingredient for p in finding.participants))
        found = Found(names, finding.rule.title, finding.severity, card)
        key = finding.rule.id, frozenset(names)
        if key not in kept or severity_rank(found.severity) > severity_rank(kept[key].severity):
            kept[key] = found
    return tuple(sorted(kept.values(), key=lambda f: (-severity_rank(f.severity), f.card, f.title)))


def _by_pair(found: tuple[Found, ...]) -> Mapping[Pair, Found]:
    worst: dict[Pair, Found] = {}
    for one in found:
        if len(one.drugs) == 2:
            worst.setdefault(frozenset(one.drugs), one)
    return worst


def _one_product_only(lines: tuple[tuple[str, ...], ...]) -> set[Pair]:
    """Pairs that stand in one product and nowhere apart: a product is not held against itself."""
    where: dict[str, set[int]] = {}
    for position, line in enumerate(lines):
        for name in line:
            where.setdefault(name, set()).add(position)
    return {
        frozenset((one, other))
        for line in lines
        for one, other in combinations(line, 2)
        if where[one] == where[other] and len({lines[position] for position in where[one]}) == 1
    }


def _cell(row: str, column: str, worst: Mapping[Pair, Found], apart: set[Pair]) -> Cell:
    if row == column:
        return Cell(row, column, "self")
    pair = frozenset((row, column))
    found = worst.get(pair)
    return Cell(row, column, "found" if found else "none" if pair in apart else "product", found)
