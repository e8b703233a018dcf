"""The README is run: its commands, its settings table, and what its first screen must say."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from cds_service.core.values import Knowledge
from cds_service.resolving import Names, known_codes
from cds_service.settings import SETTINGS
from tests.commands import DAY
from tests.commands import run as run_command

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
PAIRS = ROOT / "fixtures" / "pairs"
FIRST_SCREEN = "\n".join(README.splitlines()[:45])
BIN = Path(sys.executable).parent


def commands() -> list[str]:
    """Every line of the README's shell blocks, without its comment."""
    blocks = re.findall(r"```sh\n(.*?)```", README, re.S)
    lines = [line.split("   #")[0].strip() for block in blocks for line in block.splitlines()]
    return [line for line in lines if line]


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    """The service, started as the README's `make serve` starts it, on a free port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        number = probe.getsockname()[1]
    command = [sys.executable, "-m", "cds_service.cli", "serve", "--port", str(number), "--workers", "1"]
    with subprocess.Popen(
        command,
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env=os.environ | {"CDS_AUTH": "off"},
    ) as process:
        try:
            wait_for(number)
            yield number
        finally:
            process.terminate()
            process.wait(timeout=30)


def wait_for(number: int) -> None:
    """Wait until discovery answers; half a minute is a guard against hanging."""
    for _ in range(300):
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{number}/cds-services", timeout=5):
                return
        except OSError:
            time.sleep(0.1)
    raise AssertionError("the service did not start")


def run(line: str, folder: Path, number: int) -> subprocess.CompletedProcess[str]:
    """One command line of the README, with this interpreter's tools, this port and a scratch folder."""
    line = line.replace(":8000", f":{number}").replace("/tmp/", f"{folder}/")
    line = line.replace(".venv/bin/cds-service", f"'{sys.executable}' -m cds_service.cli")
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    return subprocess.run(
        ["bash", "-o", "pipefail", "-c", line],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_every_command_of_the_readme_runs(port: int, tmp_path: Path) -> None:
    """All commands but the two that this test runs inside of exit with 0, in the order they stand."""
    lines = [line for line in commands() if not line.startswith("make ")]
    assert len(lines) >= 4
    for line in lines:
        done = run(line, tmp_path, port)
        assert done.returncode == 0, f"{line}\n{done.stdout}\n{done.stderr}"


def test_the_first_example_answers_with_a_card(port: int, tmp_path: Path) -> None:
    """The curl line of the first screen shows gabapentin with baclofen."""
    line = next(line for line in commands() if "| curl" in line)
    answer = json.loads(run(line, tmp_path, port).stdout)
    assert [card["indicator"] for card in answer["cards"]] == ["info"]
    assert answer["cards"][0]["summary"].startswith("Gabapentin + baclofen")


def test_the_make_targets_of_the_readme_exist() -> None:
    """`make serve` and `make test` are what the Makefile offers, and the CI script calls the README's test command."""
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    named = {line.split()[1] for line in commands() if line.startswith("make ")}
    assert {"serve", "test"} <= named
    assert all(re.search(rf"^{target}:", makefile, re.M) for target in named)
    assert "make --no-print-directory test" in (ROOT / ".ci/run").read_text(encoding="utf-8")


def test_the_settings_table_is_the_code() -> None:
    """Each setting has its line with its meaning, and no other setting is named."""
    rows = dict(re.findall(r"^\| `(CDS_\w+)` \| (.*) \|$", README, re.M))
    assert rows == SETTINGS


@pytest.mark.parametrize(
    "words",
    [
        "No clinician has reviewed the content",
        "**allergies**",
        "**food**",
        "alcohol only as a recorded condition",
        "adults; children only where a card says so",
        "make serve",
        "make test",
    ],
)
def test_the_first_screen_says_what_is_checked(words: str) -> None:
    """What is and is not checked, and that nobody has reviewed it, stands on the first screen."""
    assert words in FIRST_SCREEN


def test_the_figures_of_the_knowledge_are_what_there_is(knowledge: Knowledge) -> None:
    """Cards in use, pairs and ingredients, as the README says them."""
    pairs = {
        kind: sum(len(path.read_text(encoding="utf-8").splitlines()) - 1 for path in (PAIRS / kind).glob("*.csv"))
        for kind in ("must-catch", "low-value")
    }
    ingredients = len(known_codes(Names(knowledge.ingredients, knowledge.vocabulary)))
    active = sum(rule.status == "active" for rule in knowledge.rules)
    for told in (
        f"| {active} in use:",
        f"| {pairs['must-catch']:,} and {pairs['low-value']:,}, drug by drug",
        f"| {ingredients:,} ingredients (RxNorm codes)",
    ):
        assert told in README, told


def test_the_alert_burden_is_what_the_readme_says_and_below_the_aim(tmp_path: Path) -> None:
    """Cards per 100 orders over the first cohort of the table, and fewer than 15 of them warning or critical."""
    rows = re.findall(r"^\| (\d) \| (\d+) \| ([\d.]+) \| ([\d.]+) \| ([\d.]+) \| ([\d.]+) % \|$", README, re.M)
    assert [row[0] for row in rows] == ["1", "2", "3"]
    assert all(float(row[2]) + float(row[3]) < 15 for row in rows)
    folder, report = str(tmp_path / "cohort"), tmp_path / "burden.json"
    assert run_command("cohort", "--seed", "1", "--patients", "500", "--today", DAY, folder).returncode == 0
    assert run_command("burden", folder, "--today", DAY, "--json", str(report)).returncode == 0
    told = json.loads(report.read_text(encoding="utf-8"))
    signings = 100 * told["signings"]["withWarningOrCritical"] / told["signings"]["withOrders"]
    per_100 = [f"{told['cardsPer100Orders'][indicator]:.1f}" for indicator in ("critical", "warning", "info")]
    assert rows[0] == ("1", str(told["orders"]["all"]), *per_100, f"{signings:.1f}")
