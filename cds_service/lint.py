"""`cds-service lint`: every fault of every card file at once, and what its examples show.

Beside the checks at start, the lint runs each card's examples through the core: each must find what it
says, and every modifier and variant must be reached by one of them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

from cds_service.core.evaluate import evaluate
from cds_service.core.naming import read_name
from cds_service.core.values import Evaluation, Finding, Knowledge
from cds_service.errors import Fault, KnowledgeError
from cds_service.examples import example_request
from cds_service.fhir.request import read_hook_request
from cds_service.knowledge.files import read_yaml
from cds_service.knowledge.folder import CARD_FOLDERS, Folder, read_folder, write_seal
from cds_service.knowledge.house_rules import content_checksum
from cds_service.knowledge.load import card_places, knowledge_of, read_cards
from cds_service.knowledge.problems import check_problems
from cds_service.knowledge.supports import different_problems

EXAMPLE_DAY = date(2026, 11, 22)


def lint(folder: Folder, only: tuple[str, ...] = ()) -> list[Fault]:
    """All faults of the card files in `folder`; an empty list means they may be released.

    With `only` (card ids) the examples of no other card are run, and faults of other cards are left out.
    """
    try:
        knowledge = knowledge_of(folder)
    except KnowledgeError as error:
        return _of_cards(error.faults, only) if only else error.faults
    faults = [] if only else _whole(folder, knowledge)
    cards = read_cards(folder, faults)
    unknown = sorted(set(only) - {card["id"] for card in cards.values()})
    faults += [Fault(f"cards/{card_id}", "", "there is no card file of this id") for card_id in unknown]
    for name, card in cards.items():
        if card["status"] in ("active", "silent") and (not only or card["id"] in only):
            faults += _examples(name, card, knowledge)
    return sorted(set(faults))


def _of_cards(faults: list[Fault], only: tuple[str, ...]) -> list[Fault]:
    """The faults of these cards and of what all cards share; where only others are faulty, that no example was run."""
    own = [f for f in faults if Path(f.file).stem in only or not _is_card(f.file)]
    others = ", ".join(sorted({f.file for f in faults} - {f.file for f in own}))
    return own or [Fault("cards", "", f"no example was run, because of faults in other files: {others}")]


def _is_card(file: str) -> bool:
    return any(file.startswith(f"cards/{folder}/") for folder in CARD_FOLDERS)


def _whole(folder: Folder, knowledge: Knowledge) -> list[Fault]:
    """What can only be seen over all files: products that are not understood, two cards for one problem."""
    faults: list[Fault] = []
    apart = different_problems(folder, knowledge.topics, faults)
    return [*faults, *check_problems(knowledge.rules, apart), *_products(knowledge)]


def _products(knowledge: Knowledge) -> list[Fault]:
    """Every product name of the dictionary is understood in full by the reader of drug names."""
    faults = []
    for code, text in knowledge.vocabulary.products.items():
        product = read_name(text, knowledge.vocabulary)
        if product.unread or not product.ingredients or not product.form:
            what = ", ".join(product.unread) or "no ingredient or no dose form"
            faults.append(Fault("cards/drugs/products", code, f'"{text}" is not understood in full: {what}.'))
    return faults


def _examples(name: str, card: Mapping[str, Any], knowledge: Knowledge) -> list[Fault]:
    faults = []
    reached: set[str] = set()
    for position, example in enumerate(card["examples"]):
        path = f"examples[{position}]"
        try:
            evaluation, findings = run_example(card["id"], example, knowledge)
        except (ValueError, KeyError) as error:
            faults.append(Fault(name, path, f"cannot be run: {error}"))
            continue
        reached |= {reason.name for finding in findings for reason in finding.reasons}
        reached |= {finding.variant for finding in findings}
        message = judge_example(example["expect"], findings, evaluation)
        if message:
            faults.append(Fault(name, f'{path} "{example["name"]}"', message))
    for kind in ("variant", "modifier"):
        for entry in card.get(f"{kind}s", ()):
            if entry["name"] not in reached:
                faults.append(Fault(name, "examples", f'no example reaches the {kind} "{entry["name"]}".'))
    return faults


def run_example(rule_id: str, example: Mapping[str, Any], knowledge: Knowledge) -> tuple[Evaluation, list[Finding]]:
    """(the whole evaluation, the findings of this rule in it)."""
    body = example_request(example, knowledge, EXAMPLE_DAY)
    read = read_hook_request(body, body["hook"])
    evaluation = evaluate(read.request, knowledge, EXAMPLE_DAY)
    every = (*evaluation.findings, *evaluation.unshown)
    return evaluation, [finding for finding in every if finding.rule.id == rule_id]


def judge_example(expect: Any, findings: list[Finding], evaluation: Evaluation) -> str:
    """What is wrong, or "" if the example shows what it says."""
    if expect == "no card":
        return f"expected no card, but the rule fired ({findings[0].indicator})." if findings else ""
    if not findings:
        return "expected a card, but the rule did not fire."
    worst = findings[0]
    if (worst.severity, worst.indicator) != (expect["severity"], expect["indicator"]):
        return f"expected {expect['severity']}/{expect['indicator']}, found {worst.severity}/{worst.indicator}."
    return _judge_card(expect, worst, evaluation)


def _judge_card(expect: Mapping[str, Any], finding: Finding, evaluation: Evaluation) -> str:
    cards = [c for c in evaluation.cards if any(r[0] == finding.rule.id for r in c.rules)]
    if not cards:
        return "" if set(expect) <= {"severity", "indicator"} else "the finding is not shown on any card."
    card = cards[0]
    if card.indicator != expect.get("card_indicator", card.indicator):
        return f"expected a card with {expect['card_indicator']}, found {card.indicator}."
    offered = list(dict.fromkeys(s.id for s in card.suggestions))
    if "suggestions" in expect and offered != list(expect["suggestions"]):
        return f"expected the suggestions {expect['suggestions']}, found {offered}."
    for text in expect.get("says", ()):
        if text not in card.summary and text not in card.detail:
            return f'the card does not say "{text}".'
    return ""


# --- Seal and checksums --------------------------------------------------------------------------------


def seal(folder: Folder) -> str:
    """Seal a folder in which `lint` found nothing, and say so; or say which card a sealed start would misread."""
    whole, short = read_cards(folder, []), read_cards(replace(folder, is_checked=True), [])
    misread = [name for name in whole if _rule_part(whole[name]) != _rule_part(short.get(name, {}))]
    if misread:
        return f"Not sealed, each start will check everything: in {', '.join(misread)} examples is not the last part."
    write_seal(folder)
    return "Sealed: a start that finds the folder as it is now does not check it again."


def _rule_part(card: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in card.items() if key != "examples"}


def stamp(folder: Path, only: tuple[str, ...] = ()) -> list[str]:
    """Write the checksum of the content into the newest history entry of each card (of `only`) that lacks it.

    An entry that already has one is left alone: changed content needs a new version and entry.
    """
    places = [place for place in card_places(read_folder(folder)) if not only or Path(place).stem in only]
    return [f"cards/{place}" for place in places if _stamp_file(folder / place)]


def _stamp_file(path: Path) -> bool:
    card = read_yaml(path, path.name, [])
    if not isinstance(card, dict) or not isinstance(card.get("history"), list) or not card["history"]:
        return False
    last = card["history"][-1]
    if not isinstance(last, dict) or last.get("content"):
        return False
    text = path.read_text(encoding="utf-8")
    blank = re.compile(r'content: *(""|\'\')')
    places = list(blank.finditer(text))
    if not places:
        return False
    place = places[-1]
    path.write_text(
        text[: place.start()] + f'content: "{content_checksum(card)}"' + text[place.end() :], encoding="utf-8"
    )
    return True
