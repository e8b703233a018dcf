"""Who may call: each request has a caller before any route sees it."""

from __future__ import annotations

from flask import Flask, g, request

from cds_service.errors import Unauthorized
from cds_service.outgoing import is_loopback
from cds_service.settings import Access
from cds_service.web.caller import Caller


def admit_callers(app: Flask, access: Access) -> None:
    """Let in who may call `app`. OPTIONS never asks for anything, and the routes of operations let in by themselves."""
    everybody = Caller(fhir_servers=access.fhir_servers)

    @app.before_request
    def admit() -> None:
        if request.method == "OPTIONS" or request.blueprint == "operations":
            return
        if not is_loopback(request.remote_addr or ""):
            raise Unauthorized("not on this machine")
        g.caller = everybody
