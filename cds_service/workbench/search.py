"""Search the dictionary as one types: generic names, brands and products, by the beginnings of their words."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass

from cds_service.core.tokens import tokens_of
from cds_service.core.values import JSON, Knowledge

MOST = 20
_LONGEST = 100  # characters of a query
_BEYOND = chr(0x10FFFF)


@dataclass(frozen=True, slots=True)
class Choice:
    """One drug to choose: what an order says, its RxNorm code if it is a product, and of which kind it is.

    `kind` is "drug", "brand" or "product"; `ingredients` are those of a brand or a product.
    """

    text: str
    kind: str
    rxnorm: str
    ingredients: tuple[str, ...]

    def as_json(self) -> JSON:
        """As the page reads it."""
        return {"text": self.text, "kind": self.kind, "rxnorm": self.rxnorm, "ingredients": list(self.ingredients)}


class DrugSearch:
    """An index over the beginnings of all words; made once, read by all threads."""

    def __init__(self, knowledge: Knowledge) -> None:
        self._choices = tuple(_choices(knowledge))
        words = ((word, at) for at, choice in enumerate(self._choices) for word in _words_of(choice))
        self._index = sorted(set(words))

    def find(self, query: str, most: int = MOST) -> list[Choice]:
        """The best `most` choices: each word of the query begins a word of theirs, or of their ingredients' names.

        What begins with the query comes first, then drugs before brands before products, shorter before longer.
        """
        words = tokens_of(query[:_LONGEST].lower())
        if not words:
            return []
        found = set.intersection(*(self._begun_by(word) for word in words))
        best = sorted(found, key=lambda at: _rank(self._choices[at], words))
        return [self._choices[at] for at in best[:most]]

    def _begun_by(self, word: str) -> set[int]:
        first = bisect_left(self._index, (word, 0))
        last = bisect_left(self._index, (word + _BEYOND, 0))
        return {at for _, at in self._index[first:last]}


def _choices(knowledge: Knowledge) -> Iterable[Choice]:
    vocabulary = knowledge.vocabulary
    for name in knowledge.ingredients:
        yield Choice(name, "drug", "", (name,))
    for brand, shown in vocabulary.brands.items():
        yield Choice(shown, "brand", "", vocabulary.names.get(brand, ()))
    for code, name in vocabulary.products.items():
        yield Choice(name, "product", code, vocabulary.codes.get(("rxnorm", code), ()))


def _words_of(choice: Choice) -> set[str]:
    return set(tokens_of(" ".join((choice.text, *choice.ingredients)).lower()))


_KINDS = ("drug", "brand", "product")


def _rank(choice: Choice, words: list[str]) -> tuple[bool, int, int, str]:
    begins = tokens_of(choice.text.lower())[:1] == words[:1] or choice.text.lower().startswith(words[0])
    return not begins, _KINDS.index(choice.kind), len(choice.text), choice.text
