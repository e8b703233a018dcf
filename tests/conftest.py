"""Fixtures: the knowledge as released, and the service on a fixed day."""

from __future__ import annotations

import pytest
from flask import Flask
from flask.testing import FlaskClient

from cds_service.app import create_app
from cds_service.core.values import Knowledge
from cds_service.knowledge import cards_folder, load_knowledge
from cds_service.settings import read_settings
from tests.helpers import TODAY
from tests.own_cards import write_cards


@pytest.fixture(scope="session")
def knowledge() -> Knowledge:
    """All card files, read as at start."""
    return load_knowledge(cards_folder())


@pytest.fixture(scope="session")
def app() -> Flask:
    """The application with default settings but for any rate; it keeps nothing between calls that an answer shows."""
    return create_app(read_settings({"CDS_AUTH": "off", "CDS_RATE": "0"}), lambda: TODAY)


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    """A client of the application."""
    return app.test_client()


@pytest.fixture(scope="session")
def few_cards(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A folder with one card, for tests that start many services and ask for no card of their own: it loads fast."""
    return str(write_cards(tmp_path_factory.mktemp("few") / "cards", {}))
