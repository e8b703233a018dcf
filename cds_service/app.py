"""The application factory: builds everything once. The only file that knows all parts."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from contextlib import ExitStack
from datetime import date, datetime

from flask import Flask

from cds_service.clients import load_clients
from cds_service.core.values import Knowledge
from cds_service.errors import Fault, KnowledgeError
from cds_service.fhir.fetching import ChartFetcher
from cds_service.fhir.validation import validate
from cds_service.knowledge import load_knowledge
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
from cds_service.web.replay import MemoryReplayGuard
from cds_service.web.tokens import Authenticator

_LOG = logging.getLogger("cds_service")
_CLOSING = "cds_service.closing"


def create_app(
    settings: Settings | None = None,
    today: Callable[[], date] | None = None,
    on_refusal: Callable[[str], None] | None = None,
) -> Flask:
    """The WSGI application.

    `settings` default to the environment, `today` to the date in the configured time zone; `on_refusal` counts
    callers that were not let in, by reason. Raises StartError when a setting, the file of clients or a card file is
    wrong.
    """
    chosen = settings or read_settings(os.environ)
    closing = ExitStack()
    store, shown = _open_store(chosen.storage, closing)
    admit = _admit(chosen.access, store, closing)
    knowledge = load_knowledge(chosen.cards)
    check_templates(knowledge)
    validate({"resourceType": "MedicationRequest"})  # builds the validator before the first call needs it
    app = Flask("cds_service", static_folder=None)
    app.extensions["cds_service"] = knowledge
    app.extensions[_CLOSING] = closing
    app.config["MAX_CONTENT_LENGTH"] = chosen.max_body
    app.url_map.strict_slashes = True
    app.url_map.merge_slashes = False
    fetcher = ChartFetcher(Outgoing(chosen.access.private), chosen.chart, knowledge.chart_queries, read_json)
    closing.callback(fetcher.close)
    secrets = chosen.storage.card_keys
    clock = today or _clock(chosen)
    app.register_blueprint(hooks_blueprint(knowledge, clock, chosen.missing_chart, fetcher, secrets[0], shown))
    app.register_blueprint(feedback_blueprint(store, secrets, chosen.storage.keeps_comments))
    admit_callers(app, admit, on_refusal or _count_nothing)
    allow_browsers(app)
    register_errors(app)
    if chosen.access.mode == "required" and secrets == (PUBLISHED_CARD_KEY,):
        _LOG.warning("CDS_CARD_KEY is not set: whoever may send feedback can invent cards that count in the report")
    _LOG.info("started knowledge=%s rules=%d", knowledge.version, len(knowledge.rules))
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
        logging.getLogger("cds_service").warning(
            "sandbox mode: anybody can sign as the public sandbox; no real patients"
        )
    outgoing = Outgoing(access.private)
    replay = build_replay_guard(store, MemoryReplayGuard())
    closing.callback(outgoing.close)
    authenticator = Authenticator(clients, key_sets(clients, outgoing), replay)
    return admit_signed(authenticator, access.public_url)


def _count_nothing(_: str) -> None:
    """What is done with the reason of a refusal where nobody counts."""


def _open_store(storage: Storage, closing: ExitStack) -> tuple[Store, ShownCounts]:
    """The store and the counts of cards shown; both touch the database later, at their first need."""
    store = Store(storage.database)
    shown = ShownCounts(store)
    closing.callback(store.close)
    closing.callback(shown.close)
    return store, shown


def check_templates(knowledge: Knowledge) -> None:
    """Every resource a suggestion creates is valid FHIR before the first card offers it."""
    faults = []
    for plan in knowledge.suggestions.values():
        if plan.resource:
            whole = {**plan.resource, "subject": {"reference": "Patient/example"}}
            for path, kind in validate(whole):
                faults.append(Fault("cards/suggestions.yaml", f"{plan.id}.resource.{path}", kind))
    if faults:
        raise KnowledgeError(faults)


def _clock(settings: Settings) -> Callable[[], date]:
    return lambda: datetime.now(settings.timezone).date()
