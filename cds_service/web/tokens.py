"""Check a client's JSON Web Token, in the order of CH-165: shape, algorithm, issuer, key, signature, claims, replay.

PyJWT takes the token apart and checks the signature; what is trusted, and which claims are good, is decided here.
A reason of refusal is one of REASONS. It is for the log and the metric: callers get one answer for all of them.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from jwt import PyJWS
from jwt.exceptions import InvalidSignatureError, PyJWTError

from cds_service.clients import Client, Clients
from cds_service.errors import BadRequest, Unauthorized
from cds_service.keys import PublicKey
from cds_service.outgoing import origin_of
from cds_service.settings import ALGORITHMS
from cds_service.web.caller import Caller
from cds_service.web.json_body import read_json
from cds_service.web.key_sets import KeySet
from cds_service.web.replay import ReplayGuard

REASONS = (
    "not-local",
    "no-token",
    "malformed",
    "algorithm",
    "issuer",
    "key-address",
    "unknown-key",
    "unreachable-key",
    "unfit-key",
    "signature",
    "audience",
    "claims",
    "expired",
    "not-yet",
    "lifetime",
    "tenant",
    "replayed",
)
SKEW = 60  # seconds that two clocks may differ
_COMPACT = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+")
_LONGEST = 16_384
_LAST_SECOND = 253_402_300_799  # of the year 9999
_SHOWABLE = re.compile(r"https?://[a-z0-9.:\[\]-]{1,200}")
JSON = Mapping[str, Any]


class Authenticator:
    """Says who calls. Everything in it is fixed when it is made, except the caches of `keys` and `guard`."""

    def __init__(
        self,
        clients: Clients,
        keys: Mapping[str, KeySet],
        guard: ReplayGuard,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._by_issuer: dict[str, tuple[Client, ...]] = {}
        for client in clients.all:
            self._by_issuer[client.iss] = (*self._by_issuer.get(client.iss, ()), client)
        self._algorithms = frozenset(name for client in clients.all for name in client.algorithms)
        self._keys = keys
        self._guard = guard
        self._now = now
        self._jws = PyJWS(ALGORITHMS)  # without "none" and HMAC, whatever anybody configures

    def caller_of(self, token: str, endpoints: frozenset[str]) -> Caller:
        """The caller that a token shows, for a call to one of `endpoints`. Raises Unauthorized."""
        header, claims = self._take_apart(token)
        algorithm = header.get("alg")
        if not isinstance(algorithm, str) or algorithm not in self._algorithms:
            raise Unauthorized("algorithm")
        client = self._client(claims)
        try:
            self._check_signature(token, header, algorithm, client)
            _check_audience(claims, client.audience or endpoints)
            expires = _check_times(claims, client, self._now())
            tenant = _tenant(claims, client)
            self._check_replay(claims, client, expires)
        except Unauthorized as refused:
            raise Unauthorized(refused.reason, client.id) from None
        return Caller(client.id, tenant, client.fhir_servers)

    def _take_apart(self, token: str) -> tuple[JSON, JSON]:
        """Header and claims of a token in compact form; nothing about them is trusted yet."""
        if len(token) > _LONGEST or not _COMPACT.fullmatch(token):
            raise Unauthorized("malformed")
        try:
            parts = self._jws.decode_complete(token, options={"verify_signature": False})
            claims = read_json(parts["payload"])
        except (PyJWTError, BadRequest):
            raise Unauthorized("malformed") from None
        header: JSON = parts["header"]
        if not isinstance(claims, dict) or header.get("typ") != "JWT":
            raise Unauthorized("malformed")
        return header, claims

    def _client(self, claims: JSON) -> Client:
        """The client of this issuer; where clients share one, their tenants tell them apart."""
        issuer, tenant = claims.get("iss"), claims.get("tenant")
        found = self._by_issuer.get(issuer, ()) if isinstance(issuer, str) else ()
        if not found:
            raise Unauthorized("issuer", _shown(issuer))
        if len(found) == 1:
            return found[0]
        if not isinstance(tenant, str):
            raise Unauthorized("tenant", found[0].iss)
        for client in found:
            if tenant in client.tenants:
                return client
        raise Unauthorized("tenant", found[0].iss)

    def _check_signature(self, token: str, header: JSON, algorithm: str, client: Client) -> None:
        if algorithm not in client.algorithms:
            raise Unauthorized("algorithm")
        key = self._key(header, algorithm, client)
        try:
            self._jws.decode_complete(token, key.material, algorithms=[algorithm])
        except InvalidSignatureError:
            raise Unauthorized("signature") from None
        except (PyJWTError, ValueError):
            raise Unauthorized("malformed") from None

    def _key(self, header: JSON, algorithm: str, client: Client) -> PublicKey:
        """The key the header names: a pinned one, else from the listed key set, never from an address in the token."""
        if "jku" in header and header["jku"] != (client.jku or None):
            raise Unauthorized("key-address")
        kid = header.get("kid")
        if not isinstance(kid, str) or not kid:
            raise Unauthorized("malformed")
        named = tuple(key for key in client.keys if key.kid == kid) or self._published(client, kid)
        fitting = [key for key in named if key.fits(algorithm)]
        if not fitting:
            raise Unauthorized("unfit-key")
        return fitting[0]

    def _published(self, client: Client, kid: str) -> tuple[PublicKey, ...]:
        key_set = self._keys.get(client.jku)
        found = key_set.find(kid) if key_set else ()
        if not found:
            raise Unauthorized("unreachable-key" if key_set and key_set.is_down else "unknown-key")
        return found

    def _check_replay(self, claims: JSON, client: Client, expires: float) -> None:
        jti = claims.get("jti")
        if not isinstance(jti, str) or not jti:
            raise Unauthorized("claims")
        if not self._guard.is_new(client.id, jti, expires):
            raise Unauthorized("replayed")


def _shown(issuer: Any) -> str:
    """Of an issuer that nobody listed only where it is, so that the log holds no text of a stranger."""
    origin = origin_of(issuer) if isinstance(issuer, str) else ""
    return origin if _SHOWABLE.fullmatch(origin) else "?"


def _check_audience(claims: JSON, allowed: frozenset[str]) -> None:
    """`aud` is a text or a list of texts, and one of them is meant (CH-159)."""
    named = claims.get("aud")
    listed = named if isinstance(named, list) else [named]
    if not all(isinstance(one, str) for one in listed):
        raise Unauthorized("claims")
    if allowed.isdisjoint(listed):
        raise Unauthorized("audience")


def _check_times(claims: JSON, client: Client, now: float) -> float:
    """When the token counts no more, in seconds since 1970; refused where that is past or the token not yet good."""
    expires, issued = _seconds(claims, "exp"), _seconds(claims, "iat")
    begins = _seconds(claims, "nbf") if "nbf" in claims else issued
    if expires + SKEW <= now:
        raise Unauthorized("expired")
    if max(issued, begins) > now + SKEW:
        raise Unauthorized("not-yet")
    if not 0 < expires - issued <= client.max_lifetime:
        raise Unauthorized("lifetime")
    return expires + SKEW


def _seconds(claims: JSON, name: str) -> float:
    """A date of a token: a number, never a text."""
    value = claims.get(name)
    if isinstance(value, bool) or not isinstance(value, (int, Decimal)) or not 0 <= value <= _LAST_SECOND:
        raise Unauthorized("claims")
    return float(value)


def _tenant(claims: JSON, client: Client) -> str:
    tenant = claims.get("tenant", "")
    if not isinstance(tenant, str):
        raise Unauthorized("claims")
    if client.tenants and tenant not in client.tenants:
        raise Unauthorized("tenant")
    return tenant
