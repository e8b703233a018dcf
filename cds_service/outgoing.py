"""The one way out: GET from servers that the configuration lists, and from nowhere else.

Addresses in a request (`fhirServer`, a page's `next` link, a token's `jku`) come from outside, and with them
anybody could make the service call into its own network (server-side request forgery). So:

- only origins (scheme, host, port) that the caller passes in from the configuration, never from the request;
- https, or http where the configuration lists a loopback address as http;
- the name is resolved once, every address it has is judged, and the connection goes to a judged address;
- no private, loopback or link-local address unless it is listed: by itself, or by its network;
- redirects are not followed; an answer is bounded in bytes, and everything together in seconds, however
  slowly a server drips;
- nothing is carried from one call to the next but open connections: no cookies, no proxies or passwords from
  the environment, and no log lines of the libraries, which name addresses with patient ids in them.
"""

from __future__ import annotations

import ipaddress
import logging
import socket
import ssl
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit

import httpcore
import httpx

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address
IPNetwork = ipaddress.IPv4Network | ipaddress.IPv6Network

_PORTS = {"https": 443, "http": 80}
# Addresses that carry an IPv4 address inside: what they lead to is not what they look like.
_TUNNELS = tuple(ipaddress.ip_network(net) for net in ("64:ff9b::/96", "64:ff9b:1::/48", "2002::/16", "2001::/32"))
_UNICAST = ipaddress.ip_network("2000::/3")  # all of IPv6 that is given out for public use
_IDLE_CONNECTIONS = 32
_CHUNK = 65536
_KNOWN_SECONDS = 5.0


class OutgoingError(Exception):
    """A call that was not made or did not succeed. `reason` is one of a few words, fit for a metric."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Answer:
    """What a server answered: status, headers and the whole body."""

    __slots__ = ("body", "headers", "status")

    def __init__(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        self.status = status
        self.headers = headers
        self.body = body


class Budget:
    """Bytes that some requests may read together; `of` is a larger one that they count against as well."""

    def __init__(self, size: int, of: Budget | None = None) -> None:
        self._left = size
        self._of = of
        self._lock = threading.Lock()

    def take(self, count: int) -> None:
        """Use up `count` bytes. Raises OutgoingError (too-large) where there are no more."""
        with self._lock:
            self._left -= count
            if self._left < 0:
                raise OutgoingError("too-large")
        if self._of is not None:
            self._of.take(count)


def origin_of(url: str) -> str:
    """`scheme://host:port` of an absolute http(s) URL without user name, or "" if it is none."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return ""
    if parts.scheme not in _PORTS or not parts.hostname or "@" in parts.netloc or "\\" in url:
        return ""
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return f"{parts.scheme}://{host.lower()}:{port or _PORTS[parts.scheme]}"


@lru_cache(maxsize=256)
def is_loopback(host: str) -> bool:
    """Whether a host, as it stands in a URL, is this machine."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


class Outgoing:
    """A connection pool that reaches only what is listed. Safe to share between threads; open one per process.

    `private` are networks that may be reached although they are not public.
    """

    def __init__(self, private: Iterable[IPNetwork] = ()) -> None:
        self._private = tuple(private)
        self._lock = threading.Lock()
        self._transport: _Transport | None = None

    def get(
        self,
        url: str,
        origins: Iterable[str],
        headers: Mapping[str, str],
        deadline: float,
        budget: Budget,
    ) -> Answer:
        """GET `url` if its origin is one of `origins` (as `origin_of` writes them).

        `deadline` is a reading of `time.monotonic()`. Raises OutgoingError: refused, timeout, unreachable,
        redirect, compressed or too-large. Any other status is an Answer.
        """
        if origin_of(url) not in set(origins) or not origin_of(url):
            raise OutgoingError("refused")
        _DEADLINE.at = deadline
        try:
            asked = httpx.Request("GET", url, headers={**headers, "Accept-Encoding": "identity"})
            with closing(self._open().handle_request(asked)) as response:
                if 300 <= response.status_code < 400:
                    raise OutgoingError("redirect")
                return Answer(response.status_code, response.headers, _body(response, budget))
        except (httpcore.TimeoutException, httpx.TimeoutException):
            raise OutgoingError("timeout") from None
        except (httpcore.NetworkError, httpcore.ProtocolError, httpx.HTTPError, httpx.InvalidURL, OSError, ValueError):
            raise OutgoingError("unreachable") from None

    def close(self) -> None:
        """Close every connection; a later call opens new ones."""
        with self._lock:
            if self._transport is not None:
                self._transport.close()
                self._transport = None

    def _open(self) -> _Transport:
        """The pool, made at the first call: after gunicorn's fork, so that no two processes share a socket.

        Not an httpx.Client: that keeps the cookies it gets, and would show those of one caller's call with the next
        caller's token.
        """
        with self._lock:
            if self._transport is None:
                logging.getLogger("httpcore").setLevel(logging.WARNING)
                self._transport = _Transport(_Backend(self._private))
            return self._transport


def _body(response: httpx.Response, budget: Budget) -> bytes:
    """The body as it came. One that is compressed, unasked, is refused: it may unpack to anything."""
    if response.headers.get("content-encoding", "identity") != "identity":
        raise OutgoingError("compressed")
    parts: list[bytes] = []
    for chunk in response.iter_raw(_CHUNK):
        budget.take(len(chunk))
        parts.append(chunk)
    return b"".join(parts)


# --- Below HTTP: addresses and time ---------------------------------------------------------------------


class _Deadline(threading.local):
    """When the call that this thread makes must be over (a reading of `time.monotonic()`)."""

    at = 0.0


_DEADLINE = _Deadline()


def _left(timeout: float | None, error: type[Exception]) -> float:
    """Seconds this step may take."""
    left = _DEADLINE.at - time.monotonic()
    if left <= 0:
        raise error
    return left if timeout is None else min(timeout, left)


class _Backend(httpcore.NetworkBackend):
    """Connects to an address that was judged, never to a name."""

    def __init__(self, private: tuple[IPNetwork, ...]) -> None:
        self._private = private
        self._inner = httpcore.SyncBackend()
        self._names = _Names()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        """A stream to the first address of `host` that answers, if all of its addresses may be reached."""
        addresses = self._names.resolve(host, port)
        if not all(self._may_reach(address, host) for address in addresses):
            raise OutgoingError("refused")
        for address in addresses:
            limit = _left(timeout, httpcore.ConnectTimeout)
            try:
                return _Stream(self._inner.connect_tcp(str(address), port, limit, local_address, socket_options))
            except httpcore.ConnectError:
                continue
        raise OutgoingError("unreachable")

    def _may_reach(self, address: IPAddress, host: str) -> bool:
        inside = getattr(address, "ipv4_mapped", None) or address
        if any(inside in net for net in _TUNNELS if net.version == inside.version):
            return False
        if any(inside in net for net in self._private if net.version == inside.version):
            return True
        if is_loopback(host):
            return inside.is_loopback
        return host.strip("[]") == str(address) or _is_public(inside)


def _is_public(address: IPAddress) -> bool:
    """`is_global` alone takes reserved blocks (site-local, IPv4-compatible, IPv4-translated) for public ones."""
    return address.is_global and not address.is_multicast and (address.version == 4 or address in _UNICAST)


class _Names:
    """Names to addresses. Looking one up cannot be ended early, so one thread looks and the others wait in time.

    What was found counts for a few seconds, so that the calls made for one chart look once. There are no more names
    than the configuration lists.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._looking: dict[str, threading.Lock] = {}
        self._found: dict[str, tuple[float, list[IPAddress]]] = {}

    def resolve(self, host: str, port: int) -> list[IPAddress]:
        """The addresses of `host`, at least one. Raises OutgoingError or, after the deadline, ConnectTimeout."""
        with self._lock:
            looking = self._looking.setdefault(host, threading.Lock())
        if not looking.acquire(timeout=_left(None, httpcore.ConnectTimeout)):
            raise httpcore.ConnectTimeout
        try:
            until, addresses = self._found.get(host, (0.0, []))
            if until < time.monotonic():
                addresses = _addresses(host, port)
                self._found[host] = (time.monotonic() + _KNOWN_SECONDS, addresses)
            return addresses
        finally:
            looking.release()


def _addresses(host: str, port: int) -> list[IPAddress]:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        raise OutgoingError("unreachable") from None
    return [ipaddress.ip_address(str(entry[4][0]).split("%")[0]) for entry in found]


class _Stream(httpcore.NetworkStream):
    """A stream whose every step ends at the deadline of the call."""

    def __init__(self, inner: httpcore.NetworkStream) -> None:
        self._inner = inner

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """At most `max_bytes`, before the deadline."""
        return self._inner.read(max_bytes, _left(timeout, httpcore.ReadTimeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """All of `buffer`, before the deadline."""
        self._inner.write(buffer, _left(timeout, httpcore.WriteTimeout))

    def close(self) -> None:
        """End the connection."""
        self._inner.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        """The same stream, encrypted; the certificate is checked against the name, not the address."""
        limit = _left(timeout, httpcore.ConnectTimeout)
        return _Stream(self._inner.start_tls(ssl_context, server_hostname, limit))

    def get_extra_info(self, info: str) -> Any:
        """What httpcore asks about the socket."""
        return self._inner.get_extra_info(info)


class _Transport(httpx.BaseTransport):
    """httpx over a pool of our own, because httpx's own transport takes no backend."""

    def __init__(self, backend: _Backend) -> None:
        self._pool = httpcore.ConnectionPool(
            ssl_context=ssl.create_default_context(),
            max_connections=None,  # the callers' threads are the limit
            max_keepalive_connections=_IDLE_CONNECTIONS,
            keepalive_expiry=15,
            network_backend=backend,
        )

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send one request and hand the body on as a stream."""
        asked = httpcore.Request(
            method=request.method,
            url=httpcore.URL(
                scheme=request.url.raw_scheme,
                host=request.url.raw_host,
                port=request.url.port,
                target=request.url.raw_path,
            ),
            headers=request.headers.raw,
            extensions={"timeout": {"pool": max(0.0, _DEADLINE.at - time.monotonic())}},
        )
        got = self._pool.handle_request(asked)
        return httpx.Response(got.status, headers=got.headers, stream=_Body(got), extensions=got.extensions)

    def close(self) -> None:
        """Close every connection."""
        self._pool.close()


class _Body(httpx.SyncByteStream):
    def __init__(self, response: httpcore.Response) -> None:
        self._response = response

    def __iter__(self) -> Iterator[bytes]:
        yield from self._response.iter_stream()

    def close(self) -> None:
        self._response.close()
