"""Who may call: each request has a caller before any route sees it."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable

from flask import Flask, g, request

from cds_service.errors import Unauthorized
from cds_service.logs import log_event
from cds_service.outgoing import is_loopback
from cds_service.settings import Access
from cds_service.web.caller import Caller, is_forwarded
from cds_service.web.pages.frame import BLUEPRINTS
from cds_service.web.tokens import Authenticator

DISCOVERY = "/cds-services"
_OPEN = ("operations", "openapi", *BLUEPRINTS)  # of the pages, the workbench asks where the request comes from
_BEARER = re.compile(r"bearer +([^ ,]+)", re.IGNORECASE)
_FEEDBACK = re.compile(rf"({DISCOVERY}/[^/]+)/feedback")
Admit = Callable[[], Caller]


def admit_callers(app: Flask, admit: Admit) -> None:
    """Let in whom `admit` lets in (it raises Unauthorized for others).

    OPTIONS never asks for anything, and the routes of operations and the API's description
    let in by themselves.
    """

    @app.before_request
    def let_in() -> None:
        if request.blueprint in BLUEPRINTS:
            g.caller = Caller()
        if request.method == "OPTIONS" or request.blueprint in _OPEN:
            return
        try:
            g.caller = admit()
        except Unauthorized as refused:
            log_event("not let in", logging.WARNING, reason=refused.reason, who=refused.who or "-")
            raise


def admit_local(access: Access) -> Admit:
    """CDS_AUTH=off: everybody on this machine, and nobody else: not who comes through a proxy or tunnel on it."""
    everybody = Caller(fhir_servers=access.fhir_servers)

    def admit() -> Caller:
        if not is_loopback(request.remote_addr or "") or is_forwarded():
            raise Unauthorized("not-local")
        return everybody

    return admit


def admit_signed(authenticator: Authenticator, public_url: str) -> Admit:
    """CDS_AUTH=required and sandbox: who shows a good token.

    The discovery document is public and answers without one; with one, the token must be good (CH-024).
    """

    def admit() -> Caller:
        path, shown = request.path, request.headers.get("Authorization")
        reads = request.method in ("GET", "HEAD")
        if path == DISCOVERY and reads and shown is None:
            return Caller()
        found = _BEARER.fullmatch((shown or "").strip(" "))
        if found is None:
            raise Unauthorized("malformed" if shown else "no-token")
        return authenticator.caller_of(found[1], _endpoints(public_url, path))

    return admit


def _endpoints(public_url: str, path: str) -> frozenset[str]:
    """The URLs that a token for this path may name: its own, and for feedback that of the service too (CH-147)."""
    feedback = _FEEDBACK.fullmatch(path)
    paths = (path, feedback[1]) if feedback else (path,)
    return frozenset(public_url + one for one in paths)
