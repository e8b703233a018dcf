"""`cards/drugs/` -> ingredients, groups and the vocabulary that reads drug names."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from cds_service.core.naming import tokens_of
from cds_service.core.values import Group, Ingredient, Scale, Vocabulary
from cds_service.errors import Fault
from cds_service.knowledge.files import read_yaml
from cds_service.knowledge.schema import check

_NOT_NOISE = ("salts", "plain_instruction", "weekly", "daily")
Names = dict[str, tuple[str, ...]]


@dataclass(slots=True)
class Dictionary:
    """What the drug files hold, while it is being put together."""

    ingredients: dict[str, Ingredient] = field(default_factory=dict)
    groups: dict[str, Group] = field(default_factory=dict)
    scales: dict[str, Scale] = field(default_factory=dict)
    names: Names = field(default_factory=dict)
    brands: dict[str, str] = field(default_factory=dict)
    codes: dict[tuple[str, str], tuple[str, ...]] = field(default_factory=dict)
    products: dict[str, str] = field(default_factory=dict)


def read_dictionary(folder: Path, faults: list[Fault]) -> tuple[Dictionary, Vocabulary]:
    """Read every drug file; faults are added to `faults`."""
    found = Dictionary()
    for name, content in _files(folder / "ingredients", "ingredients", faults):
        for key, entry in content.items():
            _add_ingredient(found, key, entry, name, faults)
    _check_forms_of(found, faults)
    _add_combinations(found, folder, faults)
    for name, content in _files(folder / "products", "products", faults):
        for code, text in content.items():
            if str(code) in found.products or ("rxnorm", str(code)) in found.codes:
                faults.append(Fault(name, str(code), "this RxNorm code stands twice in the dictionary"))
            found.products[str(code)] = text
    found.groups = _groups(folder, found, faults)
    found.scales = _scales(folder, found, faults)
    return found, _vocabulary(found, folder, faults)


def _files(folder: Path, definition: str, faults: list[Fault]) -> Iterator[tuple[str, dict[str, Any]]]:
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


def _add_ingredient(found: Dictionary, key: str, entry: dict[str, Any], name: str, faults: list[Fault]) -> None:
    found.ingredients[key] = Ingredient(key, entry["rxnorm"], entry.get("form_of", ""))
    brands = entry.get("brands", {})
    salts = entry.get("salts", {})
    for text in (key, *entry.get("synonyms", ()), *salts.values(), *brands):
        _claim(found.names, _lowered(text), (key,), Fault(name, key, f'the name "{text}"'), faults)
    codes = [("rxnorm", code) for code in (entry["rxnorm"], *salts, *filter(None, brands.values()))]
    codes += [(system, code) for system in ("atc", "snomed") for code in entry.get(system, ())]
    for system, code in codes:
        _claim(found.codes, (system, code), (key,), Fault(name, key, f"{system} code {code}"), faults)
    found.brands.update({_lowered(brand): brand for brand in brands})


def _lowered(text: str) -> str:
    return " ".join(text.lower().split())


_Key = TypeVar("_Key")


def _claim(
    table: dict[_Key, tuple[str, ...]], key: _Key, drugs: tuple[str, ...], what: Fault, faults: list[Fault]
) -> None:
    """Enter a name or code for its drugs, unless it stands for others already."""
    known = table.setdefault(key, drugs)
    if known != drugs:
        faults.append(Fault(what.file, what.path, f"{what.message} stands for {' / '.join(known)} already"))


def _check_forms_of(found: Dictionary, faults: list[Fault]) -> None:
    for key, ingredient in found.ingredients.items():
        if ingredient.form_of and ingredient.form_of not in found.ingredients:
            faults.append(Fault("cards/drugs/ingredients", key, f'form_of "{ingredient.form_of}" is no ingredient'))


def _add_combinations(found: Dictionary, folder: Path, faults: list[Fault]) -> None:
    name = "cards/drugs/combination-brands.yaml"
    content = _checked(folder / "combination-brands.yaml", name, "combinations", faults)
    for brand, entry in content.items():
        unknown = [n for n in entry["ingredients"] if n not in found.ingredients]
        if unknown:
            faults.append(Fault(name, brand, f"{', '.join(unknown)} is no ingredient of the dictionary"))
            continue
        drugs = tuple(sorted(entry["ingredients"]))
        _claim(found.names, _lowered(brand), drugs, Fault(name, brand, "the name"), faults)
        found.brands[_lowered(brand)] = brand
        if entry.get("code"):
            what = Fault(name, brand, f"rxnorm code {entry['code']}")
            _claim(found.codes, ("rxnorm", entry["code"]), drugs, what, faults)


# --- Groups --------------------------------------------------------------------------------------------


def _groups(folder: Path, found: Dictionary, faults: list[Fault]) -> dict[str, Group]:
    files: dict[str, str] = {}
    content: dict[str, Any] = {}
    for file, part in _files(folder / "groups", "groups", faults):
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


# --- Scales --------------------------------------------------------------------------------------------


def _scales(folder: Path, found: Dictionary, faults: list[Fault]) -> dict[str, Scale]:
    scales = {}
    for name, content in _files(folder / "scores", "scores", faults):
        for drug in content["scores"]:
            if drug not in found.ingredients:
                faults.append(Fault(name, f"scores.{drug}", "is no ingredient of the dictionary"))
        scale_id = Path(name).stem
        scales[scale_id] = Scale(scale_id, content["name"], content["scores"], tuple(content["sources"]))
    return scales


# --- Vocabulary ----------------------------------------------------------------------------------------


def _vocabulary(found: Dictionary, folder: Path, faults: list[Fault]) -> Vocabulary:
    forms = _checked(folder / "dose-forms.yaml", "cards/drugs/dose-forms.yaml", "dose_forms", faults)
    routes = _checked(folder / "routes.yaml", "cards/drugs/routes.yaml", "routes", faults)
    words = _checked(folder / "words.yaml", "cards/drugs/words.yaml", "words", faults)
    first: dict[str, int] = {}
    for name in found.names:
        tokens = tokens_of(name)
        if tokens:
            first[tokens[0]] = max(first.get(tokens[0], 0), len(tokens))
    all_forms = {**forms.get("words", {}), **forms.get("forms", {})}
    return Vocabulary(
        names={" ".join(tokens_of(name)): drugs for name, drugs in found.names.items()},
        first_words=first,
        brands={" ".join(tokens_of(name)): brand for name, brand in found.brands.items()},
        codes=found.codes,
        products=found.products,
        forms={" ".join(tokens_of(k)): (e["route"], e.get("unit", "")) for k, e in all_forms.items()},
        noise=frozenset(w for name, group in words.items() if name not in _NOT_NOISE for w in group),
        salts=frozenset(words.get("salts", ())),
        plain_instruction=frozenset(words.get("plain_instruction", ())),
        units=frozenset(words.get("units", ())),
        weekly=frozenset(" ".join(tokens_of(phrase)) for phrase in words.get("weekly", ())),
        daily=frozenset(" ".join(tokens_of(phrase)) for phrase in words.get("daily", ())),
        routes={code: entry["route"] for code, entry in routes.get("codes", {}).items()},
        route_words=dict(routes.get("words", {})),
    )
