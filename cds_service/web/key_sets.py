"""The key sets that clients publish (JWKS): read over the one way out, cached, bounded, and kept while a host is down.

A key set is read when it is first needed, when an hour has passed, and once more when a token names a key that is not
in it (rotation). However many tokens with invented keys come, a host is asked every 15 seconds at the most.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping

from cds_service.clients import Clients
from cds_service.errors import BadRequest
from cds_service.keys import PublicKey, UnusableKey, read_key_set
from cds_service.logs import log_event
from cds_service.outgoing import Budget, Outgoing, OutgoingError, origin_of
from cds_service.web.json_body import read_json

_FRESH = 3600.0  # seconds until a set is read again
_KEPT = 7 * 24 * 3600.0  # seconds that a set counts while its host is down; a withdrawn key must end some day
_PAUSE = 15.0  # seconds between two attempts
_SECONDS = 2.0  # for one attempt, however slowly the host answers
_BYTES = 256 * 1024
_ACCEPT = {"Accept": "application/jwk-set+json, application/json"}


class KeySet:
    """The keys at one `jku`. Safe to share between threads: one of them asks, the others wait or use what is there."""

    def __init__(
        self, url: str, outgoing: Outgoing, refused: frozenset[str], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._url = url
        self._outgoing = outgoing
        self._refused = refused
        self._clock = clock
        self._lock = threading.Lock()
        self._keys: tuple[PublicKey, ...] = ()
        self._attempts = 0
        self._read_at = self._tried_at = self._forced_at = float("-inf")
        self.is_down = False

    def find(self, kid: str) -> tuple[PublicKey, ...]:
        """The keys of this name; none where the set, read anew if need be, has none."""
        before = self._attempts
        if self._is_due():
            self._refresh(wait=not self._named(kid))
        if not self._named(kid):
            self._look_again(before)
        return self._named(kid)

    def _named(self, kid: str) -> tuple[PublicKey, ...]:
        if self._clock() - self._read_at > _KEPT:
            return ()
        return tuple(key for key in self._keys if key.kid == kid)

    def _is_due(self) -> bool:
        now = self._clock()
        return now - self._read_at >= _FRESH and now - self._tried_at >= _PAUSE

    def _refresh(self, wait: bool) -> None:
        """Read the set if it is due; who need not wait for another thread that does so goes on."""
        if not self._lock.acquire(blocking=wait):
            return
        try:
            if self._is_due():
                self._ask()
        finally:
            self._lock.release()

    def _look_again(self, before: int) -> None:
        """Read the set for a name it does not have, unless somebody looked since this call began, or just now."""
        with self._lock:
            now = self._clock()
            last = max(self._forced_at, self._tried_at if self.is_down else float("-inf"))
            if self._attempts == before and now - last >= _PAUSE:
                self._forced_at = now
                self._ask()

    def _ask(self) -> None:
        """Read the set. What goes wrong leaves the keys as they are."""
        try:
            keys = self._read()
        except OutgoingError as error:
            self._note_failure(error.reason)
        except (UnusableKey, BadRequest):
            self._note_failure("not-a-key-set")
        else:
            self._keys = tuple(key for key in keys if key.thumbprint not in self._refused)
            self._read_at = self._clock()
            self.is_down = False
        self._tried_at = self._clock()
        self._attempts += 1

    def _read(self) -> tuple[PublicKey, ...]:
        deadline = time.monotonic() + _SECONDS
        answer = self._outgoing.get(self._url, [origin_of(self._url)], _ACCEPT, deadline, Budget(_BYTES))
        if answer.status != 200:
            raise OutgoingError("status")
        return read_key_set(read_json(answer.body))

    def _note_failure(self, reason: str) -> None:
        self.is_down = True
        log_event("keys not read", logging.WARNING, host=origin_of(self._url), reason=reason)


def key_sets(clients: Clients, outgoing: Outgoing) -> Mapping[str, KeySet]:
    """A KeySet for each `jku` of the clients; none is read yet."""
    urls = {client.jku for client in clients.all if client.jku}
    return {url: KeySet(url, outgoing, clients.refused_keys) for url in urls}
