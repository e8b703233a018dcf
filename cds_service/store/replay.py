"""Tokens are used once (CH-162): their `jti`s are remembered in the database, for every worker of every machine.

While the database is down each process knows only its own, which `Store.health` says; no call is refused for that.
"""

from __future__ import annotations

import hashlib
import threading
import time
from contextlib import suppress
from typing import Protocol

from sqlalchemy import delete
from sqlalchemy.dialects import postgresql, sqlite

from cds_service.errors import StoreDown
from cds_service.store.database import Store
from cds_service.store.tables import used_jti

_SKEW = 120  # seconds that a used token is remembered beyond its end, for clocks that differ
_PURGE_EVERY = 300.0  # seconds


class ReplayGuard(Protocol):
    """Knows which tokens were used."""

    def is_new(self, client_id: str, jti: str, expires: float) -> bool:
        """Whether this client's token is used for the first time; from now on it is not."""


class DatabaseReplayGuard:
    """Asks `local` (this process, or this machine) first and then the database.

    Both, and always: a token used while the database was down is still known here when it is back.
    """

    def __init__(self, store: Store, local: ReplayGuard) -> None:
        self._store = store
        self._local = local
        self._lock = threading.Lock()
        self._purged = 0.0

    def is_new(self, client_id: str, jti: str, expires: float) -> bool:
        """Whether this client's token is used for the first time. `expires` is in seconds since 1970."""
        if not self._local.is_new(client_id, jti, expires):
            return False
        try:
            is_new = _remember(self._store, client_id, jti, expires)
        except StoreDown:
            return True
        if self._is_purge_due():
            with suppress(StoreDown):
                purge_used(self._store, time.time())
        return is_new

    def _is_purge_due(self) -> bool:
        """Every few minutes, one call takes out what has expired: a few rows, by an index."""
        with self._lock:
            now = time.monotonic()
            due = now - self._purged > _PURGE_EVERY
            if due:
                self._purged = now
        return due


def build_replay_guard(store: Store, local: ReplayGuard) -> ReplayGuard:
    """The guard for a service with this store; `local` is what it falls back to."""
    return DatabaseReplayGuard(store, local)


def purge_used(store: Store, now: float) -> int:
    """Forget the tokens that have expired. Returns how many. Raises StoreDown."""
    with store.writing() as connection:
        return connection.execute(delete(used_jti).where(used_jti.c.expires < int(now) - _SKEW)).rowcount


def _remember(store: Store, client: str, jti: str, expires: float) -> bool:
    digest = hashlib.sha256(jti.encode("utf-8", "surrogatepass")).hexdigest()
    build = sqlite.insert if store.is_sqlite else postgresql.insert
    row = build(used_jti).values(client=client, jti=digest, expires=int(expires))
    with store.writing() as connection:
        done = connection.execute(row.on_conflict_do_nothing(), execution_options={"preserve_rowcount": True})
        return bool(done.rowcount == 1)
