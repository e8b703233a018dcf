"""How often each card was shown: counted in memory as answers go out, written every few seconds.

What was counted and not yet written is lost when a worker is killed; a database that is down keeps it in memory.
"""

from __future__ import annotations

import logging
import threading
from collections import Counter
from collections.abc import Iterable
from datetime import date

from sqlalchemy import Connection
from sqlalchemy.dialects import postgresql, sqlite

from cds_service.core.values import CardOrigin
from cds_service.errors import StoreDown
from cds_service.logs import log_event
from cds_service.store.database import Store
from cds_service.store.tables import shown
from cds_service.store.ticker import Ticker

_EVERY = 5.0  # seconds
_Key = tuple[date, str, CardOrigin]


class ShownCounts:
    """Counts cards by day, client, rule, version and indicator: as many numbers as there are of those."""

    def __init__(self, store: Store, seconds: float = _EVERY) -> None:
        self._store = store
        self._lock = threading.Lock()
        self._counts: Counter[_Key] = Counter()
        self._ticker = Ticker(seconds, self._write)

    def add(self, day: date, client: str, cards: Iterable[CardOrigin]) -> None:
        """Count the cards of one answer. Touches no database."""
        with self._lock:
            self._counts.update((day, client, card) for card in cards)
        self._ticker.start()

    def close(self) -> None:
        """Write what is left. What cannot be written now is lost, and said to be."""
        self._ticker.close()
        if self._counts:
            log_event("shown counts lost, the database is down", logging.WARNING, cards=self._counts.total())

    def _write(self) -> None:
        with self._lock:
            counts, self._counts = self._counts, Counter()
        if not counts:
            return
        try:
            with self._store.writing() as connection:
                # In one order everywhere, so that two workers never wait for each other's rows.
                for key in sorted(counts, key=repr):
                    _add(connection, key, counts[key])
        except BaseException as error:
            with self._lock:
                self._counts.update(counts)
            if not isinstance(error, StoreDown):
                raise


def _add(connection: Connection, key: _Key, times: int) -> None:
    day, client, card = key
    build = sqlite.insert if connection.dialect.name == "sqlite" else postgresql.insert
    row = {"day": day, "client": client, "rule": card.rule, "version": card.version, "indicator": card.indicator}
    connection.execute(
        build(shown)
        .values(**row, times=times)
        .on_conflict_do_update(index_elements=list(row), set_={"times": shown.c.times + times})
    )
