"""Which test shows which requirement: `make conformance` writes docs/conformance.md from a run.

A test shows the rows that its name begins with: `test_ch081_ch088_…` shows CH-081 and CH-088. The requests are
those its client really made.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from tests.checklist import ROWS

_NAMES = re.compile(r"test((?:_ch\d{3})+)_")
HEAD = """# Conformance

What the service must do by CDS Hooks 2.0.1, and the test that shows it. Written by `make conformance` from a run of
the tests; the requests are those that were made, with the status of the answer ("on loopback": made to a running
server).

"""


def rows_of(test_name: str) -> list[str]:
    """The requirements a test shows, by its name."""
    found = _NAMES.match(test_name)
    return [f"CH-{number}" for number in re.findall(r"ch(\d{3})", found.group(1))] if found else []


class Recorder:
    """Collects, for each test that shows a requirement, its requests and its result."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.requests: dict[str, Counter[str]] = {}
        self.claims: dict[str, str] = {}
        self.results: dict[str, set[str]] = {}
        self.current = ""

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self, item: pytest.Function) -> Iterator[None]:
        """Watch the client of one test."""
        name = item.originalname
        self.current = f"{item.path.name}::{name}"
        self.requests.setdefault(self.current, Counter())
        self.claims[self.current] = " ".join(str(item.obj.__doc__ or "").split())
        yield
        self.current = ""

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Keep how a test ended."""
        if report.when == "call" or report.outcome != "passed":
            name = report.nodeid.removeprefix("tests/").split("[")[0]
            self.results.setdefault(name, set()).add(report.outcome)

    def saw(self, method: str, path: str, status: int) -> None:
        """One request of the test that runs."""
        if self.current:
            self.requests[self.current][f"{method} {path} → {status}"] += 1

    def pytest_sessionfinish(self) -> None:
        """Write the table."""
        self.file.parent.mkdir(exist_ok=True)
        self.file.write_text(HEAD + "\n".join(self._lines()) + "\n", encoding="utf-8")

    def _lines(self) -> Iterator[str]:
        yield "| row | requirement | test | what it asserts | requests → status | result |"
        yield "|---|---|---|---|---|---|"
        for row, text in ROWS.items():
            for test in (t for t in self.claims if row in rows_of(t.split("::")[1])):
                done = ", ".join(sorted(self.results.get(test, {"not run"})))
                sent = "<br>".join(f"`{r}` ×{n}" for r, n in self.requests[test].most_common(4)) or "on loopback"
                yield f"| {row} | {text} | `{test}` | {self.claims[test].replace('|', '/')} | {sent} | {done} |"


def watch(recorder: Recorder) -> None:
    """Let every Flask test client tell the recorder what it sends."""
    plain = FlaskClient.open

    def open_and_tell(self: FlaskClient, *args: Any, **kwargs: Any) -> Any:
        response = plain(self, *args, **kwargs)
        recorder.saw(response.request.method, response.request.path, response.status_code)
        return response

    FlaskClient.open = open_and_tell  # type: ignore[method-assign]
