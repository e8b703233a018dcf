"""Discovery and the hook calls."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import date

from flask import Blueprint, Response, request

from cds_service.core.evaluate import evaluate
from cds_service.core.identity import card_key
from cds_service.core.values import FAILED, JSON, MISSING, Card, CardOrigin, Evaluation, Knowledge
from cds_service.errors import MissingChart
from cds_service.fhir.fetching import ChartFetcher, Fetched, Note, server_of
from cds_service.fhir.request import ReadRequest, read_hook_request
from cds_service.store.shown import ShownCounts
from cds_service.web.answer import write_answer
from cds_service.web.caller import current_caller
from cds_service.web.json_body import json_response, read_json
from cds_service.web.services import describe_services, known_service

_LOG = logging.getLogger("cds_service")


def hooks_blueprint(
    knowledge: Knowledge,
    today: Callable[[], date],
    missing_chart: str,
    fetcher: ChartFetcher,
    secret: bytes,
    shown: ShownCounts,
) -> Blueprint:
    """Routes for discovery and the services. `today` is asked once per call; `secret` seals the cards' uuids."""
    hooks = Blueprint("hooks", __name__)
    discovery = describe_services(knowledge)

    def complete(root: JSON, patient_id: str, prefetch: JSON, drafts: list[JSON], note: Note) -> Fetched:
        server = server_of(root, patient_id, current_caller().fhir_servers, note)
        return fetcher.complete(server, patient_id, prefetch, drafts) if server else Fetched(prefetch)

    @hooks.get("/cds-services")
    def discover() -> Response:
        return json_response(discovery)

    @hooks.post("/cds-services/<service>")
    def call(service: str) -> Response:
        began = time.perf_counter()
        hook, caller = known_service(service), current_caller()
        read = read_hook_request(read_json(request.get_data(cache=False)), hook, complete)
        if missing_chart == "412":
            _refuse_without_chart(read)
        day = today()
        key = card_key(secret, caller.client, caller.tenant)
        evaluation = evaluate(replace(read.request, card_key=key), knowledge, day)
        response = json_response(write_answer(read, evaluation, knowledge, day))
        shown.add(day, caller.client, map(_origin, evaluation.cards))
        _log(service, read, evaluation, time.perf_counter() - began)
        return response

    return hooks


def _refuse_without_chart(read: ReadRequest) -> None:
    """The specification's answer (CH-092); most clients show it like an empty one, so it is not the default."""
    state = read.request.chart.parts.get("medicationRequests")
    if read.request.drafts and state in (MISSING, FAILED):
        raise MissingChart(f"prefetch.medicationRequests: is {state}, and nothing was checked.")


def _origin(card: Card) -> CardOrigin:
    rule, version, _, indicator = card.rules[0]
    return CardOrigin(rule, version, indicator)


def _log(service: str, read: ReadRequest, evaluation: Evaluation, seconds: float) -> None:
    """Ids of rules and timings only."""
    rules = ",".join(f"{card.rules[0][0]}:{card.indicator}" for card in evaluation.cards)
    _LOG.info(
        "answered service=%s ms=%.1f orders=%d cards=%s silent=%s invalid=%d notes=%s",
        service,
        seconds * 1000,
        len(read.request.drafts),
        rules or "-",
        ",".join(sorted({f.rule.id for f in evaluation.unshown})) or "-",
        len(read.report.invalid),
        "; ".join(read.report.notes) or "-",
    )
