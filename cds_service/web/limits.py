"""How much is answered at a time, and to whom. Both limits count in one worker; nothing waits in line without end."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable

from flask import Flask, g, request
from limits import RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import SlidingWindowCounterRateLimiter

from cds_service.errors import Busy, TooOften
from cds_service.settings import CallLimits
from cds_service.web.caller import OPEN, Caller, current_caller
from cds_service.web.metrics import Metrics


def limit_calls_in_flight(app: Flask, limits: CallLimits, metrics: Metrics) -> None:
    """Refuse a call at once while `limits.in_flight` others are being answered. Before anything is done for it."""
    places = threading.BoundedSemaphore(limits.in_flight)

    @app.before_request
    def enter() -> None:
        if not _is_call():
            return
        if not places.acquire(blocking=False):
            raise Busy
        g.has_place = True
        metrics.in_flight.inc()

    @app.teardown_request
    def leave(_: BaseException | None) -> None:
        if g.pop("has_place", False):
            metrics.in_flight.dec()
            places.release()


def limit_rate(app: Flask, limits: CallLimits, closing: Callable[[Callable[[], object]], object]) -> None:
    """Refuse a client that calls more often than it may. After it is known who calls."""
    if not limits.rate:
        return
    rate = _Rate(limits.rate)
    closing(rate.close)

    @app.before_request
    def enter() -> None:
        if _is_call():
            caller = current_caller() if "caller" in g else Caller()  # pages let in by themselves
            peer = request.remote_addr or "" if caller.client == OPEN else ""
            rate.take(caller.client, peer)


def _is_call() -> bool:
    """What costs something: everything that is posted."""
    return request.method == "POST"


class _Rate:
    """Calls a minute by client, in a sliding window. In memory, so each worker counts for itself."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._item = RateLimitItemPerMinute(most)
        self._lock = threading.Lock()
        self._storage: MemoryStorage | None = None

    def take(self, *who: str) -> None:
        """Count one call. Raises TooOften where that is one too many."""
        with self._lock:  # the library starts its timer without one of its own
            limiter = SlidingWindowCounterRateLimiter(self._open())
            if limiter.hit(self._item, *who):
                return
            again = limiter.get_window_stats(self._item, *who).reset_time - time.time()
        raise TooOften(self._most, max(1, math.ceil(again)))

    def close(self) -> None:
        """Forget the counts."""
        with self._lock:
            self._storage = None

    def _open(self) -> MemoryStorage:
        """Made at the first call: it starts a thread, and threads do not survive gunicorn's fork."""
        if self._storage is None:
            self._storage = MemoryStorage()
        return self._storage
