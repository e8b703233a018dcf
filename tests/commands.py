"""Run the command line as a person does: in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
COMMAND = [sys.executable, "-W", "error", "-m", "cds_service.cli"]
# Before a command: permissions of files count for root too once it has given up the capabilities to ignore them.
RIGHTS_COUNT = (
    ["setpriv", "--bounding-set=-dac_override,-dac_read_search", "--inh-caps=-dac_override,-dac_read_search"]
    if os.geteuid() == 0
    else []
)
DAY = "2026-11-22"


def run(*arguments: str, stdin: bytes = b"", **environment: str) -> subprocess.CompletedProcess[bytes]:
    """Run one command to its end."""
    settings = {k: v for k, v in os.environ.items() if not k.startswith("CDS_")}
    return subprocess.run(
        [*COMMAND, *arguments],
        input=stdin,
        capture_output=True,
        cwd=ROOT,
        env=settings | {"PYTHONPATH": str(ROOT)} | environment,
        timeout=120,
        check=False,
    )


def refusal(result: subprocess.CompletedProcess[bytes]) -> str:
    """The sentence of a command used wrongly: status 2, nothing on standard output, no stack trace."""
    told = result.stderr.decode()
    assert result.returncode == 2, told
    assert "Traceback" not in told
    assert result.stdout == b""
    return told
