"""What one request came to: the one line in the log and the figures in the metrics. Ids and counts, never data.

Handlers note down what they know in `current_record()`; the line is written when the answer is ready.
"""

from __future__ import annotations

import logging
import re
import time
import uuid
from collections.abc import Iterable
from dataclasses import dataclass, field

from flask import Flask, Response, g, request

from cds_service.core.values import Evaluation
from cds_service.fhir.fetching import Call
from cds_service.fhir.request import ReadRequest
from cds_service.logs import log_event
from cds_service.web.metrics import Metrics
from cds_service.web.services import SERVICES

REQUEST_ID = "X-Request-ID"
_SAFE_ID = re.compile(r"[A-Za-z0-9._\-]{1,64}\Z")
_NOBODY = "-"


@dataclass(slots=True)
class Record:
    """One request, as far as it may be told. `error` is a fault of ours, `refused` why a caller was."""

    request_id: str
    began: float
    orders: int = 0
    cards: list[tuple[str, str]] = field(default_factory=list)
    silent: list[str] = field(default_factory=list)
    silenced: list[str] = field(default_factory=list)
    invalid: int = 0
    not_checked: list[str] = field(default_factory=list)
    missed: list[str] = field(default_factory=list)
    not_seen: list[str] = field(default_factory=list)
    calls: list[Call] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    refused: str = ""
    error: str = ""

    def checked(self, read: ReadRequest, evaluation: Evaluation, parts: Iterable[str]) -> None:
        """Note down a finished check; `parts` are the parts of a chart."""
        self.orders = len(read.request.drafts)
        self.cards = [(card.rules[0][0], card.indicator) for card in evaluation.cards]
        self.silent = sorted({finding.rule.id for finding in evaluation.unshown})
        self.silenced = list(evaluation.silenced)
        self.invalid = len(read.report.invalid)
        self.not_checked = [why for _, why in evaluation.not_checked]
        self.not_seen = [part for part in parts if not read.request.chart.seen(part)] if self.orders else []
        self.calls = read.report.calls
        self.notes = read.report.notes


def current_record() -> Record:
    """The record of the request that this thread answers."""
    record: Record = g.record
    return record


def keep_records(app: Flask, metrics: Metrics, knowledge: str) -> None:
    """Open a record for each request of `app` before anything else sees it, and close it with the answer."""

    @app.before_request
    def begin() -> None:
        given = request.headers.get(REQUEST_ID, "")
        g.record = Record(given if _SAFE_ID.match(given) else str(uuid.uuid4()), time.perf_counter())

    @app.after_request
    def end(response: Response) -> Response:
        record, service = current_record(), _service()
        seconds = time.perf_counter() - record.began
        response.headers[REQUEST_ID] = record.request_id
        metrics.answered(service, response.status_code, seconds)
        _count(record, metrics)
        if response.status_code == 401:
            metrics.auth_failed(record.refused)
        _log(record, service, response.status_code, seconds, knowledge)
        return response


def _service() -> str:
    """What was asked for, in one of a few words: a service, a service and what about it, or another route."""
    if request.method == "OPTIONS":
        return "preflight"
    route = (request.endpoint or "unknown").split(".")[-1]
    name = (request.view_args or {}).get("service")
    if name is None:
        return route
    if name not in SERVICES:
        return "unknown"
    return name if route == "call" else f"{name}/{route}"


def _count(record: Record, metrics: Metrics) -> None:
    for rule, indicator in record.cards:
        metrics.cards.labels(rule, indicator).inc()
    for counter, names in (
        (metrics.silent, record.silent),
        (metrics.not_checked, record.not_checked),
        (metrics.missed, record.missed),
        (metrics.not_seen, record.not_seen),
    ):
        for name in names:
            counter.labels(name).inc()
    for call in record.calls:
        metrics.called(call)


def _log(record: Record, service: str, status: int, seconds: float, knowledge: str) -> None:
    """The line. What only asks whether all is well is not worth one, unless it is not."""
    quiet = request.blueprint == "operations" and status == 200
    log_event(
        "request",
        logging.DEBUG if quiet else logging.ERROR if record.error else logging.INFO,
        request_id=record.request_id,
        service=service,
        status=status,
        ms=round(1000 * seconds, 1),
        client=g.caller.client if "caller" in g else _NOBODY,
        orders=record.orders,
        cards=[f"{rule}:{indicator}" for rule, indicator in record.cards],
        silent=record.silent,
        silenced=record.silenced,
        invalid=record.invalid,
        not_seen=record.not_seen,
        fhir_calls=[f"{call.part}:{call.outcome}" for call in record.calls],
        notes=record.notes,
        refused=record.refused,
        error=record.error,
        knowledge=knowledge,
    )
