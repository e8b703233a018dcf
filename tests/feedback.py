"""Feedback as a client sends it, and what the database holds afterwards."""

from __future__ import annotations

from datetime import date
from typing import Any

from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select
from werkzeug.test import TestResponse

from cds_service.core.identity import card_key, card_uuid
from cds_service.core.values import CardOrigin
from cds_service.settings import PUBLISHED_CARD_KEY, read_settings
from cds_service.store.database import Store
from cds_service.store.tables import feedback
from cds_service.web.json_body import write_json
from tests.helpers import SIGN, TODAY, app_of

JSON = dict[str, Any]
FEEDBACK = f"{SIGN}/feedback"
WHEN = "2026-11-22T08:30:00Z"
OURS = "urn:cds-service:override-reasons"


def app_with(database: str, day: date = TODAY, **settings: str) -> Flask:
    """The application with this database."""
    return app_of(read_settings({"CDS_AUTH": "off", "CDS_DATABASE_URL": database, **settings}), day)


def invented(rule: str, call: str, version: int = 1) -> str:
    """The uuid of a card of this rule, as a service with the published key makes it."""
    key = card_key(PUBLISHED_CARD_KEY, "open", "")
    return card_uuid(key, call, CardOrigin(rule, version, "warning"), ())


def overridden(card: str, code: str = "", system: str = OURS, comment: str = "", **changes: Any) -> JSON:
    """One item: the card was overridden."""
    item: JSON = {"card": card, "outcome": "overridden", "outcomeTimestamp": WHEN}
    if code or comment:
        item["overrideReason"] = ({"reason": {"code": code, "system": system}} if code else {}) | (
            {"userComment": comment} if comment else {}
        )
    return item | changes


def accepted(card: str, *suggestions: str, **changes: Any) -> JSON:
    """One item: suggestions of the card were taken."""
    taken = [{"id": suggestion} for suggestion in suggestions]
    return {"card": card, "outcome": "accepted", "acceptedSuggestions": taken, "outcomeTimestamp": WHEN} | changes


def send(client: FlaskClient, *items: Any, url: str = FEEDBACK) -> TestResponse:
    """Send these items in one call."""
    return client.post(url, data=write_json({"feedback": list(items)}), content_type="application/json")


def stored(database: str) -> list[JSON]:
    """All feedback in the database, in the order it came."""
    store = Store(database)
    try:
        with store.reading() as connection:
            return [dict(row._mapping) for row in connection.execute(select(feedback).order_by(feedback.c.id))]
    finally:
        store.close()
