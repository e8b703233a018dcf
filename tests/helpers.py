"""What many tests do: build a hook call, send it through the front door, look at the answer.

Every 200 answer that passes through `post` or `answer_of` is held against the response schema.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Iterable
from datetime import date
from functools import cache
from typing import Any

from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from cds_service.app import create_app
from cds_service.core.values import Knowledge
from cds_service.examples import example_request
from cds_service.knowledge import cards_folder, load_knowledge
from cds_service.settings import Settings
from cds_service.web.json_body import write_json
from tests.response_schema import check_response

JSON = dict[str, Any]
TODAY = date(2026, 11, 22)
SIGN = "/cds-services/interactions-order-sign"
SELECT = "/cds-services/interactions-order-select"

GABAPENTIN = {"drug": "gabapentin 300 MG Oral Capsule", "dose": "1 capsule", "times_a_day": 3}
BACLOFEN = {"drug": "baclofen 10 MG Oral Tablet", "dose": "1 tablet", "times_a_day": 3}
HEALTHY = {"age": 40, "egfr": 95}


@cache
def released() -> Knowledge:
    """All card files as released, read as at start; once for all tests of a process, because nothing changes them."""
    return load_knowledge(cards_folder())


def app_of(settings: Settings, day: date = TODAY) -> Flask:
    """The application with these settings on a fixed day."""
    return create_app(settings, lambda: day, released() if settings.cards == cards_folder() else None)


def hook_call(
    knowledge: Knowledge,
    ordering: Iterable[Any] = (GABAPENTIN,),
    taking: Iterable[Any] = (BACLOFEN,),
    facts: JSON | None = None,
    hook: str = "order-sign",
) -> JSON:
    """The body of a hook call from the lines a card file's example is written in."""
    example = {"name": "a test", "hook": hook, "ordering": list(ordering), "taking": list(taking)}
    return example_request(example | {"facts": HEALTHY if facts is None else facts}, knowledge, TODAY)


def post(client: FlaskClient, body: Any, url: str = SIGN) -> TestResponse:
    """Send a hook call; `body` is JSON or raw bytes."""
    data = body if isinstance(body, bytes) else write_json(body)
    response = client.post(url, data=data, content_type="application/json")
    assert response.content_type.startswith("application/json")
    if response.status_code == 200:
        check_response(strict_json(response.get_data()))
    return response


def answer_of(client: FlaskClient, body: Any, url: str = SIGN) -> JSON:
    """The answer to a hook call that must succeed."""
    response = post(client, body, url)
    assert response.status_code == 200, response.get_data(as_text=True)
    return strict_json(response.get_data())


def refusal_of(client: FlaskClient, body: Any, status: int = 400, url: str = SIGN) -> str:
    """The text of the OperationOutcome that refuses a hook call."""
    response = post(client, body, url)
    assert response.status_code == status, response.get_data(as_text=True)
    return outcome_text(response)


def outcome_text(response: TestResponse) -> str:
    """The one sentence of an OperationOutcome (CH-095); fails where the body is anything else."""
    body = strict_json(response.get_data())
    assert body["resourceType"] == "OperationOutcome"
    (issue,) = body["issue"]
    assert issue["severity"] == "error"
    assert issue["code"]
    return str(issue["details"]["text"])


def strict_json(data: bytes) -> Any:
    """JSON as the standard has it: no NaN, no name twice in one object (CH-007)."""
    return json.loads(data, parse_constant=_refuse, object_pairs_hook=_no_name_twice)


def _refuse(word: str) -> None:
    raise AssertionError(f"{word} is no JSON")


def _no_name_twice(pairs: list[tuple[str, Any]]) -> JSON:
    names = [name for name, _ in pairs]
    assert len(names) == len(set(names)), f"a name stands twice: {names}"
    return dict(pairs)


def cards_of_topic(answer: JSON, topic: str) -> list[JSON]:
    """The cards about one topic."""
    return [card for card in answer["cards"] if card["source"]["topic"]["code"] == topic]


def cns_card(answer: JSON) -> JSON:
    """The one card about sedation and slowed breathing."""
    (card,) = cards_of_topic(answer, "cns-depression")
    return card


def notices_of(answer: JSON) -> list[str]:
    """Ids of the cards about the check itself, in their order."""
    return [rules_of(card)[0]["id"] for card in cards_of_topic(answer, "check")]


def rules_of(card: JSON) -> list[JSON]:
    """The rules a card says it came from, the leading one first."""
    return list(card["extension"]["local.cds-service"]["rules"])


def orders_in(body: JSON) -> list[JSON]:
    """The draft orders of a hook call, to look at or to change."""
    return [entry["resource"] for entry in body["context"]["draftOrders"].get("entry", [])]


def bundle(*resources: JSON) -> JSON:
    """A searchset of these resources."""
    return {"resourceType": "Bundle", "type": "searchset", "entry": [{"resource": r} for r in resources]}


def suggestions_of(answer: JSON, kind: str) -> list[JSON]:
    """All suggestions whose first action is of this type."""
    every = [s for card in answer["cards"] for s in card.get("suggestions", [])]
    return [s for s in every if s["actions"][0]["type"] == kind]


def apply_suggestion(body: JSON, suggestion: JSON) -> JSON:
    """The hook call as the client sends it after the prescriber has taken a suggestion."""
    changed = copy.deepcopy(body)
    for action in suggestion["actions"]:
        changed["context"]["draftOrders"]["entry"] = list(_applied(orders_in(changed), action))
    return changed


def _applied(orders: list[JSON], action: JSON) -> Iterable[JSON]:
    resource = action.get("resource", {})
    gone = action.get("resourceId") or f"{resource['resourceType']}/{resource.get('id')}"
    names = [f"{order['resourceType']}/{order.get('id')}" for order in orders]
    is_there = gone in names and (action["type"] != "create" or "id" in resource)  # a client gives what is new an id
    assert is_there == (action["type"] != "create"), f"{action['type']} of {gone} in {names}"
    for name, order in zip(names, orders, strict=True):
        if name != gone or not is_there:
            yield {"resource": order}
        elif action["type"] == "update":
            yield {"resource": resource}
    if action["type"] == "create":
        yield {"resource": resource}
