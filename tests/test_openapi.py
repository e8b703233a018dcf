"""The OpenAPI document: it is valid, and it says what the application answers."""

from __future__ import annotations

import re
from typing import Any

import pytest
import schemathesis
from flask import Flask
from flask.testing import FlaskClient
from jsonschema import Draft202012Validator
from werkzeug.routing import Rule

from cds_service.core.values import Knowledge
from cds_service.settings import Access
from cds_service.web.openapi import describe_api
from cds_service.web.pages.frame import BLUEPRINTS, KNOWLEDGE
from cds_service.web.services import SERVICES
from tests.helpers import hook_call, refusal_of, strict_json

JSON = dict[str, Any]
_PARAMETER = re.compile(r"<(?:\w+:)?(\w+)>")


def document_of(client: FlaskClient) -> JSON:
    """The document as it is served."""
    response = client.get("/openapi.json")
    assert response.status_code == 200
    assert response.content_type == "application/json; charset=utf-8"
    document: JSON = strict_json(response.get_data())
    return document


def test_the_document_is_valid(client: FlaskClient) -> None:
    """It is OpenAPI 3.1 by the standard's own schema, and each schema in it is one of JSON Schema 2020-12."""
    document = document_of(client)
    schemathesis.openapi.from_dict(document).validate()
    for schema in document["components"]["schemas"].values():
        Draft202012Validator.check_schema(schema)


def test_each_reference_leads_somewhere(client: FlaskClient) -> None:
    """Every `$ref` names a schema of the document, and every schema is referred to."""
    document = document_of(client)
    names = {f"#/components/schemas/{name}" for name in document["components"]["schemas"]}
    assert set(_references(document)) == names


def _references(value: Any) -> list[str]:
    if isinstance(value, list):
        return [found for one in value for found in _references(one)]
    if not isinstance(value, dict):
        return []
    own = [value["$ref"]] if isinstance(value.get("$ref"), str) else []
    return own + [found for one in value.values() for found in _references(one)]


def test_the_document_has_every_route_and_no_other(app: Flask, client: FlaskClient) -> None:
    """Whatever the application answers in JSON is described, each service by its own path; pages are for people."""
    described = {(path, method.upper()) for path, item in document_of(client)["paths"].items() for method in item}
    routed = {
        (_PARAMETER.sub(r"{\1}", rule.rule.replace("<service>", service)), method)
        for rule in app.url_map.iter_rules()
        if not _is_page(rule)
        for method in rule.methods - {"HEAD", "OPTIONS"}
        for service in (SERVICES if "<service>" in rule.rule else ("",))
    }
    assert described == routed


def _is_page(rule: Rule) -> bool:
    blueprint, _, name = rule.endpoint.partition(".")
    return blueprint in BLUEPRINTS and not (blueprint == KNOWLEDGE and name.endswith("_json"))


def test_operations_have_ids_of_their_own(client: FlaskClient) -> None:
    """Generators of clients make function names of them."""
    ids = [of["operationId"] for item in document_of(client)["paths"].values() for of in item.values()]
    assert len(ids) == len(set(ids))


def test_the_prefetch_keys_are_those_of_discovery(client: FlaskClient, knowledge: Knowledge) -> None:
    """The request's schema names each key that discovery asks for."""
    schemas = document_of(client)["components"]["schemas"]
    for name in ("OrderSignRequest", "OrderSelectRequest"):
        assert list(schemas[name]["properties"]["prefetch"]["properties"]) == list(knowledge.chart_queries)


def test_what_needs_a_token_says_so(app: Flask, client: FlaskClient, knowledge: Knowledge) -> None:
    """Where callers are authenticated, hook calls ask for a token; open, nothing does. Reading never needs one."""
    shown = Access(mode="required", public_url="https://cds.example/base")
    signed = describe_api(app.url_map.iter_rules(), knowledge, shown)
    assert signed["servers"] == [{"url": "https://cds.example/base"}]
    assert set(signed["components"]["securitySchemes"]) == {"client"}
    for document, needed in ((signed, [{"client": []}]), (document_of(client), [])):
        for item in document["paths"].values():
            for method, of in item.items():
                assert of["security"] == (needed if method == "post" else [])


@pytest.mark.parametrize("value", ["Patient/", "Patient/ ", "", " "])
def test_a_patient_without_an_id_is_no_valid_call(client: FlaskClient, knowledge: Knowledge, value: str) -> None:
    """The description calls invalid what the service refuses, and nothing less."""
    whole = document_of(client)
    validator = Draft202012Validator({"$ref": "#/components/schemas/OrderSignRequest", **whole})
    body = hook_call(knowledge)
    assert validator.is_valid(body)
    body["context"]["patientId"] = value
    assert not validator.is_valid(body)
    assert refusal_of(client, body).startswith("context.patientId: ")
