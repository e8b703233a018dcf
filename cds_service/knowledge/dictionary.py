"""`cards/drugs/` -> ingredients, groups and the vocabulary that reads drug names."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cds_service.core.naming import tokens_of
from cds_service.core.values import Group, Ingredient, Scale, Vocabulary
from cds_service.errors import Fault
from cds_service.knowledge.folder import Folder
from cds_service.knowledge.tables import Column, Row, Table, read_table

EVERY_DRUG = "any-drug"  # what a card calls all of the dictionary
# Lists of words.yaml that are more than words to pass over.
_NOT_NOISE = ("salts", "plain_instruction", "elements", "brand_words", "weekly", "daily")
_CODE, _CODE_IN_WORDS = "[1-9][0-9]{0,7}", "an RxNorm code (up to 8 digits)"
_NAME, _NAME_IN_WORDS = "[^;=]{2,}", "one name of two letters or more"
_PAIR_IN_WORDS = "a name with its RxNorm code, as in name=12345"
_INGREDIENTS = {
    "name": Column(True, _NAME, _NAME_IN_WORDS),
    "rxnorm": Column(True, _CODE, _CODE_IN_WORDS),
    "form_of": Column(),
    "atc": Column(False, "[A-Z][0-9]{2}[A-Z]{2}[0-9]{2}", "an ATC code such as N02BE01"),
    "snomed": Column(False, "[1-9][0-9]{5,17}", "a SNOMED CT code (6 to 18 digits)"),
    "synonyms": Column(False, _NAME, _NAME_IN_WORDS),
    "salts": Column(False, f"{_NAME}={_CODE}", _PAIR_IN_WORDS),
    "brands": Column(False, f"{_NAME}(?:={_CODE})?", f"{_PAIR_IN_WORDS}, or a name"),
}
_COMBINATIONS = {
    "brand": Column(True, _NAME, _NAME_IN_WORDS),
    "rxnorm": Column(False, _CODE, _CODE_IN_WORDS),
    "ingredients": Column(True, _NAME, "the name of an ingredient"),
}
_PRODUCTS = {"rxnorm": Column(True, _CODE, _CODE_IN_WORDS), "name": Column(True)}


@dataclass(slots=True)
class Dictionary:
    """What the drug files hold, while it is being put together. `names` and `brands` have cut names as keys."""

    ingredients: dict[str, Ingredient] = field(default_factory=dict)
    groups: dict[str, Group] = field(default_factory=dict)
    names: dict[str, tuple[str, ...]] = field(default_factory=dict)
    scales: dict[str, Scale] = field(default_factory=dict)
    brands: dict[str, str] = field(default_factory=dict)
    codes: dict[tuple[str, str], tuple[str, ...]] = field(default_factory=dict)
    products: dict[str, str] = field(default_factory=dict)
    lines: dict[str, Row] = field(default_factory=dict)


def read_dictionary(folder: Folder, faults: list[Fault]) -> tuple[Dictionary, Vocabulary]:
    """Read every file of `cards/drugs/`; faults are added to `faults`."""
    found = Dictionary()
    for row in _tables(folder, "drugs/ingredients", _INGREDIENTS, faults):
        _add_ingredient(found, row, faults)
    _check_forms_of(found, faults)
    for row in _table(folder, "drugs/combination-brands.csv", _COMBINATIONS, faults):
        _add_combination(found, row, faults)
    for row in _tables(folder, "drugs/products", _PRODUCTS, faults):
        _add_product(found, row, faults)
    found.groups = _groups(folder, found, faults)
    found.scales = _scales(folder, found, faults)
    return found, _vocabulary(found, folder, faults)


def _tables(folder: Folder, part: str, columns: dict[str, Column], faults: list[Fault]) -> Iterator[Row]:
    places = folder.under(part, ".csv")
    if not places:
        faults.append(Fault(f"cards/{part}", "", "holds no CSV file"))
    for place in places:
        yield from _table(folder, place, columns, faults)


def _table(folder: Folder, place: str, columns: dict[str, Column], faults: list[Fault]) -> Table:
    return read_table(folder.files.get(place), f"cards/{place}", columns, faults, folder.is_checked)


# --- Names and codes -------------------------------------------------------------------------------------


def _add_ingredient(found: Dictionary, row: Row, faults: list[Fault]) -> None:
    key = row.cells["name"]
    if key in found.ingredients:
        faults.append(row.fault("name", f'"{key}" stands in {_place(found.lines[key])} already'))
        return
    salts, brands, codes = row.pairs("salts"), row.pairs("brands"), row.entries("rxnorm")
    found.lines[key] = row
    found.ingredients[key] = Ingredient(key, codes[0], row.cells["form_of"], tuple(codes[1:]))
    claim = _Claims(found, row, (key,), faults)
    claim.names("name", [key])
    claim.names("synonyms", row.entries("synonyms"))
    claim.names("salts", [name for name, _ in salts])
    claim.names("brands", [name for name, _ in brands], are_brands=True)
    for column in ("rxnorm", "atc", "snomed"):
        claim.codes(column, column, row.entries(column))
    for column, pairs in (("salts", salts), ("brands", brands)):
        claim.codes(column, "rxnorm", [code for _, code in pairs if code])


def _add_combination(found: Dictionary, row: Row, faults: list[Fault]) -> None:
    brand, members = row.cells["brand"], row.entries("ingredients")
    unknown = [name for name in members if name not in found.ingredients]
    if unknown:
        faults.append(row.fault("ingredients", f"{', '.join(unknown)} is no ingredient of the dictionary"))
        return
    if len(set(members)) < 2:
        faults.append(row.fault("ingredients", "names fewer than two drugs; such a brand stands in ingredients/"))
        return
    if brand in found.lines:
        faults.append(row.fault("brand", f'"{brand}" stands in {_place(found.lines[brand])} already'))
    found.lines.setdefault(brand, row)
    claim = _Claims(found, row, tuple(sorted(members)), faults)
    claim.names("brand", [brand], are_brands=True)
    claim.codes("rxnorm", "rxnorm", row.entries("rxnorm"))


def _add_product(found: Dictionary, row: Row, faults: list[Fault]) -> None:
    for code in row.entries("rxnorm"):
        if code in found.products or ("rxnorm", code) in found.codes:
            faults.append(row.fault("rxnorm", f"{code} stands twice in the dictionary"))
        found.products[code] = row.cells["name"]


def _place(row: Row) -> str:
    return f"{row.file}, line {row.line},"


@dataclass(frozen=True, slots=True)
class _Claims:
    """Enters the names and codes of one line for its drugs, unless they stand for other drugs already."""

    found: Dictionary
    row: Row
    drugs: tuple[str, ...]
    faults: list[Fault]

    def names(self, column: str, names: list[str], are_brands: bool = False) -> None:
        """Enter names as the reader of drug names cuts them."""
        for name in names:
            cut = _cut(name)
            known = self.found.names.setdefault(cut, self.drugs)
            if known is not self.drugs and known != self.drugs:
                self.faults.append(self.row.fault(column, f'"{name}" stands for {" / ".join(known)} already'))
            if are_brands:
                self.found.brands[cut] = name

    def codes(self, column: str, system: str, codes: list[str]) -> None:
        """Enter codes of one code system."""
        for code in codes:
            known = self.found.codes.setdefault((system, code), self.drugs)
            if known is not self.drugs and known != self.drugs:
                what = f"{system} code {code} stands for {' / '.join(known)} already"
                self.faults.append(self.row.fault(column, what))


def _cut(name: str) -> str:
    return " ".join(tokens_of(name))


def _check_forms_of(found: Dictionary, faults: list[Fault]) -> None:
    for key, ingredient in found.ingredients.items():
        base = found.ingredients.get(ingredient.form_of)
        if ingredient.form_of and (base is None or base.form_of):
            what = "is no ingredient" if base is None else "is a form of another one itself"
            faults.append(found.lines[key].fault("form_of", f'"{ingredient.form_of}" {what}'))


# --- Groups ----------------------------------------------------------------------------------------------


def _yaml_files(folder: Folder, definition: str, faults: list[Fault]) -> Iterator[tuple[str, dict[str, Any]]]:
    """(name in messages, content) of each file in the folder that is called as the definition of its content."""
    for place in folder.under(f"drugs/{definition}", ".yaml"):
        content = _content(folder, place, definition, faults)
        if content:
            yield f"cards/{place}", content


def _content(folder: Folder, place: str, definition: str, faults: list[Fault]) -> dict[str, Any]:
    return folder.content(place, "drugs/drugs.schema.json", faults, definition) or {}


def _groups(folder: Folder, found: Dictionary, faults: list[Fault]) -> dict[str, Group]:
    files: dict[str, str] = {}
    content: dict[str, Any] = {}
    for file, part in _yaml_files(folder, "groups", faults):
        for group_id in part.keys() & content.keys():
            faults.append(Fault(file, group_id, f"stands in {files[group_id]} already"))
        content.update(part)
        files.update(dict.fromkeys(part, file))
    groups = {}
    for group_id, entry in content.items():
        name = files[group_id]
        if group_id in found.ingredients or group_id == EVERY_DRUG:
            what = "stands for all drugs already" if group_id == EVERY_DRUG else "is the name of an ingredient as well"
            faults.append(Fault(name, group_id, what))
        if not entry.get("members") and not entry.get("includes"):
            faults.append(Fault(name, group_id, "holds no drug; name its members, or the groups it includes"))
        for left_out in sorted(set(entry.get("except", ())) - found.ingredients.keys()):
            faults.append(Fault(name, f"{group_id}.except", f'"{left_out}" is no ingredient of the dictionary'))
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


# --- Scales --------------------------------------------------------------------------------------------


def _scales(folder: Folder, found: Dictionary, faults: list[Fault]) -> dict[str, Scale]:
    scales = {}
    for name, content in _yaml_files(folder, "scores", faults):
        for drug in content["scores"]:
            if drug not in found.ingredients:
                faults.append(Fault(name, f"scores.{drug}", "is no ingredient of the dictionary"))
        scale_id = Path(name).stem
        scales[scale_id] = Scale(scale_id, content["name"], content["scores"], tuple(content["sources"]))
    return scales


# --- Vocabulary ------------------------------------------------------------------------------------------


def _vocabulary(found: Dictionary, folder: Folder, faults: list[Fault]) -> Vocabulary:
    forms = _content(folder, "drugs/dose-forms.yaml", "dose_forms", faults)
    routes = _content(folder, "drugs/routes.yaml", "routes", faults)
    words = _content(folder, "drugs/words.yaml", "words", faults)
    all_forms = {**forms.get("words", {}), **forms.get("forms", {})}
    by_form = {_cut(name): (entry["route"], entry.get("unit", "")) for name, entry in all_forms.items()}
    noise = frozenset(w for name, group in words.items() if name not in _NOT_NOISE for w in group)
    _check_plain_words(found, noise | by_form.keys(), faults)
    return Vocabulary(
        names=found.names,
        first_words=_longest_by_first_word(found.names),
        hyphenated=frozenset(w for name in found.names if "-" in name for w in name.split() if "-" in w),
        brands=found.brands,
        codes=found.codes,
        products=found.products,
        forms=by_form,
        form_groups=_form_groups(by_form, forms.get("groups", {})),
        first_of_forms=_longest_by_first_word(name for name in by_form if " " in name),
        biologicals=_biologicals(found),
        elements=frozenset(words.get("elements", ())),
        brand_words=frozenset(words.get("brand_words", ())),
        noise=noise,
        salts=frozenset(words.get("salts", ())),
        plain_instruction=frozenset(words.get("plain_instruction", ())),
        units=frozenset(words.get("units", ())),
        weekly=frozenset(" ".join(tokens_of(phrase)) for phrase in words.get("weekly", ())),
        daily=frozenset(" ".join(tokens_of(phrase)) for phrase in words.get("daily", ())),
        routes={code: entry["route"] for code, entry in routes.get("codes", {}).items()},
        route_words=dict(routes.get("words", {})),
    )


def _form_groups(forms: Iterable[str], groups: Mapping[str, Sequence[str]]) -> dict[str, str]:
    """Each dose form -> the first group that has one of its words, where there is one."""
    found: dict[str, str] = {}
    for form in forms:
        words = set(form.split())
        for group, of_group in groups.items():
            if not words.isdisjoint(of_group):
                found.setdefault(form, group)
    return found


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
