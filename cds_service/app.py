"""The application factory: builds everything once. The only file that knows all parts."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from contextlib import ExitStack
from datetime import date, datetime

from flask import Flask

from cds_service.core.values import Knowledge
from cds_service.errors import Fault, KnowledgeError
from cds_service.fhir.fetching import ChartFetcher
from cds_service.fhir.validation import validate
from cds_service.knowledge import load_knowledge
from cds_service.outgoing import Outgoing
from cds_service.settings import Settings, read_settings
from cds_service.web.auth import admit_callers
from cds_service.web.cors import allow_browsers
from cds_service.web.errors import register_errors
from cds_service.web.hooks import hooks_blueprint
from cds_service.web.json_body import read_json
from cds_service.web.openapi import openapi_blueprint

_CLOSING = "cds_service.closing"


def create_app(settings: Settings | None = None, today: Callable[[], date] | None = None) -> Flask:
    """The WSGI application.

    `settings` default to the environment, `today` to the date in the configured time zone.
    Raises StartError when a setting or a card file is wrong.
    """
    chosen = settings or read_settings(os.environ)
    knowledge = load_knowledge(chosen.cards)
    check_templates(knowledge)
    validate({"resourceType": "MedicationRequest"})  # builds the validator before the first call needs it
    app = Flask("cds_service", static_folder=None)
    app.extensions["cds_service"] = knowledge
    closing = app.extensions[_CLOSING] = ExitStack()
    app.config["MAX_CONTENT_LENGTH"] = chosen.max_body
    app.url_map.strict_slashes = True
    app.url_map.merge_slashes = False
    fetcher = ChartFetcher(Outgoing(chosen.access.private), chosen.chart, knowledge.chart_queries, read_json)
    closing.callback(fetcher.close)
    app.register_blueprint(hooks_blueprint(knowledge, today or _clock(chosen), chosen.missing_chart, fetcher))
    app.register_blueprint(openapi_blueprint(app, knowledge, chosen.access))
    admit_callers(app, chosen.access)
    allow_browsers(app)
    register_errors(app)
    logging.getLogger("cds_service").info("started knowledge=%s rules=%d", knowledge.version, len(knowledge.rules))
    return app


def close_app(app: Flask) -> None:
    """Let go of what an application holds: connections, threads, what is still to be written. Before a worker ends."""
    closing: ExitStack = app.extensions[_CLOSING]
    closing.close()


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
