"""What a page sends must come from a page of this service: no other site acts through somebody's browser."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import urlsplit

from flask import Blueprint, Response, request

_OWN = ("same-origin", "none")


def same_site_only(blueprint: Blueprint, refuse: Callable[[], Response]) -> None:
    """Answer with `refuse` what another site had posted (Fetch Metadata, else the Origin header)."""

    @blueprint.before_request
    def refuse_other_sites() -> Response | None:
        return refuse() if request.method == "POST" and _is_from_elsewhere() else None


def _is_from_elsewhere() -> bool:
    told = request.headers.get("Sec-Fetch-Site")
    if told is not None:
        return told not in _OWN
    origin = request.headers.get("Origin")
    return origin is not None and urlsplit(origin).netloc != request.host
