"""CORS: a browser client such as the CDS Hooks Sandbox can read every answer, errors included."""

from __future__ import annotations

import re

import pytest
from flask.testing import FlaskClient

from cds_service.core.values import Knowledge
from tests.helpers import SELECT, SIGN, hook_call, outcome_text, post

ADDRESSES = ["/cds-services", SIGN, SELECT]
ORIGIN = "https://sandbox.cds-hooks.org"


def preflight(client: FlaskClient, address: str, **headers: str):
    """What a browser asks before a call with a token and JSON."""
    asked = {"Origin": ORIGIN, "Access-Control-Request-Method": "POST"}
    asked["Access-Control-Request-Headers"] = "authorization,content-type"
    return client.options(address, headers=asked | headers)


@pytest.mark.parametrize("address", ADDRESSES)
def test_a_preflight_is_answered_without_a_token(client: FlaskClient, address: str) -> None:
    """OPTIONS asks for nothing and allows what a hook call needs."""
    response = preflight(client, address)
    assert response.status_code in (200, 204)
    assert response.headers["Access-Control-Allow-Origin"] in ("*", ORIGIN)
    methods = response.headers["Access-Control-Allow-Methods"].replace(" ", "").split(",")
    assert {"GET", "POST"} <= set(methods)


@pytest.mark.parametrize("address", ADDRESSES)
def test_authorization_is_named(client: FlaskClient, address: str) -> None:
    """The Fetch standard excludes Authorization from the wildcard, so it is named with Content-Type."""
    named = preflight(client, address).headers["Access-Control-Allow-Headers"].lower().replace(" ", "")
    assert {"authorization", "content-type"} <= set(named.split(","))


def test_a_public_page_may_call_a_service_on_a_private_network(client: FlaskClient) -> None:
    """A preflight that asks for private network access gets it; others are not told."""
    asked = {"Access-Control-Request-Private-Network": "true"}
    assert preflight(client, SIGN, **asked).headers["Access-Control-Allow-Private-Network"] == "true"
    assert "Access-Control-Allow-Private-Network" not in preflight(client, SIGN).headers


def test_answers_can_be_read_by_a_page(client: FlaskClient, knowledge: Knowledge) -> None:
    """Discovery and cards carry the header that lets a page read them."""
    assert client.get("/cds-services").headers["Access-Control-Allow-Origin"] == "*"
    assert post(client, hook_call(knowledge)).headers["Access-Control-Allow-Origin"] == "*"


def test_no_credentials_with_a_wildcard(client: FlaskClient) -> None:
    """Any origin together with credentials is forbidden, and not needed."""
    assert "Access-Control-Allow-Credentials" not in preflight(client, SIGN).headers


@pytest.mark.parametrize(
    ("method", "address", "status"),
    [
        ("POST", SIGN, 400),
        ("POST", "/cds-services/nothing", 404),
        ("GET", SIGN, 405),
        ("GET", "/nothing", 404),
    ],
)
def test_errors_can_be_read_by_a_page(client: FlaskClient, method: str, address: str, status: int) -> None:
    """Without the header a browser hides the reason of a refusal."""
    response = client.open(address, method=method, data=b"{}", headers={"Origin": ORIGIN})
    assert response.status_code == status
    assert outcome_text(response)
    assert response.headers["Access-Control-Allow-Origin"] == "*"


@pytest.mark.parametrize("address", ADDRESSES)
@pytest.mark.parametrize("method", ["GET", "POST", "OPTIONS"])
def test_a_trailing_slash_is_never_redirected(client: FlaskClient, address: str, method: str) -> None:
    """A browser does not follow a redirect of a preflight; an address with a slash is simply not there."""
    response = client.open(f"{address}/", method=method, data=b"{}")
    assert response.status_code not in range(300, 400)
    response = client.open(address, method=method, data=b"{}")
    assert response.status_code not in range(300, 400)


def test_a_preflight_is_not_counted_as_a_call(client: FlaskClient) -> None:
    """It costs nothing, so it must not make the calls look faster than they are."""
    before = _counted(client)
    preflight(client, SIGN)
    after = _counted(client)
    assert set(after.items()) - set(before.items()) == {("preflight", before.get("preflight", 0) + 1), _looked(after)}


def _counted(client: FlaskClient) -> dict[str, int]:
    figures = client.get("/metrics").get_data(as_text=True)
    found = re.findall(r'^cds_request_seconds_count{service="([^"]+)",status="200"} (\d+)', figures, re.M)
    return {service: int(float(count)) for service, count in found}


def _looked(counted: dict[str, int]) -> tuple[str, int]:
    """Looking at the figures is a request too."""
    return "metrics", counted["metrics"]
