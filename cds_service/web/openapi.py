"""The service in OpenAPI 3.1, at GET /openapi.json: for those who build or test a client. It needs no token."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from flask import Blueprint, Flask, Response
from werkzeug.routing import Rule

from cds_service import __version__
from cds_service.core.values import JSON, Knowledge
from cds_service.settings import Access
from cds_service.web import schemas
from cds_service.web.json_body import json_response
from cds_service.web.knowledge_api import KNOWLEDGE_READS, KNOWLEDGE_SCHEMAS
from cds_service.web.services import SERVICES

_REFUSALS = {
    "400": "The request cannot be understood; the text names the path.",
    "401": "The caller was not let in; one text for all reasons.",
    "403": "Not for this address.",
    "404": "There is no such service.",
    "405": "This method is not allowed here.",
    "412": "The medication list was not there (only with CDS_MISSING_CHART=412).",
    "413": "The body is too large.",
    "429": "Called too often; Retry-After says when to come back.",
    "500": "A fault of the service. Nothing was checked.",
    "503": "Not now; Retry-After says when to come back.",
}
_PARAMETER = re.compile(r"<(?:\w+:)?(\w+)>")
_PLACE = "#/components/schemas/"
_OF_ANY = ("405", "500")
_OF_A_CALL = ("400", "401", "404", "413", "429", "503", *_OF_ANY)


def openapi_blueprint(app: Flask, knowledge: Knowledge, access: Access) -> Blueprint:
    """The route of the document."""
    openapi = Blueprint("openapi", __name__)

    @openapi.get("/openapi.json", endpoint="document")
    def document() -> Response:
        return json_response(describe_api(app.url_map.iter_rules(), knowledge, access))

    return openapi


def describe_api(rules: Iterable[Rule], knowledge: Knowledge, access: Access) -> JSON:
    """The document. A path is in it where one of `rules` answers it, a token is where callers must show one."""
    routed = {_PARAMETER.sub(r"{\1}", rule.rule) for rule in rules}
    described = _hook_calls() if "/cds-services/{service}" in routed else {}
    if "/cds-services/{service}/feedback" in routed:
        described |= {f"/cds-services/{service}/feedback": _feedback(service) for service in SERVICES}
    described |= {path: item for path, item in (_reads() | _knowledge()).items() if path in routed}
    paths = dict(sorted(described.items()))
    components: JSON = {"schemas": _used(_components(knowledge), paths)}
    document: JSON = {
        "openapi": "3.1.0",
        "info": {
            "title": "CDS Hooks drug interactions",
            "version": __version__,
            "summary": "Checks draft medication orders (CDS Hooks 2.0, order-sign and order-select).",
            "description": "The clinical content has not been reviewed by a clinician.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "paths": paths,
        "components": components,
    }
    if access.public_url:
        document["servers"] = [{"url": access.public_url}]
    if access.mode == "off":
        for item in paths.values():
            next(iter(item.values()))["security"] = []
    else:
        components["securitySchemes"] = {"client": _TOKEN}
    return document


_TOKEN = {
    "type": "http",
    "scheme": "bearer",
    "bearerFormat": "JWT",
    "description": "The CDS Client's own signed token (CDS Hooks 2.0, Trusting CDS Clients).",
}


def _components(knowledge: Knowledge) -> JSON:
    prefetch = dict.fromkeys(knowledge.chart_queries, schemas.PREFETCH_SCHEMA)
    calls = {_request_name(hook): schemas.request_schema(hook, prefetch) for hook in SERVICES.values()}
    return calls | {
        **KNOWLEDGE_SCHEMAS,
        "Cards": schemas.RESPONSE_SCHEMA,
        "Discovery": schemas.DISCOVERY_SCHEMA,
        "Feedback": schemas.FEEDBACK_SCHEMA,
        "Health": schemas.HEALTH_SCHEMA,
        "OperationOutcome": schemas.OUTCOME_SCHEMA,
        "Readiness": schemas.READINESS_SCHEMA,
    }


def _used(components: JSON, paths: JSON) -> JSON:
    text = str(paths)
    return {name: schema for name, schema in components.items() if f"'{_PLACE}{name}'" in text}


def _request_name(hook: str) -> str:
    return "".join(word.capitalize() for word in hook.split("-")) + "Request"


def _hook_calls() -> JSON:
    return {
        f"/cds-services/{service}": {
            "post": {
                "operationId": service,
                "summary": f"Check the draft orders of a {hook} call.",
                "security": [{"client": []}],
                "requestBody": _body(_request_name(hook)),
                "responses": _responses("The cards, none where there is nothing to say.", "Cards", "412", *_OF_A_CALL),
            }
        }
        for service, hook in SERVICES.items()
    }


def _feedback(service: str) -> JSON:
    stored = {"description": "All of it is stored.", "content": _json({"type": "object", "maxProperties": 0})}
    return {
        "post": {
            "operationId": f"{service}-feedback",
            "summary": "What became of cards. A batch is stored whole, or not at all.",
            "security": [{"client": []}],
            "requestBody": _body("Feedback"),
            "responses": {"200": stored, **_refusals(*_OF_A_CALL)},
        }
    }


def _reads() -> JSON:
    """What is only read: discovery, and what those who run the service look at."""
    metrics = {"description": "Prometheus' text format.", "content": {"text/plain": {"schema": {"type": "string"}}}}
    ready = _responses("It answers; parts it can do without may be degraded.", "Readiness", *_OF_ANY)
    down = {"description": "Not in service.", "content": _json(_reference("Readiness"))}
    return {
        "/cds-services": _read("discovery", "The services.", _responses("Discovery.", "Discovery", "401", *_OF_ANY)),
        "/healthz": _read("health", "Whether the process answers.", _responses("It does.", "Health", *_OF_ANY)),
        "/readyz": _read("readiness", "Whether it can do its work.", ready | {"503": down}),
        "/metrics": _read("metrics", "Figures.", {"200": metrics, **_refusals("403", *_OF_ANY)}),
        "/openapi.json": _read("document", "This document.", _document()),
    }


def _knowledge() -> JSON:
    """The cards, for everybody: they hold no patient data."""
    return {
        path: {
            "get": _read(name, summary, _responses(answer, schema, *(("404",) if "{" in path else ()), *_OF_ANY))["get"]
            | {"parameters": parameters}
        }
        for path, (name, summary, answer, schema, parameters) in KNOWLEDGE_READS.items()
    }


def _document() -> JSON:
    anything = {"description": "OpenAPI 3.1.", "content": _json({"type": "object", "required": ["openapi", "paths"]})}
    return {"200": anything, **_refusals(*_OF_ANY)}


def _read(name: str, summary: str, responses: JSON) -> JSON:
    return {"get": {"operationId": name, "summary": summary, "security": [], "responses": responses}}


def _body(name: str) -> JSON:
    return {"required": True, "content": _json(_reference(name))}


def _responses(description: str, name: str, *refusals: str) -> JSON:
    return {"200": {"description": description, "content": _json(_reference(name))}, **_refusals(*refusals)}


def _refusals(*statuses: str) -> JSON:
    return {
        status: {"description": _REFUSALS[status], "content": _json(_reference("OperationOutcome"))}
        for status in statuses
    }


def _json(schema: JSON) -> JSON:
    return {"application/json": {"schema": schema}}


def _reference(name: str) -> dict[str, Any]:
    return {"$ref": f"{_PLACE}{name}"}
