"""A thread that does small things every few seconds, started at the first need: so after gunicorn's fork."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from cds_service.logs import log_event

_LONGEST_GOODBYE = 10.0  # seconds


class Ticker:
    """Runs `tasks` every `seconds` until closed. A task that fails is tried again at the next tick."""

    def __init__(self, seconds: float, *tasks: Callable[[], None]) -> None:
        self._seconds = seconds
        self._tasks = tasks
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Start the thread, once."""
        if self._thread is not None:
            return
        with self._lock:
            if self._thread is None and not self._stop.is_set():
                self._thread = threading.Thread(target=self._run, name="cds-service-ticker", daemon=True)
                self._thread.start()

    def close(self) -> None:
        """Stop, and do everything a last time."""
        self._stop.set()
        with self._lock:
            thread, self._thread = self._thread, None
        if thread is not None:
            thread.join(_LONGEST_GOODBYE)
            self._tick()

    def _run(self) -> None:
        while not self._stop.wait(self._seconds):
            self._tick()

    def _tick(self) -> None:
        for task in self._tasks:
            try:
                task()
            except Exception as error:  # the thread must outlive a fault of one tick; its text may quote values
                log_event("failed", logging.ERROR, task=task.__qualname__, error=type(error).__name__)
