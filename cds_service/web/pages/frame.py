"""What all pages share: their templates and files, the policy that they are shown under, and who may see them.

The policy (Content Security Policy Level 3) lets a page load from this service alone, run no script but its files, and
be framed by nobody.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from flask import Blueprint, Response, render_template, request

from cds_service import __version__
from cds_service.core.values import Knowledge
from cds_service.outgoing import IPNetwork
from cds_service.web.caller import is_operator

KNOWLEDGE, WORKBENCH, FILES = "knowledge_pages", "workbench", "files"
BLUEPRINTS = (KNOWLEDGE, WORKBENCH, FILES)
_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",
        "connect-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    )
)
_FOR_OPERATORS = (
    "This page is shown on the machine that runs the service, and to the networks of CDS_METRICS_FROM; "
    "not through a proxy."
)
_HEADERS = {
    "Content-Security-Policy": _POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",  # with "no-referrer" the origin of a form is "null", as another site's may be
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-cache",
}


@dataclass(frozen=True, slots=True)
class Place:
    """One page of the menu: its address and name."""

    path: str
    name: str


_WORKBENCH_MENU = (Place("/", "Try it"), Place("/check", "Check a list"), Place("/insights", "Insights"))
_KNOWLEDGE_MENU = (Place("/knowledge", "Knowledge"),)


class Frame:
    """Shows templates inside the common frame."""

    def __init__(self, knowledge: Knowledge, has_workbench: bool, has_knowledge: bool) -> None:
        self._about = {"knowledge": knowledge.version, "rules": len(knowledge.rules), "version": __version__}
        self._menu = (*(_WORKBENCH_MENU if has_workbench else ()), *(_KNOWLEDGE_MENU if has_knowledge else ()))
        self.has_knowledge = has_knowledge
        self.has_workbench = has_workbench

    def show(self, template: str, status: int = 200, **values: object) -> Response:
        """The page as a response. Its template extends `frame.html`."""
        text = render_template(template, menu=self._menu, here=request.path, about=self._about, frame=self, **values)
        return Response(text, status=status, content_type="text/html; charset=utf-8")

    def say(self, status: int, title: str, *sentences: str) -> Response:
        """A page that only says why there is nothing else."""
        return self.show("sentence.html", status, title=title, sentences=sentences)


def pages_blueprint(name: str) -> Blueprint:
    """A blueprint for pages: everything it answers carries the headers."""
    blueprint = Blueprint(name, __name__, template_folder="templates")
    blueprint.after_request(_add_headers)
    return blueprint


def files_blueprint() -> Blueprint:
    """Style sheets and scripts, at /static."""
    files = Blueprint(FILES, __name__, static_folder="static", static_url_path="/static")
    files.after_request(_add_headers)
    return files


def for_operators_only(blueprint: Blueprint, frame: Frame, networks: Iterable[IPNetwork]) -> None:
    """Show the pages of `blueprint` to those alone who may read /metrics."""
    allowed = tuple(networks)

    @blueprint.before_request
    def refuse_others() -> Response | None:
        return None if is_operator(allowed) else frame.say(403, "Not for this address", _FOR_OPERATORS)


def _add_headers(response: Response) -> Response:
    response.headers.update(_HEADERS)
    return response
