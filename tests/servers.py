"""A real `cds-service serve` on a free port of this machine, with a data folder of its own."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from tests.commands import ROOT
from tests.helpers import SIGN

JSON = dict[str, Any]
Found = TypeVar("Found")
GUARD = 60.0  # seconds after which a test that waits has failed


@dataclass(frozen=True, slots=True)
class Answered:
    """Status, headers (names in lower case) and body of an answer."""

    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)


@dataclass(frozen=True, slots=True)
class Server:
    """A running service: its address, its process, the file of its log and that of what it prints."""

    port: int
    process: subprocess.Popen[bytes]
    log: Path
    printed: Path

    @property
    def base(self) -> str:
        """The base URL."""
        return f"http://127.0.0.1:{self.port}"

    def get(self, path: str, **headers: str) -> Answered:
        """GET a path."""
        return ask(urllib.request.Request(f"{self.base}{path}", headers=headers))

    def post(self, body: bytes, path: str = SIGN, **headers: str) -> Answered:
        """POST a hook call."""
        sent = {"Content-Type": "application/json", **headers}
        return ask(urllib.request.Request(f"{self.base}{path}", body, sent))

    def lines(self, event: str = "") -> list[JSON]:
        """The lines of the log so far, each one JSON object; with `event` only those of it."""
        found = [json.loads(line) for line in self.log.read_text(encoding="utf-8").splitlines()]
        return [line for line in found if not event or line["event"] == event]

    def metric(self, sample: str) -> float:
        """One figure of /metrics, 0 where it is not there. `sample` is a name with its labels, as in the text."""
        text = self.get("/metrics").body.decode()
        found = re.search(rf"^{re.escape(sample)} (\S+)$", text, re.M)
        return float(found.group(1)) if found else 0.0

    def workers(self) -> list[int]:
        """The process ids of the workers."""
        path = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        return [int(pid) for pid in path.read_text().split()]


def ask(request: urllib.request.Request) -> Answered:
    """Send a request; any status is an answer."""
    try:
        with urllib.request.urlopen(request, timeout=GUARD) as response:
            return Answered(response.status, _lower(response.headers), response.read())
    except urllib.error.HTTPError as error:
        with error:
            return Answered(error.code, _lower(error.headers), error.read())


def _lower(headers: Any) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}


def until(look: Callable[[], Found], what: str) -> Found:
    """Look again and again until there is something; a minute is a guard against hanging."""
    end = time.monotonic() + GUARD
    while time.monotonic() < end:
        try:
            found = look()
        except OSError:
            found = None  # type: ignore[assignment]
        if found:
            return found
        time.sleep(0.05)
    raise AssertionError(f"waited in vain for {what}")


def free_port() -> int:
    """A port that nothing listens on."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


@contextmanager
def serving(
    data: Path, *, workers: int = 2, wrapper: Sequence[str] = (), cwd: Path = ROOT, **settings: str
) -> Iterator[Server]:
    """A service whose data is below `data`; `wrapper` is a command that starts it in surroundings of its own."""
    port, log, printed = free_port(), data.with_suffix(".log"), data.with_suffix(".out")
    inherited = {k: v for k, v in os.environ.items() if not k.startswith("CDS_")}
    environment = inherited | {"PYTHONPATH": str(ROOT), "CDS_AUTH": "off", "CDS_DATA": str(data)} | settings
    command = [sys.executable, "-m", "cds_service.cli", "serve", "--port", str(port), "--workers", str(workers)]
    with (
        log.open("wb") as errors,
        printed.open("wb") as output,
        subprocess.Popen([*wrapper, *command], cwd=cwd, env=environment, stdout=output, stderr=errors) as process,
    ):
        server = Server(port, process, log, printed)
        try:
            until(lambda: process.poll() is not None or server.get("/healthz").status == 200, "the service")
            assert process.poll() is None, log.read_text(encoding="utf-8")
            yield server
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(timeout=GUARD)
            finally:
                process.kill()
