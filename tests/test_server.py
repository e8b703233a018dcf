"""`cds-service serve`: a real gunicorn on this machine."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from cds_service.core.values import Knowledge
from cds_service.web.json_body import write_json
from tests.commands import refusal, run
from tests.helpers import SIGN, hook_call
from tests.servers import serving


def test_serve_refuses_an_address_that_others_can_reach() -> None:
    """Access is open, so the service listens on loopback only."""
    assert "loopback" in refusal(run("serve", "--host", "0.0.0.0", CDS_AUTH="off"))


@pytest.mark.parametrize(
    ("option", "value", "allowed"),
    [
        ("--port", "0", "use 1 to 65535"),
        ("--port", "70000", "use 1 to 65535"),
        ("--port", "http", "whole number"),
        ("--workers", "0", "use at least 1"),
        ("--workers", "-1", "whole number"),
    ],
)
def test_serve_refuses_what_nobody_could_reach(option: str, value: str, allowed: str) -> None:
    """A port that is none, or no process to answer."""
    assert allowed in refusal(run("serve", f"{option}={value}", CDS_AUTH="off"))


def test_serve_answers_discovery_and_hook_calls(knowledge: Knowledge, tmp_path: Path) -> None:
    """Gunicorn starts, prints the discovery URL, and two workers give one answer byte for byte."""
    data = write_json(hook_call(knowledge))
    with serving(tmp_path / "data") as server:
        base = server.base
        assert server.printed.read_text().splitlines()[0] == f"Discovery: {base}/cds-services"
        services = json.load(urllib.request.urlopen(f"{base}/cds-services"))["services"]
        assert len(services) == 2
        headers = {"Content-Type": "application/json"}
        call = urllib.request.Request(f"{base}{SIGN}", data, headers)
        answers = set()
        for _ in range(8):
            with urllib.request.urlopen(call) as response:
                answers.add(response.read())
        assert len(answers) == 1
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(urllib.request.Request(f"{base}{SIGN}", b"[" * 100_000, headers))
        assert json.load(refused.value)["resourceType"] == "OperationOutcome"
        refused.value.close()
