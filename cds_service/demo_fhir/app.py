"""The FHIR endpoints: metadata, read and search (GET, or POST to _search). All else is refused in a sentence."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from functools import lru_cache
from urllib.parse import urlencode

from flask import Flask, Response, request
from werkzeug.exceptions import HTTPException, MethodNotAllowed, NotFound, SecurityError, UnsupportedMediaType

from cds_service import __version__
from cds_service.core.values import JSON
from cds_service.demo_fhir.parameters import PARAMETERS, describe_server
from cds_service.demo_fhir.patients import DemoPatient, read_charts
from cds_service.demo_fhir.search import Page, Pairs, Query, read_query, run_query
from cds_service.errors import BadRequest
from cds_service.web.cors import allow_browsers
from cds_service.web.errors import ISSUE_CODES, outcome_body
from cds_service.web.json_body import write_json

_FORM = "application/x-www-form-urlencoded"
_LARGEST_FORM = 100_000  # bytes
_READING = ("GET", "HEAD", "OPTIONS")
_TYPES = ", ".join(PARAMETERS)
_NAMES = ("127.0.0.1", "localhost")  # links in answers are made of the name that the client calls, so only these count


def create_demo_app(patients: tuple[DemoPatient, ...], today: Callable[[], date]) -> Flask:
    """The server of these patients. Their charts are made anew each day, so that nothing in them grows old."""
    app = Flask("cds_service.demo_fhir", static_folder=None)
    app.config["TRUSTED_HOSTS"] = list(_NAMES)
    app.config["MAX_CONTENT_LENGTH"] = app.config["MAX_FORM_MEMORY_SIZE"] = _LARGEST_FORM

    @lru_cache(maxsize=1)
    def charts_of(day: date) -> tuple[JSON, ...]:
        return read_charts(patients, day)

    app.before_request(_answer_without_reading)
    app.register_error_handler(BadRequest, lambda error: _refusal(400, "invalid", str(error)))
    app.register_error_handler(HTTPException, _http_error)
    _add_routes(app, lambda: charts_of(today()), today)
    allow_browsers(app)
    return app


def _add_routes(app: Flask, charts: Callable[[], tuple[JSON, ...]], today: Callable[[], date]) -> None:
    @app.get("/metadata")
    def metadata() -> Response:
        return _fhir(describe_server(_base(), __version__, today().isoformat()))

    @app.get("/<kind>/<own_id>")
    def read(kind: str, own_id: str) -> Response:
        _refuse_unknown(kind)
        for resource in charts():
            if (resource["resourceType"], resource["id"]) == (kind, own_id):
                return _fhir(resource)
        raise NotFound(f"there is no {kind} with this id.")

    @app.get("/<kind>")
    def search(kind: str) -> Response:
        _refuse_unknown(kind)
        return _found(kind, tuple(request.args.items(multi=True)), charts())

    @app.post("/<kind>/_search")
    def search_by_form(kind: str) -> Response:
        _refuse_unknown(kind)
        if request.mimetype not in ("", _FORM):
            raise UnsupportedMediaType(f"a search is sent as {_FORM}.")
        pairs = (*request.args.items(multi=True), *request.form.items(multi=True))
        return _found(kind, pairs, charts())


def _answer_without_reading() -> Response | None:
    """Preflights of browsers, to whatever address, and methods that would change something."""
    if request.method == "OPTIONS":
        return Response(status=204)
    if request.method not in _READING and not (request.method == "POST" and request.path.endswith("/_search")):
        raise MethodNotAllowed(["GET", "HEAD", "OPTIONS"], "this server is read-only. POST is for _search.")
    return None


def _refuse_unknown(kind: str) -> None:
    if kind not in PARAMETERS:
        raise NotFound(f"this server has no resources of this type. It has {_TYPES}.")


def _found(kind: str, pairs: Pairs, charts: tuple[JSON, ...]) -> Response:
    query = read_query(kind, pairs)
    return _fhir(_bundle(query, run_query(query, charts, _base()), pairs))


def _bundle(query: Query, page: Page, pairs: Pairs) -> JSON:
    """A searchset. It has no `entry` where nothing was found: FHIR has no empty lists."""
    links = [{"relation": "self", "url": _search_url(query, pairs)}]
    if page.next_offset is not None:
        rest = tuple(pair for pair in pairs if pair[0] not in ("_count", "_offset"))
        further = (*rest, ("_count", str(query.count)), ("_offset", str(page.next_offset)))
        links.append({"relation": "next", "url": _search_url(query, further)})
    bundle: JSON = {"resourceType": "Bundle", "type": "searchset", "total": page.total, "link": links}
    if page.resources:
        bundle["entry"] = [_entry(resource) for resource in page.resources]
    return bundle


def _entry(resource: JSON) -> JSON:
    url = f"{_base()}/{resource['resourceType']}/{resource['id']}"
    return {"fullUrl": url, "resource": resource, "search": {"mode": "match"}}


def _search_url(query: Query, pairs: Pairs) -> str:
    return f"{_base()}/{query.kind}?{urlencode(pairs)}" if pairs else f"{_base()}/{query.kind}"


def _base() -> str:
    """The address of this server, by the name that the client calls it by."""
    return request.host_url.rstrip("/")


def _http_error(error: HTTPException) -> Response:
    status = error.code or 500
    text = error.description if status in (404, 405, 415) and error.description else error.name
    if isinstance(error, NotFound) and request.url_rule is None:
        text = f"there is nothing at this address. There are /metadata and these types: {_TYPES}."
    if isinstance(error, SecurityError):
        text = f"this server answers at {' and '.join(_NAMES)} only."
    response = _refusal(status, ISSUE_CODES.get(status, "processing"), text)
    if isinstance(error, MethodNotAllowed):
        response.headers["Allow"] = "GET, HEAD, OPTIONS"
    return response


def _refusal(status: int, code: str, text: str) -> Response:
    return _fhir(outcome_body(code, text), status)


def _fhir(resource: JSON, status: int = 200) -> Response:
    return Response(write_json(resource), status=status, content_type="application/fhir+json; charset=utf-8")
