"""Write the golden answer of every fixture: `python tests/refresh_fixtures.py` or `make fixtures`.

Prints what changed. Read the diff before you commit it: `test_table_rows.py` asserts what the answers must
say, but only a person sees that a text reads badly.
"""

from __future__ import annotations

import re
from datetime import date
from functools import cache

import msgspec
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from cds_service.app import create_app
from cds_service.fixtures import Fixture, fixtures_folder, read_fixtures
from cds_service.settings import read_settings

GOLDEN = "response.json"


@cache
def client_on(day: date) -> FlaskClient:
    """A client of the application with default settings on a fixed day."""
    return create_app(read_settings({"CDS_AUTH": "off", "CDS_RATE": "0"}), lambda: day).test_client()


def fire(fixture: Fixture) -> TestResponse:
    """Send the fixture's body as it is, on its day, to its service."""
    client = client_on(fixture.today)
    return client.post(f"/cds-services/{fixture.service}", data=fixture.request(), content_type="application/json")


def golden_text(response: TestResponse) -> str:
    """The body with line breaks, everything else as it was sent (decimals keep their digits).

    The checksum of the knowledge is left out: it changes with every card file, whatever that does to the answer.
    """
    text = msgspec.json.format(response.get_data(), indent=2).decode() + "\n"
    return re.sub(r'"knowledge": "[0-9a-f]{16}"', '"knowledge": "checksum"', text)


def main() -> None:
    """Refresh all answers."""
    for fixture in read_fixtures(fixtures_folder()):
        response = fire(fixture)
        target = fixture.folder / GOLDEN
        if response.status_code != fixture.status:
            print(f"{fixture.name}: status {response.status_code}, but case.yaml says {fixture.status}; not written")
            continue
        text = golden_text(response)
        if not target.is_file() or target.read_text(encoding="utf-8") != text:
            print(f"{fixture.name}: {'changed' if target.is_file() else 'new'}")
            target.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
