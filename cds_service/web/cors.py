"""CORS for browser clients such as the CDS Hooks Sandbox, on every answer, errors included.

OPTIONS never asks for anything. `Authorization` is named because `*` does not cover it (Fetch standard).
"""

from __future__ import annotations

from flask import Flask, Response, request

from cds_service.web.pages.frame import BLUEPRINTS


def allow_browsers(app: Flask) -> None:
    """Add the CORS headers to every response of `app` but the pages for people: no other site reads those."""
    app.after_request(_add_headers)


def _add_headers(response: Response) -> Response:
    if request.blueprint in BLUEPRINTS:
        return response
    headers = response.headers
    headers["Access-Control-Allow-Origin"] = "*"
    headers["Access-Control-Expose-Headers"] = "X-Request-ID, Retry-After"
    if request.method == "OPTIONS":
        headers["Access-Control-Allow-Methods"] = "GET, POST, OPTIONS"
        headers["Access-Control-Allow-Headers"] = "Authorization, Content-Type, Accept, X-Request-ID"
        headers["Access-Control-Max-Age"] = "600"
        if request.headers.get("Access-Control-Request-Private-Network") == "true":
            headers["Access-Control-Allow-Private-Network"] = "true"
    return response
