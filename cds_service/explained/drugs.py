"""A set of drugs in few words: by the groups of the dictionary that make it up, else by name."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from cds_service.core.values import Group, Knowledge
from cds_service.explained.said import Said, joined

_MOST_NAMED = 4  # more drugs than this are told by their groups
_MOST_PARTS = 5
_SMALLEST_GAIN = 2  # a group that adds less says nothing that the name does not
_MOST_EXCEPTED = 2


@dataclass(frozen=True, slots=True)
class Part:
    """A group that lies in the set, all of it but for `excepted`."""

    group: Group
    excepted: frozenset[str]

    @property
    def words(self) -> str:
        """The plural, with the exceptions."""
        if not self.excepted:
            return self.group.plural
        return f"{self.group.plural} (but not {joined(sorted(self.excepted), 'and')})"


def drugs_in_words(names: Collection[str], knowledge: Knowledge, word: str = "or") -> Said:
    """The drugs as a phrase; with all of them beside it where the phrase is shorter than the list."""
    listed = tuple(sorted(names))
    if len(listed) <= _MOST_NAMED:
        return Said(joined(listed, word))
    left_out = len(knowledge.ingredients.keys() - set(listed))
    if left_out < len(listed):
        return Said("any drug of the dictionary" + (f" but for {left_out}" if left_out else ""), listed)
    return Said(joined(_phrases(frozenset(listed), knowledge), word), listed)


def groups_of(names: Collection[str], knowledge: Knowledge) -> tuple[Part, ...]:
    """The fewest groups that make up the set, those that bring most first; what they leave is named by itself."""
    whole, left, chosen = frozenset(names), set(names), []
    inside = [part for group in knowledge.groups.values() if (part := _part(group, whole))]
    while inside:
        best = min(inside, key=lambda part: _rank(part, left))
        if len(best.group.members & left) < _SMALLEST_GAIN:
            break
        chosen.append(best)
        left -= best.group.members
        inside.remove(best)
    return tuple(chosen)


def _part(group: Group, names: frozenset[str]) -> Part | None:
    """The group as a part of the set, where little or nothing of it is outside."""
    inside, excepted = group.members & names, group.members - names
    is_part = len(excepted) <= _MOST_EXCEPTED and len(inside) >= max(_SMALLEST_GAIN, 4 * len(excepted))
    return Part(group, excepted) if is_part else None


def _rank(part: Part, left: set[str]) -> tuple[int, int, int, str]:
    return (
        len(part.excepted) - len(part.group.members & left),
        len(part.excepted),
        len(part.group.members),
        part.group.id,
    )


def _phrases(names: frozenset[str], knowledge: Knowledge) -> list[str]:
    chosen = groups_of(names, knowledge)
    single = sorted(names.difference(*(part.group.members for part in chosen)))
    phrases = {part.words: part.group.members for part in chosen} | {name: frozenset({name}) for name in single}
    if len(phrases) <= _MOST_PARTS:
        return list(phrases)
    kept = list(phrases)[: _MOST_PARTS - 1]
    named = frozenset[str]().union(*(phrases[phrase] for phrase in kept))
    return [*kept, f"{len(names - named)} other drugs"]
