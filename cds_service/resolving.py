"""`cds-service resolve`: what the reader of drug names makes of a text, for people and for programs."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from cds_service.core.naming import read_name
from cds_service.core.values import Ingredient, Product, Strength, Vocabulary
from cds_service.errors import Fault, KnowledgeError, ServiceError
from cds_service.knowledge.dictionary import read_dictionary
from cds_service.knowledge.folder import read_folder


@dataclass(frozen=True, slots=True)
class Names:
    """What is needed to resolve names: the drug files alone, so that a fault in a card does not matter."""

    ingredients: Mapping[str, Ingredient]
    vocabulary: Vocabulary


def read_names(folder: Path) -> Names:
    """Read the drug files of `folder` (a cards/ directory). Raises KnowledgeError with every fault in them."""
    if not folder.is_dir():
        raise ServiceError(f"{folder} is not a folder. It must hold the card files.")
    faults: list[Fault] = []
    dictionary, vocabulary = read_dictionary(read_folder(folder, "drugs"), faults)
    if faults:
        raise KnowledgeError(faults)
    return Names(dictionary.ingredients, vocabulary)


def known_codes(names: Names) -> list[str]:
    """RxCUIs of all ingredients, precise ones and second codes of the same ingredient included, in numeric order."""
    codes = {code for i in names.ingredients.values() for code in (i.rxnorm, *i.other_rxnorm)}
    return sorted(codes, key=int)


def as_json(texts: Iterable[str], names: Names) -> Iterator[str]:
    """One JSON object a text, in ASCII and on one line.

    `ingredients` are RxCUIs at ingredient level; `precise` those of precise ingredients that were named; `also`
    second codes that RxNorm has for one of them; `unread` the words that were not understood.
    """
    for text in texts:
        product = read_name(text, names.vocabulary)
        found = [names.ingredients[name] for name in product.ingredients]
        bases = {names.ingredients[i.form_of or i.name] for i in found}
        yield json.dumps(
            {
                "text": text,
                "ingredients": sorted((i.rxnorm for i in bases), key=int),
                "precise": sorted((i.rxnorm for i in found if i.form_of), key=int),
                "also": sorted({code for i in (*bases, *found) for code in i.other_rxnorm}, key=int),
                "names": list(product.ingredients),
                "strengths": {name: _amount(strength) for name, strength in product.strengths.items()},
                "form": product.form,
                "route": product.route,
                "brand": product.brand,
                "unread": list(product.unread),
            }
        )


def as_text(texts: Iterable[str], names: Names) -> Iterator[str]:
    """A paragraph for each text, for people."""
    for text in texts:
        product = read_name(text, names.vocabulary)
        lines = [_printable(text) or "(empty line)"]
        lines += [f"  {label}: {_printable(value)}" for label, value in _facts(product, names) if value]
        yield "\n".join(lines)


def _facts(product: Product, names: Names) -> Iterator[tuple[str, str]]:
    yield "ingredients", "; ".join(_ingredient(names, name) for name in product.ingredients) or "none"
    yield "strengths", "; ".join(f"{name} {_amount(strength)}" for name, strength in product.strengths.items())
    yield "dose form", product.form
    yield "route by dose form", product.route
    yield "brand", product.brand
    yield "not understood", ", ".join(product.unread)


def _ingredient(names: Names, name: str) -> str:
    ingredient = names.ingredients[name]
    if not ingredient.form_of:
        return f"{name} (RxNorm {ingredient.rxnorm})"
    base = names.ingredients[ingredient.form_of]
    return f"{name} (RxNorm {ingredient.rxnorm}, a form of {base.name} {base.rxnorm})"


def _amount(strength: Strength) -> str:
    return f"{strength.value} {strength.unit}" + (f"/{strength.per}" if strength.per else "")


def _printable(text: str) -> str:
    return "".join(sign if sign.isprintable() else "\ufffd" for sign in text)
