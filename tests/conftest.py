"""Fixtures: the knowledge as released, and the service on a fixed day."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient
from playwright.sync_api import Browser

from cds_service.core.values import Knowledge
from cds_service.settings import read_settings
from cds_service.store.database import Store
from tests.browser import chromium
from tests.conformance import Recorder, rows_of, watch
from tests.helpers import app_of, released
from tests.own_cards import write_cards
from tests.postgres import Postgres, running_postgres


@pytest.fixture(scope="session", autouse=True)
def _own_state(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Services that the tests start keep nothing in the home folder of whoever runs them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))
        yield


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One Chromium for the tests of a file; Playwright's loop must not outlive them."""
    with chromium() as started:
        yield started


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--conformance FILE` runs the tests that show a requirement and writes the table of them."""
    parser.addoption("--conformance", type=Path, default=None, help="write the table of requirements to this file")


def pytest_configure(config: pytest.Config) -> None:
    """Set the recorder up where the table is asked for."""
    if file := config.getoption("--conformance"):
        recorder = Recorder(file)
        config.pluginmanager.register(recorder)
        watch(recorder)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """With `--conformance`, only the tests that show a requirement run."""
    if config.getoption("--conformance"):
        items[:] = [item for item in items if rows_of(item.name)]


@pytest.fixture(scope="session")
def knowledge() -> Knowledge:
    """All card files as released."""
    return released()


@pytest.fixture(scope="session")
def app() -> Flask:
    """The application with default settings but for any rate; it keeps nothing between calls that an answer shows."""
    return app_of(read_settings({"CDS_AUTH": "off", "CDS_RATE": "0"}))


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    """A client of the application."""
    return app.test_client()


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A PostgreSQL server, started once for the tests of a process."""
    with running_postgres() as server:
        yield server


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_database(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of an empty database, of each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'cds.sqlite3'}"
    server: Postgres = request.getfixturevalue("postgres")
    return server.new_database()


@pytest.fixture
def database(empty_database: str) -> str:
    """The address of a database with the schema of this release, of each kind."""
    Store(empty_database).upgrade()
    return empty_database


@pytest.fixture(scope="session")
def few_cards(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A folder with one card, for tests that start many services and ask for no card of their own: it loads fast."""
    return str(write_cards(tmp_path_factory.mktemp("few") / "cards", {}))
