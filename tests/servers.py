"""Real services on this machine: `cds-service serve` in a process of its own, and calls to it."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cds_service.web.json_body import write_json
from tests.commands import ROOT


@dataclass(frozen=True)
class Server:
    """A running service: where it is, its process, and the file with everything it prints."""

    base: str
    pid: int
    log: Path

    def workers(self) -> list[int]:
        """Process ids of its workers."""
        return [int(pid) for pid in Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()]

    def post(self, path: str, body: Any, **headers: str) -> tuple[int, bytes]:
        """(status, body) of a call; 0 where the connection broke."""
        data = body if isinstance(body, bytes) else write_json(body)
        call = urllib.request.Request(self.base + path, data, {"Content-Type": "application/json", **headers})
        try:
            with urllib.request.urlopen(call, timeout=60) as response:
                return response.status, response.read()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read()
        except OSError:
            return 0, b""


@contextmanager
def running(folder: Path, **settings: str) -> Iterator[Server]:
    """A service with two workers that keeps its data in `folder`, stopped in good order at the end."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    folder.mkdir(exist_ok=True)
    own = {"PYTHONPATH": str(ROOT), "CDS_AUTH": "off", "CDS_DATA": str(folder)}
    environment = {k: v for k, v in os.environ.items() if not k.startswith("CDS_")} | own | settings
    command = [sys.executable, "-m", "cds_service.cli", "serve", "--port", str(port)]
    log = folder / "output"
    with (
        log.open("ab") as output,
        subprocess.Popen(command, cwd=ROOT, env=environment, stdout=output, stderr=output) as process,
    ):
        try:
            _wait_for(port, process, log)
            yield Server(f"http://127.0.0.1:{port}", process.pid, log)
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(timeout=60)


def _wait_for(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    """Until it answers discovery; a minute is a guard against hanging."""
    for _ in range(600):
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/cds-services", timeout=60):
                return
        except OSError:
            assert process.poll() is None, log.read_text()
            time.sleep(0.1)
    raise AssertionError(log.read_text())
