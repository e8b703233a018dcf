"""`make sbom`: the bill of materials and the licences, through the command line."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("cyclonedx", reason="the library for bills of materials is not installed: make lock, make test")

ROOT = Path(__file__).resolve().parent.parent
TOOL = ROOT / "tools" / "sbom.py"


def run(*arguments: str, path: str = "") -> subprocess.CompletedProcess[str]:
    """The tool with these arguments; `path` holds packages that are installed besides."""
    command = [sys.executable, "-W", "error", str(TOOL), *arguments]
    return subprocess.run(
        command, capture_output=True, text=True, timeout=120, check=False, env=os.environ | {"PYTHONPATH": path}
    )


def install(folder: Path, name: str, *lines: str) -> None:
    """A package of one metadata file."""
    home = folder / f"{name.replace('-', '_')}-1.0.dist-info"
    home.mkdir()
    text = "\n".join(["Metadata-Version: 2.4", f"Name: {name}", "Version: 1.0", *lines])
    (home / "METADATA").write_text(text + "\n", encoding="utf-8")


def project_of(folder: Path, *needs: str) -> str:
    """A pyproject.toml that needs these packages."""
    file = folder / "pyproject.toml"
    file.write_text(
        f'[project]\nname = "made-up"\nversion = "1"\ndependencies = {json.dumps(needs)}\n', encoding="utf-8"
    )
    return str(file)


def test_the_bill_names_everything_that_runs_and_no_tool(tmp_path: Path) -> None:
    """Direct and further dependencies with version, package URL and licence; nothing for development only."""
    file = tmp_path / "build" / "sbom.json"
    done = run(str(file))
    assert done.returncode == 0, done.stderr
    bill = json.loads(file.read_text(encoding="utf-8"))
    assert (bill["bomFormat"], bill["specVersion"]) == ("CycloneDX", "1.6")
    parts = {part["name"]: part for part in bill["components"]}
    needed = re.search(
        r"^dependencies = \[$(.*?)^\]$", (ROOT / "pyproject.toml").read_text(encoding="utf-8"), re.M | re.S
    )
    assert needed is not None
    for name in re.findall(r'"([\w.-]+)', needed[1]):
        assert re.sub(r"[-_.]+", "-", name).lower() in parts
    assert {"werkzeug", "pydantic", "rpds-py"} <= set(parts)
    assert not {"pytest", "ruff", "mypy", "hypothesis", "cyclonedx-python-lib"} & set(parts)
    for name, part in parts.items():
        assert part["purl"] == f"pkg:pypi/{name}@{part['version']}"
        assert part["licenses"], name
        assert re.search(rf"^{re.escape(name)} +{re.escape(part['version'])} +\S", done.stdout, re.M)


SAID = {
    "fits-1": "License-Expression: MIT",
    "fits-2": "License-Expression: GPL-3.0-only OR MIT",
    "fits-3": "License: MIT",
    "fits-4": "Classifier: License :: OSI Approved :: MIT License",
    "unfit-1": "License-Expression: GPL-3.0-only",
    "unfit-2": "License-Expression: MIT AND AGPL-3.0-or-later",
    "unfit-3": "License-Expression: (MIT OR GPL-3.0-only) AND AGPL-3.0-or-later",
    "unfit-4": "License: Proprietary",
    "unfit-5": "Summary: says nothing about it",
}


def test_a_licence_that_is_not_allowed_fails(tmp_path: Path) -> None:
    """Also that of a dependency's dependency, behind an extra; each such package is named, and no other."""
    asked = [f'Requires-Dist: {name}; extra == "more"' for name in SAID]
    install(tmp_path, "outer", "License-Expression: MIT", "Provides-Extra: more", *asked)
    for name, said in SAID.items():
        install(tmp_path, name, said)
    bad = run("--project", project_of(tmp_path, "outer[more]"), str(tmp_path / "out.json"), path=str(tmp_path))
    assert bad.returncode == 1
    assert re.findall(r"^  (\S+) 1\.0: ", bad.stderr, re.M) == [name for name in SAID if name.startswith("unfit")]
    good = run("--project", project_of(tmp_path, "outer"), str(tmp_path / "out.json"), path=str(tmp_path))
    assert good.returncode == 0, good.stderr
