"""House rules a schema cannot hold: one small check each, named as a sentence."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from datetime import date
from decimal import Decimal
from typing import Any

from cds_service.core.identity import rule_bits
from cds_service.core.values import Rule, indicator_rank, severity_rank
from cds_service.errors import Fault
from cds_service.knowledge.bounds import bounded, can_hold, limits
from cds_service.knowledge.texts import misfilled, placeholders

Content = Mapping[str, Any]
_NOT_CONTENT = ("history", "review", "examples")
_NOBODY = frozenset({"", "none", "nobody", "no one", "not yet", "n/a", "null", "todo"})
_DOSE_WORDS = {"dose", "limit", "kidney", "band"}


def check_cards(
    cards: Mapping[str, Content], rules: Mapping[str, Rule], notices: Iterable[str], faults: list[Fault]
) -> None:
    """All house rules about each card (content and rule, by file name), and between cards and the ids of notices."""
    for name, card in cards.items():
        for house_rule in _CARD_RULES:
            faults += [Fault(name, path, message) for path, message in house_rule(name, card, rules[name])]
    named = [(name, "id", card["id"]) for name, card in cards.items()]
    faults += _ids_are_unique([("cards/notices.yaml", notice, notice) for notice in notices] + named)
    faults += _one_advice_serves_at_most_three_cards(cards)


def content_checksum(card: Content) -> str:
    """The checksum of what a version stands for: everything but history, review and examples."""
    content = {key: value for key, value in card.items() if key not in _NOT_CONTENT}
    text = json.dumps(content, sort_keys=True, ensure_ascii=False, default=_plain)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _plain(value: object) -> str:
    return str(value) if isinstance(value, Decimal) else repr(value)


Faults = list[tuple[str, str]]


def _file_name_is_the_id(name: str, card: Content, _: Rule) -> Faults:
    stem = name.rsplit("/", 1)[-1].removesuffix(".yaml")
    return [] if card["id"] == stem else [("id", f'"{card["id"]}" is not the file name. Use "{stem}".')]


def _critical_needs_major_harm(_: str, card: Content, rule: Rule) -> Faults:
    faces = [("card", rule.face.severity, rule.face.indicator)]
    faces += [(f"variants[{i}]", v.face.severity, v.face.indicator) for i, v in enumerate(rule.variants)]
    faces += [(f"modifiers[{i}]", m.severity, m.indicator) for i, m in enumerate(rule.modifiers)]
    return [
        (path, f'"critical" needs severity major or contraindicated, not {severity}.')
        for path, severity, indicator in faces
        if indicator == "critical" and severity_rank(severity) < severity_rank("major")
    ]


def _no_modifier_below_the_base(_: str, card: Content, rule: Rule) -> Faults:
    found = []
    for i, m in enumerate(rule.modifiers):
        if severity_rank(m.severity) < severity_rank(rule.face.severity):
            found.append((f"modifiers[{i}].severity", "is below the card's own; a modifier can only raise."))
        if indicator_rank(m.indicator) < indicator_rank(rule.face.indicator):
            found.append((f"modifiers[{i}].indicator", "is below the card's own; a modifier can only raise."))
    return found


def _placeholders_exist(_: str, card: Content, rule: Rule) -> Faults:
    allowed = {slot.id for slot in rule.slots} | {"drugs", "products"} | (_DOSE_WORDS if rule.dose else set())
    allowed |= {"score"} if rule.slots[0].scale else set()
    texts = [
        ("card.summary", rule.face.summary),
        ("card.advice", rule.face.advice),
        ("consequence", rule.consequence),
    ]
    texts += [(f"variants[{i}]", f"{v.face.summary} {v.face.advice}") for i, v in enumerate(rule.variants)]
    texts += [(f"modifiers[{i}].advice", m.advice) for i, m in enumerate(rule.modifiers)]
    return [(path, message) for path, text in texts for message in misfilled(text, sorted(allowed))]


def _summaries_fit_with_the_longest_names(_: str, card: Content, rule: Rule) -> Faults:
    longest = {s.id: max(s.members, key=len, default="") for s in rule.slots}
    words = {
        **longest,
        "dose": "99,999.5 mg/day",
        "limit": "99,999 mg/day",
        "kidney": "creatinine clearance (CrCl) 999.9",
        "band": "",
        "score": "99",
    }
    words["products"] = " and ".join(longest.values())
    words["drugs"] = " + ".join(longest.values()) + " + 9 more"
    faces = [("card.summary", rule.face.summary)]
    faces += [(f"variants[{i}].summary", v.face.summary) for i, v in enumerate(rule.variants)]
    found = []
    for path, template in faces:
        if all(p in words for p in placeholders(template)):
            length = len(template.format(**words).encode("utf-16-le")) // 2
            if length >= 140:
                found.append((path, f"is {length} characters with the longest names; fewer than 140 are allowed."))
    return found


def _active_needs_evidence(_: str, card: Content, rule: Rule) -> Faults:
    if rule.status == "active" and not rule.evidence:
        return [("evidence", "an active card needs at least one source; without one use status draft.")]
    return []


def _modifier_evidence_is_the_cards(_: str, card: Content, rule: Rule) -> Faults:
    own = {use["key"] for use in card["evidence"]}
    return [
        (f"modifiers[{i}].evidence", f'"{key}" is not among the evidence of this card.')
        for i, m in enumerate(card.get("modifiers", ()))
        for key in m.get("evidence", ())
        if key not in own
    ]


def _a_loud_card_can_be_answered(_: str, card: Content, rule: Rule) -> Faults:
    loud = [
        rule.face.indicator,
        *(v.face.indicator for v in rule.variants),
        *(m.indicator for m in rule.modifiers),
    ]
    if any(i != "info" for i in loud) and not card["override_reasons"]:
        return [("override_reasons", "a card that can be warning or critical needs override reasons.")]
    return []


def _history_has_every_version(_: str, card: Content, rule: Rule) -> Faults:
    versions = [entry["version"] for entry in card["history"]]
    if versions != list(range(1, card["version"] + 1)):
        return [("history", f"has versions {versions}; one entry for each of 1 to {card['version']} is needed.")]
    if card["history"][-1]["content"] != content_checksum(card):
        return [
            (
                f"history[{len(versions) - 1}].content",
                "the content has changed since this entry. Raise the version, add an entry, and run "
                "cds-service lint --stamp.",
            )
        ]
    return []


def _fires_and_stays_silent(_: str, card: Content, rule: Rule) -> Faults:
    expected = [example["expect"] for example in card["examples"]]
    found = []
    if all(e == "no card" for e in expected):
        found.append(("examples", "needs an example with a card."))
    if all(e != "no card" for e in expected):
        found.append(("examples", 'needs an example with "no card".'))
    return found


def _each_limit_has_examples_on_it_and_below(_: str, card: Content, rule: Rule) -> Faults:
    found = []
    values: dict[str, set[Decimal]] = {}
    for example in card["examples"]:
        for fact, value in example.get("facts", {}).items():
            if fact not in ("sex", "conditions"):
                values.setdefault(fact, set()).add(Decimal(value))
    for fact, limit in sorted(limits(card)):
        given = values.get(fact, set())
        if limit not in given:
            found.append(("examples", f"needs an example with {fact} exactly {limit}."))
        if not any(limit - 1 <= value < limit for value in given):
            found.append(("examples", f"needs an example with {fact} just below {limit} (within 1)."))
    return found


def _each_name_stands_once(_: str, card: Content, rule: Rule) -> Faults:
    lists = {
        "modifiers": [m["name"] for m in card.get("modifiers", ())],
        "variants": [v["name"] for v in card.get("variants", ())],
        "override_reasons": list(card["override_reasons"]),
        "evidence": [use["key"] for use in card["evidence"]],
    }
    return [
        (path, f'"{name}" stands here {names.count(name)} times; once is enough.')
        for path, names in lists.items()
        for name in dict.fromkeys(names)
        if names.count(name) > 1
    ]


def _history_has_dates_in_order(_: str, card: Content, rule: Rule) -> Faults:
    found = []
    before = ""
    for i, entry in enumerate(card["history"]):
        if not _is_date(entry["date"]):
            found.append((f"history[{i}].date", f'"{entry["date"]}" is no date. Use the form 2026-11-22.'))
        elif entry["date"] < before:
            found.append((f"history[{i}].date", f"{entry['date']} is before the date of the version before it."))
        before = entry["date"]
    return found


def _is_date(text: str) -> bool:
    try:
        return date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False


def _bounds_leave_something(_: str, card: Content, rule: Rule) -> Faults:
    return [(path, "no number is within both bounds.") for path, test in bounded(card) if not can_hold(test)]


def _each_slot_holds_a_drug(_: str, card: Content, rule: Rule) -> Faults:
    empty = [slot.id for slot in rule.slots if not slot.members]
    return [(f"drugs.{slot}", "holds no drug: none_of takes away all of any_of.") for slot in empty]


def _a_reviewer_has_a_name(_: str, card: Content, rule: Rule) -> Faults:
    reviewed = card["review"]["reviewed"]
    if reviewed != "none" and reviewed.strip().casefold() in _NOBODY:
        return [("review.reviewed", f'"{reviewed}" names nobody. Use none, or who reviewed it and when.')]
    return []


_CARD_RULES = (
    _each_name_stands_once,
    _history_has_dates_in_order,
    _bounds_leave_something,
    _each_slot_holds_a_drug,
    _a_reviewer_has_a_name,
    _file_name_is_the_id,
    _critical_needs_major_harm,
    _no_modifier_below_the_base,
    _placeholders_exist,
    _summaries_fit_with_the_longest_names,
    _active_needs_evidence,
    _modifier_evidence_is_the_cards,
    _a_loud_card_can_be_answered,
    _history_has_every_version,
    _fires_and_stays_silent,
    _each_limit_has_examples_on_it_and_below,
)


def _ids_are_unique(ids: Iterable[tuple[str, str, str]]) -> list[Fault]:
    """Two ids of (file, path, id) must differ, also in the 40 bits of them that stand in every card's uuid."""
    seen: dict[bytes, str] = {}
    found = []
    for name, path, own in ids:
        bits = rule_bits(own)
        if bits in seen:
            found.append(Fault(name, path, f"collides with the id of {seen[bits]}; choose another."))
        seen[bits] = name
    return found


def _one_advice_serves_at_most_three_cards(cards: Mapping[str, Content]) -> list[Fault]:
    """Advice names what, how much, when and who; a text that fits many cards does not."""
    used: dict[str, list[str]] = {}
    for name, card in cards.items():
        texts = {card["card"]["advice"], *(m.get("advice", "") for m in card.get("modifiers", ()))}
        for text in texts - {""}:
            used.setdefault(" ".join(text.split()), []).append(name)
    return [
        Fault(
            names[-1],
            "card.advice",
            f"the same advice serves {len(names)} cards; at most three may share one.",
        )
        for names in used.values()
        if len(names) > 3
    ]
