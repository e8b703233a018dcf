"""One pass over the words of a drug's name, from left to right."""

from __future__ import annotations

import re
from collections.abc import Mapping

from cds_service.core.strengths import NUMBER, Ledger, amounts_at
from cds_service.core.values import Strength, Vocabulary

_LETTER = re.compile(r"[^\W_]")
# RxNorm tells generic once-daily tablets from ordinary ones by this lead alone, so it stands for a brand.
LEAD_BRAND = "once-daily"
_EXTENDED = frozenset({"extended", "er", "xr", "sr", "xl", "la", "cr", "cd", "sustained", "controlled", "prolonged"})
_EXTENDED |= {"delayed", "once-daily", "extended-release", "sustained-release", "controlled-release"}
_AS = "as"


class Reader:
    """What has been understood of `tokens` so far; `groups` are the parentheses in it (start -> end)."""

    def __init__(self, vocabulary: Vocabulary, tokens: list[str], groups: Mapping[int, int]) -> None:
        self.vocabulary = vocabulary
        self.tokens = tokens
        self.groups = groups
        self.ingredients: list[str] = []
        self.strengths: dict[str, Strength] = {}
        self._ledger = Ledger()
        self.elements: set[str] = set()
        self.brands: list[tuple[str, tuple[str, ...]]] = []
        self.brand = ""
        self.unread: list[str] = []
        self.unread_drugs: list[str] = []
        self.form = ""
        self.extended = False
        self._salts: list[str] = []
        self._after_name = False
        self._after_brand = False
        self._after_strength = False
        self._last_unread = ""
        self._number_at = -2
        self._element = ""
        self._measured = False
        self._parts = 1
        self._start, self._end = 0, len(tokens)

    def read(self, start: int = 0, end: int | None = None) -> None:
        """Read the tokens from `start` up to `end`."""
        self._start, self._end = start, len(self.tokens) if end is None else end
        position = start
        while position < self._end:
            group_end = self.groups.get(position, 0)
            is_inside = group_end and (start, self._end) != (position, group_end)
            taken = self._take_group(position, group_end) if is_inside else 0
            position += taken or self._take(position)
        self._settle_salts()
        self._settle_strengths()

    def add(self, ingredients: tuple[str, ...] | list[str]) -> None:
        """Add ingredients that are not there yet."""
        self.ingredients.extend(name for name in ingredients if name not in self.ingredients)

    def _take(self, position: int) -> int:
        token, vocabulary = self.tokens[position], self.vocabulary
        taken = self._take_form(position) if token in vocabulary.first_of_forms else 0
        if not taken and self._after_brand and token in vocabulary.brand_words:
            return self._leave(token)
        if not taken and token in vocabulary.first_words:
            taken = self._take_name(position)
        return taken or self._take_salt(token) or self._take_strength(position) or self._take_other(token)

    # --- Forms and names ---------------------------------------------------------------------------------

    def _take_form(self, position: int) -> int:
        """A dose form of several words ("extended release oral tablet") is taken as one."""
        longest = self.vocabulary.first_of_forms[self.tokens[position]]
        for length in range(min(longest, self._end - position), 1, -1):
            phrase = " ".join(self.tokens[position : position + length])
            if phrase in self.vocabulary.forms:
                self._settle_salts()
                self._set_form(phrase)
                return length
        return 0

    def _set_form(self, phrase: str) -> None:
        if len(phrase) > len(self.form):
            self.form = phrase
        if not _EXTENDED.isdisjoint(phrase.split()):
            self.extended = True

    def _take_name(self, position: int) -> int:
        longest = self.vocabulary.first_words[self.tokens[position]]
        for length in range(min(longest, self._end - position), 0, -1):
            phrase = " ".join(self.tokens[position : position + length])
            found = self.vocabulary.names.get(phrase)
            if found is None or (length == 1 and not self._may_be_drug(position)):
                continue
            self._set_name(phrase, found)
            return length
        return 0

    def _may_be_drug(self, position: int) -> bool:
        """A word that is a salt as well ("calcium") is a drug only on its own and with a strength."""
        if self.tokens[position] not in self.vocabulary.salts:
            return True
        follows = self.tokens[position + 1 : position + 3]
        measured = len(follows) == 2 and bool(NUMBER.match(follows[0])) and follows[1] in self.vocabulary.units
        return measured and not (self._after_name or self._salts or self._last_unread)

    def _set_name(self, phrase: str, found: tuple[str, ...]) -> None:
        brand = self.vocabulary.brands.get(phrase)
        if brand is None:
            self._element = found[0] if len(found) == 1 and phrase in self.vocabulary.elements else ""
            self.elements.add(self._element)
            self.add(found)
        else:
            self.brand = self.brand or brand
            self.brands.append((phrase, found))
        self._ledger.name(found, brand is not None)
        if not _EXTENDED.isdisjoint(phrase.split()):
            self.extended = True
        self._salts, self._after_name, self._after_brand = [], True, brand is not None
        self._last_unread, self._after_strength = "", False

    # --- Salts, strengths, other words -------------------------------------------------------------------

    def _take_salt(self, token: str) -> int:
        """A salt belongs to the name it follows or precedes; one that stands alone is a drug not understood."""
        if token not in self.vocabulary.salts:
            return 0
        if not self._after_name:
            self._salts.append(token)
        self._after_strength = False
        return 1

    def _settle_salts(self) -> None:
        self.unread += self._salts
        self._salts, self._after_name, self._after_brand = [], False, False

    def _take_strength(self, position: int) -> int:
        if not NUMBER.match(self.tokens[position]):
            return 0
        self._settle_salts()
        amounts, used = amounts_at(self.tokens, position, self.vocabulary.units, self._number_at == position - 1)
        if not used:
            self._number_at = position
            return 1
        if self._last_unread:
            self.unread_drugs.append(self._last_unread)
            self._ledger.name(())
        self._ledger.amounts(amounts)
        self._after_strength = self._measured = True
        return used

    def _settle_strengths(self) -> None:
        self.strengths = self._ledger.strengths() | self.strengths
        self._ledger = Ledger()

    def _take_other(self, token: str) -> int:
        self._settle_salts()
        self._after_strength = False
        if token == "/":
            self._parts += 1
            self._element = ""
        if token in self.vocabulary.forms:
            self._set_form(token)
        elif not self._is_plain(token):
            return self._leave(token)
        self._last_unread = ""
        if token in _EXTENDED:
            self.extended = True
        if token == LEAD_BRAND:
            self.brand = self.brand or token
        return 1

    def _leave(self, token: str) -> int:
        self._settle_salts()
        self._after_strength = False
        self.unread.append(token)
        if any(part in self.vocabulary.names for part in token.split("-")):
            self.unread_drugs.append(token)
        self._last_unread = token
        return 1

    def _is_plain(self, token: str) -> bool:
        known = token in self.vocabulary.noise or token in self.vocabulary.units
        return known or not _LETTER.search(token)

    # --- Parentheses -------------------------------------------------------------------------------------

    def _take_group(self, start: int, end: int) -> int:
        """What stands in parentheses lists what a brand holds, restates an amount, or is read like all else.

        Returns 0 in the last case: its words are then read where they stand.
        """
        inner = Reader(self.vocabulary, self.tokens, self.groups)
        inner.read(start, end)
        inner.add([name for _, found in inner.brands for name in found])
        stated_as = self.tokens[start] == _AS
        if self._is_contents(inner, stated_as):
            self._take_contents(inner, self._has_more_than_brands(start))
        elif stated_as or (self._after_strength and (inner.ingredients or self._only_elements(inner.unread))):
            self._take_equivalent(inner, stated_as)
        else:
            return 0
        self.brand = self.brand or inner.brand
        self.form = self.form or inner.form
        self.extended = self.extended or inner.extended
        return end - start

    def _only_elements(self, words: list[str]) -> bool:
        return bool(words) and self.vocabulary.elements.issuperset(words)

    def _is_contents(self, inner: Reader, stated_as: bool) -> bool:
        """`Brand (a STRENGTH / b STRENGTH)` and `Brand (as a)`: the parentheses say what the product holds."""
        if not (self.brands or self.unread) or not inner.ingredients or inner.unread or self._parts > 1:
            return False
        measured = set(inner.ingredients) <= inner.strengths.keys()
        if self._measured:
            return measured and len(inner.ingredients) > 1 and not (self.brands or self.ingredients)
        agreed = any(set(found) == set(inner.ingredients) for _, found in self.brands)
        return measured or agreed or (stated_as and not self.ingredients)

    def _has_more_than_brands(self, start: int) -> bool:
        """Whether the name before the parentheses has a word or number that is in no brand: it is another product."""
        outside = [token for token in self.tokens[self._start : start] if token[0].isalnum()]
        return len(outside) > sum(len(brand.split()) for brand, _ in self.brands)

    def _take_contents(self, inner: Reader, is_another: bool) -> None:
        """The contents decide; a drug outside, or a brand that says otherwise, is reported."""
        held = set(inner.ingredients)
        odd = [brand for brand, found in self.brands if not set(found) <= held]
        if odd:
            self.brand = ""
        named = [name for name in self.ingredients if name not in held]
        self.unread = named + ([] if is_another else odd)
        self.ingredients, self.strengths, self.brands = list(inner.ingredients), dict(inner.strengths), []
        self._ledger = Ledger()
        self.unread_drugs, self._last_unread, self._salts = [], "", []
        self._settle_salts()

    def _take_equivalent(self, inner: Reader, stated_as: bool) -> None:
        """The same amount in other words ("(iron 65 MG)"): nothing new, unless it names another drug.

        A drug within the name of the one outside is what that one turns into ("fos…").

        Where only an element was named ("calcium (as calcium carbonate)"), the drug is the one in parentheses.
        """
        self._settle_strengths()
        known = " ".join([*self.ingredients, *(name for _, found in self.brands for name in found)])
        others = [n for n in inner.ingredients if n not in known and n not in inner.elements]
        if self._element in self.ingredients and others:
            self.ingredients.remove(self._element)
            self.strengths.pop(self._element, None)
        self.add(others)
        self.strengths |= {n: inner.strengths[n] for n in others if n in inner.strengths}
        if not stated_as:
            self.unread += [word for word in inner.unread if word not in self.vocabulary.elements]
        self._element = ""
