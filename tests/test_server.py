"""`cds-service serve`: a real gunicorn on this machine."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from cds_service.core.values import Knowledge
from cds_service.web.json_body import write_json
from tests.commands import COMMAND, ROOT, refusal, run
from tests.helpers import SIGN, hook_call


def test_serve_refuses_an_address_that_others_can_reach() -> None:
    """Access is open, so the service listens on loopback only."""
    assert "loopback" in refusal(run("serve", "--host", "0.0.0.0", CDS_AUTH="off"))


def test_serve_answers_discovery_and_hook_calls(knowledge: Knowledge, tmp_path: Path) -> None:
    """Gunicorn starts, prints the discovery URL, and two workers give one answer byte for byte."""
    data = write_json(hook_call(knowledge))
    with serving(tmp_path) as base:
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


@contextmanager
def serving(data: Path) -> Iterator[str]:
    """A running service on a free port of this machine that writes below `data`."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    settings = os.environ | {"PYTHONPATH": str(ROOT), "CDS_AUTH": "off", "CDS_DATA": str(data)}
    command = [*COMMAND[:1], *COMMAND[3:], "serve", "--port", str(port)]
    with subprocess.Popen(command, cwd=ROOT, env=settings, stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline().decode().strip() == f"Discovery: http://127.0.0.1:{port}/cds-services"
            wait_for(port)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.send_signal(signal.SIGTERM)


def wait_for(port: int) -> None:
    """Until something listens, at most 30 seconds."""
    for _ in range(300):
        with socket.socket() as attempt:
            if attempt.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    raise AssertionError(f"nothing listens on port {port}")
