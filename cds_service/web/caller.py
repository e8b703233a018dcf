"""Who sends the request that is being answered."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass

from flask import g, request

from cds_service.outgoing import IPNetwork, is_loopback

OPEN = "open"
# A proxy or tunnel tells with these that it speaks for somebody else.
_FORWARDED = frozenset({"HTTP_FORWARDED", "HTTP_X_FORWARDED_FOR", "HTTP_X_REAL_IP", "HTTP_VIA"})  # in WSGI's spelling


@dataclass(frozen=True, slots=True)
class Caller:
    """A CDS Client that was let in.

    `client` is its id in the file of clients, "sandbox" for the public sandbox, or "open" where no token is asked for
    (CDS_AUTH=off, the discovery document, monitoring);
    `fhir_servers` are the base URLs (without a slash at the end) whose charts may be read for it.
    """

    client: str = OPEN
    tenant: str = ""
    fhir_servers: frozenset[str] = frozenset()


def current_caller() -> Caller:
    """The caller of the request that this thread answers."""
    caller: Caller = g.caller
    return caller


def is_forwarded() -> bool:
    """Whether a proxy or tunnel passes the request on."""
    return not _FORWARDED.isdisjoint(request.environ)


def is_operator(networks: tuple[IPNetwork, ...]) -> bool:
    """Whether the request comes from this machine, or from `networks` where there are any.

    What a proxy passes on comes from somewhere else, so it does not.
    """
    if is_forwarded():
        return False
    peer = request.remote_addr or ""
    if not networks:
        return is_loopback(peer)
    try:
        address = ipaddress.ip_address(peer)
    except ValueError:
        return False
    address = getattr(address, "ipv4_mapped", None) or address
    return any(address in network for network in networks if network.version == address.version)
