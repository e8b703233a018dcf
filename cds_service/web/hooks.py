"""Discovery and the hook calls."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import date

from flask import Blueprint, Response

from cds_service.core.evaluate import evaluate
from cds_service.core.identity import card_key
from cds_service.core.values import FAILED, JSON, MISSING, Card, CardOrigin, Knowledge
from cds_service.errors import MissingChart
from cds_service.fhir.entries import refuse_too_many_entries
from cds_service.fhir.fetching import ChartFetcher, Fetched, Note, refuse_token_without_server, server_of
from cds_service.fhir.reading import as_text
from cds_service.fhir.request import ReadRequest, read_hook_request
from cds_service.settings import Settings
from cds_service.store.shown import ShownCounts
from cds_service.web.answer import write_answer
from cds_service.web.caller import current_caller
from cds_service.web.json_body import json_response, read_body, read_json
from cds_service.web.record import current_record
from cds_service.web.services import describe_services, known_service


def hooks_blueprint(
    knowledge: Knowledge, today: Callable[[], date], settings: Settings, fetcher: ChartFetcher, shown: ShownCounts
) -> Blueprint:
    """Routes for discovery and the services. `today` is asked once per call."""
    hooks = Blueprint("hooks", __name__)
    discovery = describe_services(knowledge)
    pages = settings.access.public_url if settings.knowledge_pages else ""

    def complete(root: JSON, patient_id: str, prefetch: JSON, drafts: list[JSON], note: Note) -> Fetched:
        current_record().missed = [part for part in knowledge.chart_queries if part not in prefetch]
        refuse_token_without_server(root)
        if not fetcher.has_gaps(prefetch, drafts, as_text(root.get("fhirServer")).rstrip("/")):
            return Fetched(prefetch)
        server = server_of(root, patient_id, current_caller().fhir_servers, note)
        return fetcher.complete(server, patient_id, prefetch, drafts) if server else Fetched(prefetch)

    @hooks.get("/cds-services")
    def discover() -> Response:
        return json_response(discovery)

    @hooks.post("/cds-services/<service>")
    def call(service: str) -> Response:
        hook, caller = known_service(service), current_caller()
        body = read_json(read_body())
        refuse_too_many_entries(body, settings.limits.entries)
        read = read_hook_request(body, hook, complete, settings.limits.entries)
        if settings.missing_chart == "412":
            _refuse_without_chart(read)
        day = today()
        key = card_key(settings.storage.card_keys[0], caller.client, caller.tenant)
        evaluation = evaluate(replace(read.request, card_key=key), knowledge, day)
        current_record().checked(read, evaluation, knowledge.chart_queries)
        response = json_response(write_answer(read, evaluation, knowledge, day, pages))
        shown.add(day, caller.client, map(_origin, evaluation.cards))
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
