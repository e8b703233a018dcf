"""`cds-service probe`: fire a known interaction at a running service and see that a card comes back.

Clients show an error like an empty answer, so a service that is broken looks like one that has nothing to say. A
check of the whole way, from the address to the card, notices that.
"""

from __future__ import annotations

import json
import time
import uuid
from datetime import date

import httpx

from cds_service.fixtures import fixtures_folder, moved_to, read_fixture

_NAME = "probe"
_MOST_BYTES = 1024 * 1024


class ProbeFailed(Exception):
    """The service did not answer as it must; the text says how."""


def probe(url: str, token: str, today: date, seconds: float) -> str:
    """A sentence about the card that came back. Raises ProbeFailed with a sentence when none did."""
    fixture = read_fixture(fixtures_folder() / _NAME)
    body = json.loads(moved_to(fixture, today)) | {"hookInstance": str(uuid.uuid4())}
    base = url.rstrip("/").removesuffix("/cds-services")
    began = time.monotonic()
    status, data = _post(f"{base}/cds-services/{fixture.service}", json.dumps(body).encode(), token, seconds)
    milliseconds = round(1000 * (time.monotonic() - began))
    if status != 200:
        raise ProbeFailed(f"{base} answered with status {status}{_reason(data)} after {milliseconds} ms. No card came.")
    summary = _critical_card(base, data)
    return f"In order: a critical card came back in {milliseconds} ms ({summary})."


def _post(address: str, body: bytes, token: str, seconds: float) -> tuple[int, bytes]:
    """Status and body, within the time and size that a probe has."""
    headers = {"Content-Type": "application/json", **({"Authorization": f"Bearer {token}"} if token else {})}
    deadline = time.monotonic() + seconds
    data = b""
    try:
        with httpx.stream("POST", address, content=body, headers=headers, timeout=seconds) as response:
            for chunk in response.iter_bytes():
                data += chunk
                if len(data) > _MOST_BYTES:
                    raise ProbeFailed(f"{address} answered with more than {_MOST_BYTES} bytes.")
                if time.monotonic() > deadline:
                    raise httpx.ReadTimeout("too slow")
            return response.status_code, data
    except httpx.TimeoutException:
        raise ProbeFailed(f"{address} did not answer within {seconds:g} seconds.") from None
    except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
        raise ProbeFailed(f"{address} cannot be reached ({type(error).__name__}: {error}).") from None


def _critical_card(base: str, data: bytes) -> str:
    """The summary of the critical card in an answer."""
    try:
        answer = json.loads(data)
        cards = [card for card in answer["cards"] if card["indicator"] == "critical"]
        others = len(answer["cards"]) - len(cards)
        summaries = [str(card["summary"]) for card in cards]
    except (ValueError, KeyError, TypeError):
        raise ProbeFailed(f"{base} answered with something that is no CDS Hooks response.") from None
    if not summaries:
        raise ProbeFailed(
            f"{base} answered a known interaction without its critical card ({others} other cards). "
            "It is not checking orders."
        )
    return summaries[0]


def _reason(data: bytes) -> str:
    """What the service says is wrong, as far as it is an OperationOutcome."""
    try:
        return f" ({json.loads(data)['issue'][0]['details']['text']})"
    except (ValueError, KeyError, IndexError, TypeError):
        return ""
