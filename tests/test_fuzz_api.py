"""Schemathesis calls every route with what the OpenAPI document allows, and with what it does not."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import given
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.checks import load_all_checks
from schemathesis.specs.openapi.checks import negative_data_rejection

from cds_service.app import close_app
from cds_service.settings import read_settings
from tests.helpers import app_of, strict_json
from tests.hostile import FUZZED, LONG, guarded, open_settings
from tests.response_schema import check_response

MODES = [GenerationMode.POSITIVE, GenerationMode.NEGATIVE]


class Api:
    """What the document describes. Schemathesis' own pytest plugin does not work with pytest 9.2, so it is driven here.

    That what breaks the document is refused is not asked: odd FHIR is read as far as it can be.
    """

    def __init__(self, app: Any) -> None:
        load_all_checks()
        self._app = app
        self.schema = schemathesis.openapi.from_wsgi("/openapi.json", self._local)
        self.operations = {found.ok().label: found.ok() for found in self.schema.get_all_operations()}

    def __repr__(self) -> str:
        return "api"  # Hypothesis writes the arguments of what it falsified

    def _local(self, environ: Any, start_response: Any) -> Any:
        return self._app(environ | {"REMOTE_ADDR": "127.0.0.1"}, start_response)

    def check(self, case: Any) -> None:
        """Status, type and body of the answer are described, refusals too; what fits the document is answered."""
        with guarded():
            response = case.call()
        case.validate_response(response, excluded_checks=[negative_data_rejection])
        if response.status_code == 200 and case.method == "POST" and not case.path.endswith("/feedback"):
            check_response(strict_json(response.content))


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """The service with the document that it gives."""
    app = app_of(read_settings(open_settings(tmp_path_factory.mktemp("data"))))
    yield Api(app)
    close_app(app)


def test_the_edges_of_the_document_hold(api: Api) -> None:
    """Each limit, type, member and method that the document names, on both sides; of two services alike, one."""
    for label, operation in api.operations.items():
        if "order-sign" in label and not LONG:
            continue
        generation = api.schema.config.generation_for(operation=operation, phase="coverage")
        cases = api.schema.iter_coverage_cases(operation, generation_modes=MODES, generation_config=generation)
        for case in cases:
            api.check(case)


@FUZZED
@given(data=st.data())
def test_the_service_does_what_its_document_says(api: Api, data: st.DataObject) -> None:
    """Calls drawn from the document's schemas, and calls that break them."""
    operation = api.operations[data.draw(st.sampled_from(sorted(api.operations)))]
    api.check(data.draw(operation.as_strategy(generation_mode=data.draw(st.sampled_from(MODES)))))
