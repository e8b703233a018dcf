"""Refuses what other sites post: a page elsewhere must not use the address that a browser is let in from.

Browsers say where a request comes from in `Sec-Fetch-Site` (Fetch Metadata; only to https and this machine) and in
`Origin` (Fetch standard; with every POST). Programs send neither, and no site can make them.
"""

from __future__ import annotations

from urllib.parse import urlsplit

from flask import Blueprint, Response, request

from cds_service.web.pages.frame import Frame

_ELSEWHERE = "This was sent by a page of another site, so it was not read. Open the page here and send it from there."
_READS = frozenset(("GET", "HEAD", "OPTIONS"))
_OWN = ("same-origin", "none")


def same_site_only(blueprint: Blueprint, frame: Frame) -> None:
    """Answer 403 to every request of `blueprint` that changes or asks something for a page of another site."""

    @blueprint.before_request
    def refuse_other_sites() -> Response | None:
        if request.method in _READS or _is_own():
            return None
        return frame.say(403, "Not from another site", _ELSEWHERE)


def _is_own() -> bool:
    """Whether a page of this very origin sent it, or no browser did. Another port is another site."""
    site, origin = request.headers.get("Sec-Fetch-Site"), request.headers.get("Origin")
    if site is not None:
        return site in _OWN
    return origin is None or _host(origin) == request.host.lower()


def _host(origin: str) -> str:
    try:
        return urlsplit(origin).netloc.lower()
    except ValueError:
        return ""
