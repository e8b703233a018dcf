"""The one place that answers errors: always an OperationOutcome, never text of the request."""

from __future__ import annotations

from flask import Flask, Response
from werkzeug.exceptions import HTTPException

from cds_service.core.values import JSON
from cds_service.errors import ServiceError, Unauthorized
from cds_service.logs import place_of
from cds_service.web.json_body import json_response
from cds_service.web.record import current_record

# FHIR's code of an issue for a status; others are "processing".
ISSUE_CODES = {404: "not-found", 405: "not-supported", 413: "too-long", 415: "not-supported"}
_TEXTS = {
    404: "there is nothing at this address. Discovery is at /cds-services.",
    405: "this method is not allowed here. Services are called with POST, discovery with GET.",
    413: "the request body is larger than this service accepts.",
    415: "the request body is not JSON. Send Content-Type: application/json.",
}


def register_errors(app: Flask) -> None:
    """Answer every error of `app` here."""
    app.register_error_handler(ServiceError, _service_error)
    app.register_error_handler(HTTPException, _http_error)
    app.register_error_handler(Exception, _unexpected)


def _service_error(error: ServiceError) -> Response:
    current_record().refused = error.reason if isinstance(error, Unauthorized) else type(error).__name__
    response = outcome(error.status, error.code, str(error))
    if error.status == 401:
        response.headers["WWW-Authenticate"] = "Bearer"
    if error.retry_after:
        response.headers["Retry-After"] = str(error.retry_after)
    return response


def _http_error(error: HTTPException) -> Response:
    status = error.code or 500
    response = outcome(status, ISSUE_CODES.get(status, "processing"), _TEXTS.get(status, error.name))
    allowed = getattr(error, "valid_methods", None)
    if status == 405 and allowed:
        response.headers["Allow"] = ", ".join(sorted(allowed))
    return response


def _unexpected(error: Exception) -> Response:
    """A fault of ours. Its type and place are logged; its message may quote the request and is not."""
    current_record().error = f"{type(error).__name__} at {place_of(error.__traceback__)}"
    return outcome(500, "exception", "the service failed on this request; nothing was checked.")


def outcome(status: int, code: str, text: str) -> Response:
    """An OperationOutcome response (CH-095)."""
    return json_response(outcome_body(code, text), status)


def outcome_body(code: str, text: str) -> JSON:
    """An OperationOutcome with one issue."""
    return {
        "resourceType": "OperationOutcome",
        "issue": [{"severity": "error", "code": code, "details": {"text": text}}],
    }
