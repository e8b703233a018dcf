"""One database, SQLite or PostgreSQL: opened at the first use in a process, so after gunicorn's fork.

After a failure nothing is tried for two seconds, so that a database that hangs costs a call its connect timeout
now and then and not every time.
"""

from __future__ import annotations

import logging
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, inspect, make_url, select, text
from sqlalchemy.exc import ArgumentError, DataError, DBAPIError, IntegrityError, OperationalError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from cds_service.errors import ServiceError, SettingsError, StartError, StoreDown
from cds_service.logs import log_event
from cds_service.store.tables import REVISIONS

_PAUSE = 2.0  # seconds after a failure in which nothing is tried
_PATIENCE = 30.0  # seconds that a first start waits for another one that makes the same file
_SECONDS = 2  # to connect, and to wait for another writer of a SQLite file
_STATEMENT_MS = 3000
_ONE_UPGRADE = 0x63647368  # the PostgreSQL advisory lock that lets one upgrade run at a time
_PLAIN = {"postgres": "postgresql+psycopg", "postgresql": "postgresql+psycopg"}
_UPGRADE = "run cds-service db upgrade"
_NO_PLACE = "CDS_DATA is not set, and there is no home folder. Set it to a folder for the database."


@dataclass(frozen=True, slots=True)
class Health:
    """Whether the database can be used, and if not a sentence why (without its address or password)."""

    ok: bool
    message: str


def database_url(text_of_url: str) -> URL:
    """The URL for SQLAlchemy. Raises SettingsError, which never quotes it: it may hold a password."""
    try:
        url = make_url(text_of_url)
    except (ArgumentError, ValueError):
        url = None
    if url is not None:
        url = url.set(drivername=_PLAIN.get(url.drivername, url.drivername))
        if url.drivername == "postgresql+psycopg" or (url.drivername == "sqlite" and _is_a_file(url)):
            return url
    raise SettingsError(
        "CDS_DATABASE_URL cannot be read. Use postgresql://user:password@host:5432/name or sqlite:////folder/file."
    )


def _is_a_file(url: URL) -> bool:
    return bool(url.database) and url.database != ":memory:" and not url.query


class Store:
    """The database at `url`; with an empty one nothing is kept, and what must be kept is refused."""

    def __init__(self, url: str) -> None:
        self._url = database_url(url) if url else None
        self._lock = threading.Lock()
        self._engine: Engine | None = None
        self._is_ready = False
        self._fault = ""
        self._again = 0.0

    @property
    def is_sqlite(self) -> bool:
        """Whether this is a SQLite file."""
        return self._url is not None and self._url.drivername == "sqlite"

    @property
    def place(self) -> str:
        """Where the data are, for people: without a password."""
        if self._url is None:
            return "nowhere"
        return str(self._url.database) if self.is_sqlite else self._url.set(query={}).render_as_string()

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """A transaction that is stored for good, or not at all, when the block ends. Raises StoreDown."""
        with self._transaction(reading=False) as connection:
            yield connection

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A transaction that sees one state and blocks no writer. Raises StoreDown."""
        with self._transaction(reading=True) as connection:
            yield connection

    def health(self) -> Health:
        """Whether the database answers, with a schema this release can use."""
        try:
            with self.reading() as connection:
                connection.execute(select(1))
        except StoreDown as error:
            return Health(False, error.reason)
        return Health(True, "ok")

    def prepare(self) -> None:
        """Before the service starts: make and migrate a SQLite file, look at a PostgreSQL database.

        Raises StartError where the file cannot be made: that is a wrong setting. A PostgreSQL database that is down
        or old is only told, in the log: orders are checked without it.
        """
        if self._url is None:
            raise SettingsError(
                "CDS_DATA is not set, and there is no home folder. Set it to a folder for the database."
            )
        try:
            with self._transaction(reading=not self.is_sqlite):
                pass
        except StoreDown as error:
            if self.is_sqlite:
                raise StartError(f"CDS_DATA: {self.place} cannot be used: {error.reason}.") from None
            log_event("store degraded, orders are checked all the same", logging.WARNING, reason=error.reason)
        finally:
            self.close()

    def upgrade(self) -> None:
        """Apply the migrations that are missing. Raises ServiceError."""
        if self._url is None:
            raise SettingsError(
                "CDS_DATA is not set, and there is no home folder. Set it to a folder for the database."
            )
        try:
            if self.is_sqlite:
                self._open()
            else:
                with self._connectable().begin() as connection:
                    connection.execute(select(text(f"pg_advisory_xact_lock({_ONE_UPGRADE})")))
                    _migrate(connection)
        except (DBAPIError, StoreDown) as error:
            raise ServiceError(f"{self.place} cannot be upgraded: {_why(error)}.") from None
        finally:
            self.close()

    def close(self) -> None:
        """Let go of the connections."""
        with self._lock:
            engine, self._engine, self._is_ready = self._engine, None, False
        if engine is not None:
            engine.dispose()

    @contextmanager
    def _transaction(self, reading: bool) -> Iterator[Connection]:
        engine = self._open()
        try:
            with engine.connect().execution_options(reading=reading) as connection, connection.begin():
                if not self.is_sqlite:
                    connection.exec_driver_sql(f"SET LOCAL statement_timeout = {_STATEMENT_MS}")
                yield connection
        except (IntegrityError, DataError):
            raise
        except (DBAPIError, PoolTimeout) as error:
            self._fail(error)
            raise StoreDown(self._fault) from None
        if self._fault:
            self._fault = ""
            log_event("store back")

    def _open(self) -> Engine:
        """The engine of a database whose schema was looked at once in this process."""
        if self._url is None:
            raise StoreDown(_NO_PLACE)
        with self._lock:
            if time.monotonic() < self._again:
                raise StoreDown(self._fault)
            engine = self._connectable()
            if not self._is_ready:
                try:
                    self._ready(engine)
                except (SQLAlchemyError, sqlite3.Error, OSError, StoreDown) as error:
                    self._fail(error)
                    raise StoreDown(self._fault) from None
                self._is_ready = True
        return engine

    def _fail(self, error: Exception) -> None:
        why = _why(error)
        if why != self._fault:
            log_event("store down", logging.WARNING, reason=why)
        self._fault, self._again, self._is_ready = why, time.monotonic() + _PAUSE, False

    def _connectable(self) -> Engine:
        assert self._url is not None
        if self._engine is None:
            self._engine = _sqlite(self._url) if self.is_sqlite else _postgresql(self._url)
        return self._engine

    def _ready(self, engine: Engine) -> None:
        if self.is_sqlite:
            _patiently(lambda: _make_file(Path(str(engine.url.database))))
            _patiently(lambda: _make_schema(engine))
            return
        with engine.connect() as connection:
            revision = _revision(connection)
        if _is_old(revision):
            raise StoreDown(f"the database has {f'schema {revision}' if revision else 'no schema yet'}; {_UPGRADE}")


def _why(error: Exception) -> str:
    """A reason without values, addresses or the text of a statement."""
    if isinstance(error, StoreDown):
        return error.reason
    if isinstance(error, OSError):
        return f"{error.strerror or 'it cannot be opened'}"
    original = getattr(error, "orig", None)
    state = getattr(original, "sqlstate", None) or getattr(original, "sqlite_errorname", None)
    return f"the database does not work ({type(original or error).__name__}{f' {state}' if state else ''})"


# --- SQLite --------------------------------------------------------------------------------------------


def _sqlite(url: URL) -> Engine:
    engine = create_engine(url, hide_parameters=True, connect_args={"timeout": _SECONDS})

    @event.listens_for(engine, "connect")
    def _(connection: Any, _: Any) -> None:
        connection.isolation_level = None  # transactions begin below, not where the driver thinks
        connection.execute("PRAGMA synchronous=FULL")

    @event.listens_for(engine, "begin")
    def _(connection: Connection) -> None:
        reading = connection.get_execution_options().get("reading", False)
        connection.exec_driver_sql("BEGIN" if reading else "BEGIN IMMEDIATE")

    return engine


def _make_file(path: Path) -> None:
    """An empty file that only this user reads; SQLite makes its companions with the same permissions."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not path.exists():
        path.touch(mode=0o600)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode=WAL")


def _make_schema(engine: Engine) -> None:
    with engine.connect().execution_options(reading=True) as connection:
        is_old = _is_old(_revision(connection))
    if is_old:
        with engine.begin() as connection:
            _migrate(connection)


def _patiently(step: Callable[[], None]) -> None:
    """Several processes may start at once: one makes the file, the others wait for it."""
    until = time.monotonic() + _PATIENCE
    while True:
        try:
            return step()
        except (sqlite3.OperationalError, OperationalError) as error:
            if "locked" not in str(getattr(error, "orig", error)) or time.monotonic() > until:
                raise
        time.sleep(0.05)


# --- PostgreSQL ----------------------------------------------------------------------------------------


def _postgresql(url: URL) -> Engine:
    """A pool that notices when the server was restarted; without prepared statements, for connection poolers."""
    given: dict[str, Any] = {
        "connect_timeout": _SECONDS,
        "tcp_user_timeout": 1000 * _SECONDS,
        "application_name": "cds-service",
        "prepare_threshold": None,
    }
    return create_engine(
        url,
        hide_parameters=True,
        pool_size=2,
        max_overflow=6,
        pool_timeout=_SECONDS,
        pool_pre_ping=True,
        connect_args={name: value for name, value in given.items() if name not in url.query},
    )


# --- The schema ----------------------------------------------------------------------------------------


def _migrate(connection: Connection) -> None:
    # Alembic is needed only here, and costs every start a fifth of a second.
    from cds_service.store.migrate import migrate

    migrate(connection)


def _revision(connection: Connection) -> str:
    """The revision of the schema, "" where there is none."""
    if not inspect(connection).has_table("alembic_version"):
        return ""
    return str(connection.execute(text("SELECT version_num FROM alembic_version")).scalar() or "")


def _is_old(revision: str) -> bool:
    """A revision that this release does not know is of a newer one, whose migrations only added."""
    return revision == "" or revision in REVISIONS[:-1]
