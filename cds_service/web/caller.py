"""Who sends the request that is being answered."""

from __future__ import annotations

from dataclasses import dataclass

from flask import g

OPEN = "open"


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
