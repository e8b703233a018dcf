"""Feedback about cards (CDS Hooks 2.0, *Feedback*). A batch is stored whole and for good before the answer, or not."""

from __future__ import annotations

from flask import Blueprint, Response

from cds_service.core.identity import card_key
from cds_service.logs import log_event
from cds_service.store.database import Store
from cds_service.store.feedback import save_feedback
from cds_service.web.caller import current_caller
from cds_service.web.feedback_body import read_feedback
from cds_service.web.json_body import json_response, read_body, read_json
from cds_service.web.services import known_service


def feedback_blueprint(store: Store, secrets: tuple[bytes, ...], keep_comments: bool) -> Blueprint:
    """The feedback route of every service. A card made with any of `secrets` counts."""
    blueprint = Blueprint("feedback", __name__)

    @blueprint.post("/cds-services/<service>/feedback")
    def receive(service: str) -> Response:
        known_service(service)
        caller = current_caller()
        keys = tuple(card_key(secret, caller.client, caller.tenant) for secret in secrets)
        items = read_feedback(read_json(read_body()), keys, keep_comments)
        save_feedback(store, caller.client, items)
        foreign = sum(item.origin is None for item in items)
        log_event("feedback", service=service, items=len(items), foreign=foreign)
        return json_response({})

    return blueprint
