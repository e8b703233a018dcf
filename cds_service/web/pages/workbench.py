"""The page to try any patient: what it is made of, and what it asks while one composes.

It fires the services themselves; the routes here only tell what there is to choose and what was understood.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from flask import Blueprint, Response, request

from cds_service.errors import BadRequest
from cds_service.web.errors import outcome
from cds_service.web.json_body import json_response, read_body, read_json
from cds_service.web.pages.frame import Frame
from cds_service.web.pages.markdown import as_html
from cds_service.web.pages.parts import Parts
from cds_service.web.services import SERVICES
from cds_service.workbench.choices import all_fixtures, as_sent, choices_of
from cds_service.workbench.look import look_at
from cds_service.workbench.search import DrugSearch

_MOST_TEXTS = 400


def add_try_it(workbench: Blueprint, frame: Frame, parts: Parts) -> None:
    """The page at / and what it asks for. The fixtures and the index of drugs are read at the first need."""
    search = cache(lambda: DrugSearch(parts.knowledge))
    fixtures = cache(all_fixtures)
    choices = cache(lambda: choices_of(parts.knowledge, fixtures().values()))

    @workbench.get("/")
    def try_it() -> Response:
        return frame.show("try.html", choices=choices(), today=parts.today())

    @workbench.get("/workbench/choices", endpoint="choices")
    def send_choices() -> Response:
        return json_response(choices())

    @workbench.get("/workbench/drugs")
    def drugs() -> Response:
        return json_response([choice.as_json() for choice in search().find(request.args.get("q", ""))])

    @workbench.get("/workbench/fixtures/<name>")
    def fixture(name: str) -> Response:
        found = fixtures().get(name)
        if found is None:
            return outcome(404, "not-found", "there is no such fixture.")
        return json_response(as_sent(found, parts.today()))

    @workbench.post("/workbench/look/<service>")
    def look(service: str) -> Response:
        if service not in SERVICES:
            return outcome(404, "not-found", f"there is no such service. Known are {', '.join(SERVICES)}.")
        body = read_json(read_body())
        return json_response(look_at(body, SERVICES[service], parts.knowledge, parts.today()))

    @workbench.post("/workbench/markdown")
    def markdown() -> Response:
        return json_response([str(as_html(text)) for text in _texts(read_json(read_body()))])


def _texts(body: Any) -> list[str]:
    if not isinstance(body, list) or len(body) > _MOST_TEXTS or not all(isinstance(text, str) for text in body):
        raise BadRequest("the request body", f"is not a list of at most {_MOST_TEXTS} texts")
    return body
