"""Each token counts once: its `jti` is remembered until it expires (CH-162)."""

from __future__ import annotations

import hashlib
import heapq
import threading
import time
from collections.abc import Callable
from typing import Protocol


class ReplayGuard(Protocol):
    """Remembers which tokens were used. Asked only about tokens whose signature and claims are good."""

    def is_new(self, client_id: str, jti: str, expires: float) -> bool:
        """Whether this client's `jti` is seen for the first time; from now on it is not.

        `expires` (seconds since 1970) is when the token counts no more, so that it may be forgotten.
        """
        ...


class MemoryReplayGuard:
    """A guard for one process. Safe to share between threads.

    At most `most` tokens are kept, as digests of 16 bytes. Where more come, those that expire first are forgotten:
    only a client that was let in can fill it, and a good token is never refused for want of room.
    """

    def __init__(self, most: int = 200_000, now: Callable[[], float] = time.time) -> None:
        self._most = most
        self._now = now
        self._lock = threading.Lock()
        self._seen: set[bytes] = set()
        self._by_expiry: list[tuple[float, bytes]] = []

    def is_new(self, client_id: str, jti: str, expires: float) -> bool:
        """Whether this client's `jti` was not seen before; remembers it."""
        digest = hashlib.blake2b(f"{client_id}\0{jti}".encode("utf-8", "surrogatepass"), digest_size=16).digest()
        with self._lock:
            self._forget()
            if digest in self._seen:
                return False
            self._seen.add(digest)
            heapq.heappush(self._by_expiry, (expires, digest))
            return True

    def _forget(self) -> None:
        """Drop what has expired, and what there is no room for."""
        now = self._now()
        while self._by_expiry and (self._by_expiry[0][0] <= now or len(self._by_expiry) >= self._most):
            self._seen.discard(heapq.heappop(self._by_expiry)[1])

    def __len__(self) -> int:
        """How many tokens are remembered."""
        return len(self._seen)
