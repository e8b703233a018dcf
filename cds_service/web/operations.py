"""For those who run the service: does the process answer, can it do its work, how much does it do."""

from __future__ import annotations

import logging
from collections.abc import Callable

from flask import Blueprint, Flask, Response

from cds_service.core.values import JSON, Knowledge
from cds_service.logs import log_event
from cds_service.outgoing import IPNetwork
from cds_service.web.caller import is_operator
from cds_service.web.errors import outcome
from cds_service.web.json_body import json_response
from cds_service.web.metrics import Metrics

# (name of a part that the service needs, "ok", "degraded" or "down"). Asked often: quick, and bounded in time.
Health = Callable[[], tuple[str, str]]
STATES = ("ok", "degraded", "down")
_HEALTH = "cds_service.health"
_RELOAD = "cds_service.reload"
_TEXT = "text/plain; version=0.0.4; charset=utf-8"


def add_health(app: Flask, health: Health) -> None:
    """Have /readyz and /metrics ask about one more part.

    "down" takes the machine out of service (503): only for what answering needs. What the answers do without, such as
    the database, is "degraded" when it is not there.
    """
    app.extensions.setdefault(_HEALTH, []).append(health)


def reload_failed(app: Flask) -> None:
    """From now on /readyz says that newer files are there which this application could not take up."""
    app.extensions[_RELOAD] = "degraded"


def states_of(app: Flask) -> list[tuple[str, str]]:
    """How each part is. One that cannot be asked is degraded: a fault in looking must not stop the answers."""
    return [_ask(health) for health in app.extensions.setdefault(_HEALTH, [])]


def _ask(health: Health) -> tuple[str, str]:
    try:
        name, state = health()
    except Exception as error:
        log_event("health check failed", logging.ERROR, error=type(error).__name__)
        return "unknown", "degraded"
    return name, state if state in STATES else "degraded"


def operations_blueprint(
    app: Flask, knowledge: Knowledge, metrics: Metrics, metrics_from: tuple[IPNetwork, ...]
) -> Blueprint:
    """Routes /healthz, /readyz and /metrics. They are never authenticated and never limited."""
    operations = Blueprint("operations", __name__)
    add_health(app, lambda: ("reload", app.extensions.get(_RELOAD, "ok")))

    @operations.get("/healthz")
    def healthz() -> Response:
        return json_response({"status": "ok"})

    @operations.get("/readyz")
    def readyz() -> Response:
        body = _readiness(knowledge, states_of(app))
        return json_response(body, 503 if body["status"] == "down" else 200)

    @operations.get("/metrics", endpoint="metrics")
    def read_metrics() -> Response:
        if not is_operator(metrics_from):
            return outcome(403, "forbidden", "metrics are not for this address. See CDS_METRICS_FROM.")
        return Response(metrics.text(), content_type=_TEXT)

    return operations


def _readiness(knowledge: Knowledge, states: list[tuple[str, str]]) -> JSON:
    """The state of the whole is that of its worst part."""
    worst = max((STATES.index(state) for _, state in states), default=0)
    return {
        "status": STATES[worst],
        "knowledge": knowledge.version,
        "rules": len(knowledge.rules),
        "silenced": sorted(knowledge.silenced),
        "parts": dict(states),
    }
