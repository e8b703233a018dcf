"""The knowledge pages: all cards with search and filters, one card in plain sentences, and the same as JSON.

They hold no patient data and are open to everybody. How a card fared at this site is shown to operators alone, where
the workbench is on.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

from flask import Blueprint, Response

from cds_service.core.values import JSON, Rule
from cds_service.examples import example_request
from cds_service.explained.as_json import as_json
from cds_service.explained.card import ToldCard, tell_card
from cds_service.explained.catalogue import Entry, list_cards
from cds_service.knowledge.card_files import CardFiles
from cds_service.web.caller import is_operator
from cds_service.web.errors import outcome
from cds_service.web.json_body import json_response
from cds_service.web.pages.fired import Fired, read_fired
from cds_service.web.pages.frame import KNOWLEDGE, Frame, pages_blueprint
from cds_service.web.pages.knowledge_list import asked_filters, listing, listing_json
from cds_service.web.pages.parts import Parts

_NO_CARD = "There is no card with this id. The list of all cards is under Knowledge."
_NO_CARD_JSON = "there is no card with this id. GET /knowledge.json lists them."
_NO_EXAMPLE = "this card has no example of this number. They count from 1."


class _Cards:
    """The cards by id, each with its file and its counts."""

    def __init__(self, parts: Parts, frame: Frame) -> None:
        self._parts = parts
        self._has_counts = frame.has_workbench
        self._files = CardFiles(parts.settings.cards)
        self._rules = {rule.id: rule for rule in parts.knowledge.rules}

    def find(self, card_id: str) -> Rule | None:
        """The rule with this id."""
        return self._rules.get(card_id)

    def tell(self, rule: Rule) -> ToldCard:
        """Everything about the rule, in words."""
        return tell_card(rule, self._parts.knowledge, self._files.content_of(rule))

    def fired(self, rule: Rule) -> Fired | None:
        """What it came to here; None for callers who may not see it."""
        may_see = self._has_counts and is_operator(self._parts.settings.metrics_from)
        return read_fired(self._parts.store, rule.id) if may_see else None

    def request_of(self, rule: Rule, number: int) -> JSON | None:
        """The hook call of one of its examples, counted from 1, for today."""
        examples = self._files.content_of(rule).get("examples", ())
        if not 1 <= number <= len(examples):
            return None
        return example_request(examples[number - 1], self._parts.knowledge, self._parts.today())


def knowledge_blueprint(parts: Parts, frame: Frame) -> Blueprint:
    """The routes below /knowledge."""
    pages = pages_blueprint(KNOWLEDGE)
    cards = _Cards(parts, frame)
    _add_list(pages, parts, frame)
    _add_pages(pages, cards, frame)
    _add_json(pages, cards)
    return pages


def _add_list(pages: Blueprint, parts: Parts, frame: Frame) -> None:
    knowledge = parts.knowledge

    @cache
    def entries() -> tuple[Entry, ...]:
        return list_cards(knowledge)

    @pages.get("/knowledge")
    def all_cards() -> Response:
        return frame.show("knowledge.html", **listing(entries(), asked_filters(), knowledge))

    @pages.get("/knowledge.json")
    def all_cards_json() -> Response:
        return json_response(listing_json(entries(), asked_filters(), knowledge))


def _add_pages(pages: Blueprint, cards: _Cards, frame: Frame) -> None:
    @pages.get("/knowledge/<card_id>")
    def one_card(card_id: str) -> Response:
        rule = cards.find(card_id)
        if rule is None:
            return frame.say(404, "Not here", _NO_CARD)
        return frame.show("knowledge_card.html", card=cards.tell(rule), fired=cards.fired(rule))


def _add_json(pages: Blueprint, cards: _Cards) -> None:
    def of_card(card_id: str, answer: Callable[[Rule], Response]) -> Response:
        rule = cards.find(card_id)
        return outcome(404, "not-found", _NO_CARD_JSON) if rule is None else answer(rule)

    @pages.get("/knowledge/<card_id>.json")
    def one_card_json(card_id: str) -> Response:
        return of_card(card_id, lambda rule: json_response(_told(cards.tell(rule), cards.fired(rule))))

    @pages.get("/knowledge/<card_id>/examples/<int:number>")
    def example_json(card_id: str, number: int) -> Response:
        def answer(rule: Rule) -> Response:
            body = cards.request_of(rule, number)
            return outcome(404, "not-found", _NO_EXAMPLE) if body is None else json_response(body)

        return of_card(card_id, answer)


def _told(card: ToldCard, fired: Fired | None) -> JSON:
    whole: JSON = as_json(card)
    return whole if fired is None else whole | {"fired": as_json(fired)}
