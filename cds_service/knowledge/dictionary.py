"""`cards/drugs/` -> ingredients, groups and the vocabulary that reads drug names."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cds_service.core.naming import tokens_of
from cds_service.core.values import Group, Ingredient, Vocabulary
from cds_service.errors import Fault
from cds_service.knowledge.files import read_yaml
from cds_service.knowledge.schema import check
from cds_service.knowledge.tables import Column, Row, Table, read_table

# Lists of words.yaml that are more than words to pass over.
_NOT_NOISE = ("salts", "plain_instruction", "elements", "brand_words")
_CODE = Column(pattern=re.compile(r"[1-9][0-9]{0,7}"), allowed="an RxNorm code (up to 8 digits)")
_NAME_AND_CODE = "a name with its RxNorm code, as in name=12345"
_INGREDIENTS = {
    "name": Column(required=True, pattern=re.compile(r"[^;=]{2,}"), allowed="one name of two letters or more"),
    "rxnorm": Column(True, _CODE.pattern, _CODE.allowed),
    "form_of": Column(),
    "atc": Column(pattern=re.compile(r"[A-Z][0-9]{2}[A-Z]{2}[0-9]{2}"), allowed="an ATC code such as N02BE01"),
    "snomed": Column(pattern=re.compile(r"[1-9][0-9]{5,17}"), allowed="a SNOMED CT code (6 to 18 digits)"),
    "synonyms": Column(pattern=re.compile(r"[^=]{2,}"), allowed="a name without a code"),
    "salts": Column(pattern=re.compile(r"[^=]{2,}=[1-9][0-9]{0,7}"), allowed=_NAME_AND_CODE),
    "brands": Column(pattern=re.compile(r"[^=]{2,}(=[1-9][0-9]{0,7})?"), allowed=_NAME_AND_CODE + ", or a name"),
}
_COMBINATIONS = {
    "brand": Column(required=True, pattern=re.compile(r"[^;=]{2,}"), allowed="one name of two letters or more"),
    "rxnorm": _CODE,
    "ingredients": Column(required=True, pattern=re.compile(r"[^=]{2,}"), allowed="the name of an ingredient"),
}
_PRODUCTS = {
    "rxnorm": Column(True, _CODE.pattern, _CODE.allowed),
    "name": Column(required=True),
}


@dataclass(slots=True)
class Dictionary:
    """What the drug files hold, while it is being put together. `names` and `brands` have cut names as keys."""

    ingredients: dict[str, Ingredient] = field(default_factory=dict)
    groups: dict[str, Group] = field(default_factory=dict)
    names: dict[str, tuple[str, ...]] = field(default_factory=dict)
    brands: dict[str, str] = field(default_factory=dict)
    codes: dict[tuple[str, str], tuple[str, ...]] = field(default_factory=dict)
    products: dict[str, str] = field(default_factory=dict)
    lines: dict[str, Row] = field(default_factory=dict)


def read_dictionary(folder: Path, faults: list[Fault]) -> tuple[Dictionary, Vocabulary]:
    """Read every drug file; faults are added to `faults`."""
    found = Dictionary()
    for row in _tables(folder / "ingredients", _INGREDIENTS, faults):
        _add_ingredient(found, row, faults)
    _check_forms_of(found, faults)
    for row in _table(folder / "combination-brands.csv", _COMBINATIONS, faults):
        _add_combination(found, row, faults)
    for row in _tables(folder / "products", _PRODUCTS, faults):
        _add_product(found, row, faults)
    found.groups = _groups(folder, found, faults)
    return found, _vocabulary(found, folder, faults)


def _tables(folder: Path, columns: dict[str, Column], faults: list[Fault]) -> Iterator[Row]:
    paths = sorted(folder.glob("*.csv"))
    if not paths:
        faults.append(Fault(f"cards/drugs/{folder.name}", "", "holds no CSV file"))
    for path in paths:
        yield from _table(path, columns, faults)


def _table(path: Path, columns: dict[str, Column], faults: list[Fault]) -> Table:
    inside = path.name if path.parent.name == "drugs" else f"{path.parent.name}/{path.name}"
    return read_table(path, f"cards/drugs/{inside}", columns, faults)


# --- Names and codes -------------------------------------------------------------------------------------


def _add_ingredient(found: Dictionary, row: Row, faults: list[Fault]) -> None:
    key = row.cells["name"]
    if key in found.ingredients:
        faults.append(row.fault("name", f'"{key}" stands in {_place(found.lines[key])} already'))
        return
    salts, brands, codes = row.pairs("salts"), row.pairs("brands"), row.entries("rxnorm")
    found.lines[key] = row
    found.ingredients[key] = Ingredient(key, codes[0], row.cells["form_of"])
    _claim_names(found, row, "name", [key], faults)
    _claim_names(found, row, "synonyms", row.entries("synonyms"), faults)
    _claim_names(found, row, "salts", [name for name, _ in salts], faults)
    _claim_names(found, row, "brands", [name for name, _ in brands], faults)
    for column in ("rxnorm", "atc", "snomed"):
        _claim_codes(found, row, column, column, row.entries(column), faults)
    for column, pairs in (("salts", salts), ("brands", brands)):
        _claim_codes(found, row, column, "rxnorm", [code for _, code in pairs if code], faults)
    found.brands.update({_cut(name): name for name, _ in brands})


def _add_combination(found: Dictionary, row: Row, faults: list[Fault]) -> None:
    brand, members = row.cells["brand"], row.entries("ingredients")
    unknown = [name for name in members if name not in found.ingredients]
    if unknown or len(set(members)) < 2:
        what = f"{', '.join(unknown)} is no ingredient of the dictionary" if unknown else "names fewer than two drugs"
        faults.append(row.fault("ingredients", what))
        return
    drugs = tuple(sorted(members))
    if _cut(brand) in found.brands:
        faults.append(row.fault("brand", f'"{brand}" stands in the dictionary already'))
    _claim_names(found, row, "brand", [brand], faults, drugs)
    _claim_codes(found, row, "rxnorm", "rxnorm", row.entries("rxnorm"), faults, drugs)
    found.brands[_cut(brand)] = brand


def _add_product(found: Dictionary, row: Row, faults: list[Fault]) -> None:
    for code in row.entries("rxnorm"):
        if code in found.products or ("rxnorm", code) in found.codes:
            faults.append(row.fault("rxnorm", f"{code} stands twice in the dictionary"))
        found.products[code] = row.cells["name"]


def _cut(name: str) -> str:
    return " ".join(tokens_of(name))


def _place(row: Row) -> str:
    return f"{row.file}, line {row.line},"


def _claim_names(
    found: Dictionary, row: Row, column: str, names: list[str], faults: list[Fault], drugs: tuple[str, ...] = ()
) -> None:
    """Enter names, as the reader cuts them, unless they stand for other drugs already."""
    drugs = drugs or (row.cells["name"],)
    for name in names:
        known = found.names.setdefault(_cut(name), drugs)
        if known != drugs:
            faults.append(row.fault(column, f'"{name}" stands for {" / ".join(known)} already'))


def _claim_codes(
    found: Dictionary, row: Row, column: str, system: str, codes: list[str], faults: list[Fault],
    drugs: tuple[str, ...] = (),
) -> None:  # fmt: skip
    drugs = drugs or (row.cells["name"],)
    for code in codes:
        known = found.codes.setdefault((system, code), drugs)
        if known != drugs:
            faults.append(row.fault(column, f"{system} code {code} stands for {' / '.join(known)} already"))


def _check_forms_of(found: Dictionary, faults: list[Fault]) -> None:
    for key, ingredient in found.ingredients.items():
        base = found.ingredients.get(ingredient.form_of)
        if ingredient.form_of and (base is None or base.form_of):
            what = "is no ingredient" if base is None else "is a form of another one itself"
            faults.append(found.lines[key].fault("form_of", f'"{ingredient.form_of}" {what}'))


# --- Groups ----------------------------------------------------------------------------------------------


def _yaml_files(folder: Path, definition: str, faults: list[Fault]) -> Iterator[tuple[str, dict[str, Any]]]:
    for path in sorted(folder.glob("*.yaml")):
        name = f"cards/drugs/{folder.name}/{path.name}"
        content = _checked(path, name, definition, faults)
        if content:
            yield name, content


def _checked(path: Path, name: str, definition: str, faults: list[Fault]) -> dict[str, Any]:
    content = read_yaml(path, name, faults)
    if content is None:
        return {}
    schema = next(p for p in path.parents if p.name == "drugs") / "drugs.schema.json"
    wrong = check(content, schema, name, definition)
    faults += wrong
    return {} if wrong else content


def _groups(folder: Path, found: Dictionary, faults: list[Fault]) -> dict[str, Group]:
    files: dict[str, str] = {}
    content: dict[str, Any] = {}
    for file, part in _yaml_files(folder / "groups", "groups", faults):
        for group_id in part.keys() & content.keys():
            faults.append(Fault(file, group_id, f"stands in {files[group_id]} already"))
        content.update(part)
        files.update(dict.fromkeys(part, file))
    groups = {}
    for group_id, entry in content.items():
        name = files[group_id]
        if group_id in found.ingredients:
            faults.append(Fault(name, group_id, "is the name of an ingredient as well"))
        members = _members(group_id, content, (), name, faults)
        for member in sorted(members - found.ingredients.keys()):
            faults.append(Fault(name, group_id, f'"{member}" is no ingredient of the dictionary'))
        groups[group_id] = Group(
            group_id, entry["singular"], entry["plural"], frozenset(members), tuple(entry["sources"])
        )
    return groups


def _members(
    group_id: str, content: dict[str, Any], above: tuple[str, ...], name: str, faults: list[Fault]
) -> set[str]:
    if group_id in above:
        faults.append(Fault(name, above[0], f"includes itself through {' > '.join((*above, group_id))}"))
        return set()
    entry = content.get(group_id)
    if entry is None:
        faults.append(Fault(name, above[-1], f'includes "{group_id}", which is no group'))
        return set()
    members = set(entry.get("members", ()))
    for other in entry.get("includes", ()):
        members |= _members(other, content, (*above, group_id), name, faults)
    return members - set(entry.get("except", ()))


# --- Vocabulary ------------------------------------------------------------------------------------------


def _vocabulary(found: Dictionary, folder: Path, faults: list[Fault]) -> Vocabulary:
    forms = _checked(folder / "dose-forms.yaml", "cards/drugs/dose-forms.yaml", "dose_forms", faults)
    routes = _checked(folder / "routes.yaml", "cards/drugs/routes.yaml", "routes", faults)
    words = _checked(folder / "words.yaml", "cards/drugs/words.yaml", "words", faults)
    all_forms = {**forms.get("words", {}), **forms.get("forms", {})}
    by_form = {_cut(name): (entry["route"], entry.get("unit", "")) for name, entry in all_forms.items()}
    noise = frozenset(w for name, group in words.items() if name not in _NOT_NOISE for w in group)
    _check_plain_words(found, noise | by_form.keys(), faults)
    return Vocabulary(
        names=found.names,
        first_words=_longest_by_first_word(found.names),
        brands=found.brands,
        codes=found.codes,
        products=found.products,
        forms=by_form,
        first_of_forms=_longest_by_first_word(by_form),
        biologicals=_biologicals(found),
        elements=frozenset(words.get("elements", ())),
        brand_words=frozenset(words.get("brand_words", ())),
        noise=noise,
        salts=frozenset(words.get("salts", ())),
        plain_instruction=frozenset(words.get("plain_instruction", ())),
        units=frozenset(words.get("units", ())),
        routes={code: entry["route"] for code, entry in routes.get("codes", {}).items()},
        route_words=dict(routes.get("words", {})),
    )


def _longest_by_first_word(names: Iterable[str]) -> dict[str, int]:
    longest: dict[str, int] = {}
    for name in names:
        first, _, rest = name.partition(" ")
        longest[first] = max(longest.get(first, 0), 1 + rest.count(" ") + bool(rest))
    return longest


def _biologicals(found: Dictionary) -> frozenset[str]:
    """The last word of each substance of which a salt is that substance with a hyphen and four letters."""
    stems = {
        name[:-5]
        for name, drugs in found.names.items()
        if name[-5:-4] == "-" and name[-4:].isalpha() and found.names.get(name[:-5]) == drugs
    }
    return frozenset(stem.rpartition(" ")[2] for stem in stems)


def _check_plain_words(found: Dictionary, plain: frozenset[str], faults: list[Fault]) -> None:
    """A drug that is called like a plain word would be read out of instructions."""
    for name in sorted(plain & found.names.keys()):
        drugs = " / ".join(found.names[name])
        faults.append(Fault("cards/drugs", name, f"is a plain word of words.yaml and a name of {drugs}"))
