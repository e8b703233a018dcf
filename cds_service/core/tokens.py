"""Cut the name of a drug into words, numbers and signs, and find what stands in parentheses."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping

_TOKEN = re.compile(r"\d+(?:[.,]\d+)*|(?<![\w.,])\.\d+|[^\W\d_]+(?:['’.-][^\W\d_]+)*\+?|%|/|\S")
# Signs of trademarks would be read as letters, and a fraction would run into the number before it ("2½" is no 21/2).
_TRADEMARKS = str.maketrans("™℠", "  ")
_FRACTION = re.compile("(?=[¼½¾⅐-⅞])")
_UNIT_DASH = re.compile(r"(?<=[\d/])(\s?(?:mg|mcg|ug|μg|g|gm|ml|meq|unt|units?|iu|actuat|hr|%))[-–](?=[^\W_])")
_WITH = re.compile(r"(?<![^\s(])w/")
_DEEPEST = 3


def normal(text: str) -> str:
    """One spelling of what looks the same: compatibility characters, lower case."""
    if text.isascii():
        return text.lower()
    return unicodedata.normalize("NFKC", _FRACTION.sub(" ", text.translate(_TRADEMARKS))).lower()


def tokens_of(text: str) -> list[str]:
    """The words, numbers and signs of a name; parentheses are dropped. The dictionary is cut the same way."""
    return cut(normal(text))


def cut(lowered: str) -> list[str]:
    """The same for text that is in lower case already."""
    if lowered.isascii() and lowered.replace(" ", "").isalpha():
        return lowered.split()
    return _words(lowered.replace("(", " ").replace(")", " "))


def _words(lowered: str) -> list[str]:
    if "&" in lowered:
        lowered = lowered.replace("&", " and ")
    if "-" in lowered or "–" in lowered:
        lowered = _UNIT_DASH.sub(r"\1 - ", lowered)
    if "w/" in lowered:
        lowered = _WITH.sub("with ", lowered)
    return _TOKEN.findall(lowered)


def groups_in(lowered: str) -> tuple[list[str], Mapping[int, int]]:
    """(tokens without parentheses, position of the first token of each group -> position after its last).

    In a pack (`{21 (…) / 7 (…)} Pack`) the outermost parentheses only hold its parts. Groups deeper than three
    levels are read as if they had no parentheses.
    """
    if "(" not in lowered:
        return cut(lowered), {}
    tokens: list[str] = []
    groups: dict[int, int] = {}
    open_at: list[int] = []
    outermost = 1 if "{" in lowered else 0
    for token in _words(lowered):
        if token == "(":
            open_at.append(len(tokens))
        elif token != ")":
            tokens.append(token)
        elif open_at:
            start = open_at.pop()
            if outermost <= len(open_at) < outermost + _DEEPEST and start < len(tokens):
                groups[start] = len(tokens)
    return tokens, groups
