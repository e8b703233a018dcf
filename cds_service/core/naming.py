"""Read the name of a drug: RxNorm's naming grammar, and the shorter forms people type.

RxNorm writes `[lead] ingredient STRENGTH UNIT / ingredient … dose form [Brand]`, and displays of it
`Brand (ingredient STRENGTH / …) dose form`. Text is read from left to right: known names (longest first),
strengths, dose forms and plain words are taken; every other word is reported as unread, because an unread
half may be the one that interacts. There is no fuzzy matching.
"""

from __future__ import annotations

import re
from dataclasses import replace
from functools import lru_cache

from cds_service.core.reading import LEAD_BRAND, Reader
from cds_service.core.tokens import cut, groups_in, normal, tokens_of
from cds_service.core.values import Product, Vocabulary

__all__ = ["LEAD_BRAND", "MAX_TEXT", "read_name", "tokens_of"]

MAX_TEXT = 2000
_BRAND = re.compile(r"\[([^\[\]]+)\]")
_JOINED = re.compile(r"[^\W\d_]+(?:-[^\W\d_]+)+")


def read_name(text: str, vocabulary: Vocabulary) -> Product:
    """Understand `text` as a product.

    Returns a Product whose `unread` lists the words that were not understood; with no ingredient found,
    `ingredients` is empty. Text beyond 2,000 characters is unread.
    """
    product = _read(text[:MAX_TEXT], _Held(vocabulary))
    if len(text) > MAX_TEXT:
        return replace(product, unread=(*product.unread, "…"))
    return product


class _Held:
    """Lets the cache below key on the identity of the vocabulary, which never changes once built."""

    __slots__ = ("vocabulary",)

    def __init__(self, vocabulary: Vocabulary) -> None:
        self.vocabulary = vocabulary

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Held) and other.vocabulary is self.vocabulary

    def __hash__(self) -> int:
        return id(self.vocabulary)


@lru_cache(maxsize=8192)
def _read(text: str, held: _Held) -> Product:
    vocabulary = held.vocabulary
    lowered = _taken_apart(normal(text), vocabulary)
    bracketed = _BRAND.findall(lowered)
    tokens, groups = groups_in(_BRAND.sub(" ", lowered) if bracketed else lowered)
    reader = Reader(vocabulary, _without_suffixes(tokens, vocabulary), groups)
    reader.read()
    _settle_brands(reader)
    for brand in bracketed:
        _add_bracketed(reader, _without_suffixes(cut(brand), vocabulary))
    return _product(reader)


def _taken_apart(lowered: str, vocabulary: Vocabulary) -> str:
    """ "oxycodone-acetaminophen" as two names, where every part begins the name of a drug or is a salt."""
    if "-" not in lowered:
        return lowered
    known = (vocabulary.hyphenated, vocabulary.first_of_forms, vocabulary.forms, vocabulary.noise)

    def apart(found: re.Match[str]) -> str:
        word, parts = found[0], found[0].split("-")
        whole = any(word in words for words in known)
        drugs = all(part in vocabulary.first_words or part in vocabulary.salts for part in parts)
        return word if whole or not drugs else " - ".join(parts)

    return _JOINED.sub(apart, lowered)


def _without_suffixes(tokens: list[str], vocabulary: Vocabulary) -> list[str]:
    """Drop the four letters that tell one biological from another of the same substance."""
    return [token[:-5] if token[-5:-4] == "-" and token[:-5] in vocabulary.biologicals else token for token in tokens]


def _settle_brands(reader: Reader) -> None:
    """What a brand in the text adds to the ingredients that are named in it.

    Two names without a common ingredient are two drugs. A brand that shares one and has others besides says
    something else than a text with strengths does: all are kept, and the brand is reported.
    """
    named = set(reader.ingredients)
    for brand, ingredients in reader.brands:
        shares, adds = named & set(ingredients), set(ingredients) - named
        if shares and adds and (named - set(ingredients) or named <= reader.strengths.keys()):
            reader.unread.append(brand)
    for _, ingredients in reader.brands:
        reader.add(ingredients)


def _add_bracketed(reader: Reader, words: list[str]) -> None:
    """`[Brand]` of RxNorm: its ingredients serve where the text names none; else the text decides.

    A brand that would add an ingredient to a text that was read in full is reported, and adds only where the
    text gives no strengths.
    """
    vocabulary, name = reader.vocabulary, " ".join(words)
    known = vocabulary.names.get(name, ())
    reader.brand = vocabulary.brands.get(name, name) if not reader.brand or known else reader.brand
    if not set(known) <= set(reader.ingredients):
        complete = bool(reader.ingredients) and not reader.unread
        if complete:
            reader.unread.append(name)
        if not complete or not set(reader.ingredients) <= reader.strengths.keys():
            reader.add(known)


def _product(reader: Reader) -> Product:
    route, unit = reader.vocabulary.forms.get(reader.form, ("", ""))
    return Product(
        tuple(sorted(reader.ingredients)),
        reader.strengths,
        reader.form,
        route,
        unit,
        reader.brand,
        tuple(reader.unread),
        tuple(reader.unread_drugs),
        extended_release=reader.extended,
    )
