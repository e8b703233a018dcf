"""Cards -> the JSON of a CDS Hooks 2.0.1 response. Optional members without a value are left out."""

from __future__ import annotations

from datetime import date

from cds_service.core.identity import suggestion_uuid
from cds_service.core.values import JSON, Card, Evaluation, Knowledge, Suggestion
from cds_service.fhir.actions import write_action
from cds_service.fhir.request import ReadRequest

EXTENSION = "local.cds-service"
_HOW = "How this rule works"
_TOPIC_SYSTEM = "urn:cds-service:topics"


def write_answer(read: ReadRequest, evaluation: Evaluation, knowledge: Knowledge, today: date, pages: str = "") -> JSON:
    """The whole response body. `pages`: the base URL of the knowledge pages, that cards may link to; empty: none."""
    cards = [_card(card, read, knowledge, today, pages) for card in evaluation.cards]
    answer: JSON = {"cards": cards}
    extension = _report(read, evaluation, knowledge)
    if cards or set(extension) - {"knowledge"}:
        answer["extension"] = {EXTENSION: extension}
    return answer


def _report(read: ReadRequest, evaluation: Evaluation, knowledge: Knowledge) -> JSON:
    """What was odd in the request, not seen of the chart or switched off; no patient data."""
    report: JSON = {"knowledge": knowledge.version}
    if evaluation.silenced:
        report["silenced"] = list(evaluation.silenced)
    if read.report.invalid:
        report["invalidOrders"] = {
            where: [f"{path}: {kind}" for path, kind in problems] for where, problems in read.report.invalid.items()
        }
    if read.report.notes:
        report["notes"] = list(read.report.notes)
    if read.request.drafts:
        unseen = [part for part in knowledge.chart_queries if not read.request.chart.seen(part)]
        if unseen:
            report["notSeen"] = unseen
    return report


def _card(card: Card, read: ReadRequest, knowledge: Knowledge, today: date, pages: str) -> JSON:
    written: JSON = {
        "uuid": card.uuid,
        "summary": card.summary,
        "detail": card.detail,
        "indicator": card.indicator,
        "source": {
            "label": knowledge.wording["source_label"],
            "topic": {"system": _TOPIC_SYSTEM, "code": card.topic, "display": card.topic_name},
        },
    }
    if card.suggestions:
        written["suggestions"] = [_suggestion(s, card.uuid, read, today) for s in card.suggestions]
        written["selectionBehavior"] = card.selection_behavior
    if card.override_reasons:
        written["overrideReasons"] = [
            {"code": r.code, "system": r.system, "display": r.display} for r in card.override_reasons
        ]
    written |= _links(card, knowledge, pages)
    written["extension"] = {EXTENSION: _card_report(card)}
    return written


def _links(card: Card, knowledge: Knowledge, pages: str) -> JSON:
    """Sources, then the page of the leading rule; a card about the check itself came from no rule."""
    links, lead = list(card.links), card.rules[0][0]
    if pages and lead not in knowledge.notices:
        links.append((_HOW, f"{pages}/knowledge/{lead}"))
    return {"links": [{"label": label, "url": url, "type": "absolute"} for label, url in links]} if links else {}


def _card_report(card: Card) -> JSON:
    rules = []
    for rule, version, severity, indicator in card.rules:
        entry: JSON = {"id": rule, "version": version, "indicator": indicator}
        if severity:
            entry["severity"] = severity
        rules.append(entry)
    report: JSON = {"rules": rules}
    if card.orders:
        report["orders"] = list(card.orders)
    return report


def _suggestion(suggestion: Suggestion, card_id: str, read: ReadRequest, today: date) -> JSON:
    touched = tuple(action.order_key for action in suggestion.actions)
    return {
        "label": suggestion.label,
        "uuid": suggestion_uuid(card_id, suggestion.id, touched),
        "actions": [write_action(action, read, today) for action in suggestion.actions],
    }
