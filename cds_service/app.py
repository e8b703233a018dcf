"""The application factory: builds everything once. The only file that knows all parts."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from datetime import date, datetime

from flask import Flask

from cds_service.clients import load_clients
from cds_service.core.values import Knowledge
from cds_service.errors import Fault, KnowledgeError, SettingsError
from cds_service.fhir.fetching import ChartFetcher
from cds_service.fhir.validation import validate
from cds_service.knowledge import load_knowledge
from cds_service.logs import log_event
from cds_service.outgoing import Outgoing
from cds_service.settings import PUBLISHED_CARD_KEY, Access, Settings, Storage, read_settings
from cds_service.store.database import Store
from cds_service.store.replay import build_replay_guard
from cds_service.store.shown import ShownCounts
from cds_service.web.auth import Admit, admit_callers, admit_local, admit_signed
from cds_service.web.cors import allow_browsers
from cds_service.web.errors import register_errors
from cds_service.web.feedback import feedback_blueprint
from cds_service.web.hooks import hooks_blueprint
from cds_service.web.json_body import read_json
from cds_service.web.key_sets import key_sets
from cds_service.web.limits import limit_calls_in_flight, limit_rate
from cds_service.web.metrics import Metrics
from cds_service.web.openapi import openapi_blueprint
from cds_service.web.operations import add_health, operations_blueprint, states_of
from cds_service.web.pages.parts import Parts
from cds_service.web.pages.register import register_pages
from cds_service.web.record import keep_records
from cds_service.web.replay import MemoryReplayGuard
from cds_service.web.tokens import Authenticator

METRICS = "cds_service.metrics"
_CLOSING = "cds_service.closing"


def create_app(
    settings: Settings | None = None,
    today: Callable[[], date] | None = None,
    knowledge: Knowledge | None = None,
) -> Flask:
    """The WSGI application.

    `settings` default to the environment, `today` to the date in the configured time zone, `knowledge` to
    what is read from the folder of the card files.
    Raises StartError when a setting, the file of clients or a card file is wrong.
    """
    chosen = settings or read_settings(os.environ)
    clock = today or _clock(chosen)
    closing = ExitStack()
    store, shown = _open_store(chosen.storage, closing)
    admit = _admit(chosen.access, store, closing)
    knowledge = _silence(knowledge or load_knowledge(chosen.cards), chosen.silence)
    check_templates(knowledge)
    validate({"resourceType": "MedicationRequest"})  # builds the validator before the first call needs it
    app = Flask("cds_service", static_folder=None)
    app.extensions["cds_service"] = knowledge
    app.extensions[_CLOSING] = closing
    app.config["MAX_CONTENT_LENGTH"] = chosen.max_body
    app.url_map.strict_slashes = True
    app.url_map.merge_slashes = False
    outgoing = Outgoing(chosen.access.private)
    fetcher = ChartFetcher(outgoing, chosen.chart, knowledge.chart_queries, read_json, chosen.limits.in_flight)
    closing.callback(fetcher.close)
    metrics = app.extensions[METRICS] = Metrics(knowledge, lambda: states_of(app))
    app.register_blueprint(operations_blueprint(app, knowledge, metrics, chosen.metrics_from))
    register_pages(app, Parts(knowledge, chosen, store, clock))
    app.register_blueprint(openapi_blueprint(app, knowledge, chosen.access))
    app.register_blueprint(hooks_blueprint(knowledge, clock, chosen, fetcher, shown))
    app.register_blueprint(feedback_blueprint(store, chosen.storage.card_keys, chosen.storage.keeps_comments))
    add_health(app, lambda: _database_state(store))
    keep_records(app, metrics, knowledge.version)  # this and the next three see each request in this order
    limit_calls_in_flight(app, chosen.limits, metrics)
    admit_callers(app, admit)
    limit_rate(app, chosen.limits, closing.callback)
    allow_browsers(app)
    register_errors(app)
    if chosen.access.mode == "required" and chosen.storage.card_keys == (PUBLISHED_CARD_KEY,):
        log_event("CDS_CARD_KEY is not set: whoever may send feedback can invent cards that count", logging.WARNING)
    log_event("loaded", knowledge=knowledge.version, rules=len(knowledge.rules), silenced=sorted(knowledge.silenced))
    return app


def close_app(app: Flask) -> None:
    """Let go of what an application holds: connections, threads, what is still to be written. Before a worker ends."""
    closing: ExitStack = app.extensions[_CLOSING]
    closing.close()


def _admit(access: Access, store: Store, closing: ExitStack) -> Admit:
    """Who is let in, as a snapshot: another file of clients is read by making another application."""
    if access.mode == "off":
        return admit_local(access)
    clients = load_clients(access)
    if access.mode == "sandbox":
        log_event("sandbox mode: anybody can sign as the public sandbox; no real patients", logging.WARNING)
    outgoing = Outgoing(access.private)
    replay = build_replay_guard(store, MemoryReplayGuard())
    closing.callback(outgoing.close)
    authenticator = Authenticator(clients, key_sets(clients, outgoing), replay)
    return admit_signed(authenticator, access.public_url)


def _open_store(storage: Storage, closing: ExitStack) -> tuple[Store, ShownCounts]:
    """The store and the counts of cards shown; both touch the database later, at their first need."""
    store = Store(storage.database)
    shown = ShownCounts(store)
    closing.callback(store.close)
    closing.callback(shown.close)
    return store, shown


def _database_state(store: Store) -> tuple[str, str]:
    """Without the database cards are given all the same, so that it is down makes the service degraded, not down."""
    return "database", "ok" if store.health().ok else "degraded"


def _silence(knowledge: Knowledge, silence: frozenset[str]) -> Knowledge:
    """Knowledge with cards switched off. A name that is no card's would switch off nothing, in silence."""
    unknown = sorted(silence - {rule.id for rule in knowledge.rules})
    if unknown:
        raise SettingsError(f"CDS_SILENCE: {', '.join(unknown)} is no id of a card. The card files have the ids.")
    if silence:
        log_event("cards switched off", logging.WARNING, silenced=sorted(silence))
    return replace(knowledge, silenced=silence)


def check_templates(knowledge: Knowledge) -> None:
    """Every resource a suggestion creates is valid FHIR before the first card offers it."""
    faults = []
    for plan in knowledge.suggestions.values():
        for test in plan.tests:
            whole = {**test.resource, "subject": {"reference": "Patient/example"}}
            for path, kind in validate(whole):
                faults.append(Fault("cards/suggestions.yaml", f"{plan.id}.resource.{path}", kind))
    if faults:
        raise KnowledgeError(faults)


def _clock(settings: Settings) -> Callable[[], date]:
    return lambda: datetime.now(settings.timezone).date()
