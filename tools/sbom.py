"""`make sbom`: what runs in production, as a CycloneDX bill of materials, and under which licences.

Packages are those that pyproject.toml asks for, and what these ask for in turn, as installed here; tools for
development are not among them. Ends with 1 where a licence is not one of ALLOWED: then somebody has to read it.
"""

from __future__ import annotations

import argparse
import sys
import tomllib
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

from cyclonedx.contrib.license.factories import LicenseFactory
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.output import make_outputter
from cyclonedx.schema import OutputFormat, SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from packageurl import PackageURL
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parent.parent
VERSION = SchemaVersion.V1_6
# Licences that allow use in this Apache-2.0 project. The last two ask for their own source only, which is unchanged.
ALLOWED = {
    "0BSD",
    "Apache-2.0",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "ISC",
    "MIT",
    "MIT-0",
    "PSF-2.0",
    "Unlicense",
    "Zlib",
    "LicenseRef-BSD",
    "MPL-2.0",
    "LGPL-3.0-only",
}
# What older metadata says in words, as SPDX ids. "BSD" alone does not tell which.
WORDS = {
    "License :: OSI Approved :: MIT License": "MIT",
    "License :: OSI Approved :: Apache Software License": "Apache-2.0",
    "License :: OSI Approved :: Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "License :: OSI Approved :: Python Software Foundation License": "PSF-2.0",
    "License :: OSI Approved :: ISC License (ISCL)": "ISC",
}
# Read in the LICENSE file of the package or of its repository. fhir-core says "BSD" and no more; any BSD is allowed.
READ_IN_FILES = {
    "fhir-core": "LicenseRef-BSD",
    "fhir-resources": "BSD-3-Clause",
    "itsdangerous": "BSD-3-Clause",
    "jinja2": "BSD-3-Clause",
}
UNKNOWN = "unknown"
Package = tuple[str, str, str]  # name, version, licence


def packages(project: Path) -> list[Package]:
    """Everything that the project of this pyproject.toml needs to run, by name."""
    named = tomllib.loads(project.read_text(encoding="utf-8"))["project"]["dependencies"]
    waiting, seen = [Requirement(text) for text in named], set[tuple[str, str]]()
    found: dict[str, Package] = {}
    while waiting:
        needed = waiting.pop()
        name = canonicalize_name(needed.name)
        installed = metadata.distribution(needed.name)
        found[name] = (name, installed.version, licence_of(name, installed))
        for extra in {"", *needed.extras}:
            if (name, extra) not in seen:
                seen.add((name, extra))
                waiting += _asked_for(installed, extra)
    return [found[name] for name in sorted(found)]


def _asked_for(installed: metadata.Distribution, extra: str) -> Iterator[Requirement]:
    """What a package needs here: on this machine, with this Python, with this extra of it."""
    for text in installed.requires or ():
        needed = Requirement(text)
        if needed.marker is None or needed.marker.evaluate({"extra": extra}):
            yield needed


def licence_of(name: str, installed: metadata.Distribution) -> str:
    """The licence as an SPDX expression, or "unknown"."""
    told = installed.metadata
    if "License-Expression" in told:
        return str(told["License-Expression"])
    if name in READ_IN_FILES:
        return READ_IN_FILES[name]
    if "License" in told and told["License"] in ALLOWED:
        return str(told["License"])
    words = [WORDS[line] for line in told.get_all("Classifier") or () if line in WORDS]
    return " AND ".join(words) or UNKNOWN


def is_allowed(licence: str) -> bool:
    """Whether one alternative has allowed parts only. Nested expressions are for people to read."""
    alternatives = [part.split(" AND ") for part in licence.split(" OR ")]
    return "(" not in licence and any(all(one in ALLOWED for one in parts) for parts in alternatives)


def bill_of(project: Path, found: list[Package]) -> str:
    """The bill of materials as JSON; SystemExit where it does not fit its schema."""
    about = tomllib.loads(project.read_text(encoding="utf-8"))["project"]
    bom, licences = Bom(), LicenseFactory()
    whole = Component(name=about["name"], version=about.get("version"), type=ComponentType.APPLICATION)
    bom.metadata.component = whole
    parts = [
        Component(
            name=name,
            version=version,
            purl=(purl := PackageURL("pypi", None, name, version)),
            bom_ref=str(purl),
            licenses=[] if licence == UNKNOWN else [licences.make_from_string(licence)],
        )
        for name, version, licence in found
    ]
    for part in parts:
        bom.components.add(part)
    bom.register_dependency(whole, parts)
    text = make_outputter(bom, OutputFormat.JSON, VERSION).output_as_string(indent=2)
    if fault := JsonStrictValidator(VERSION).validate_str(text):
        raise SystemExit(f"the bill of materials does not fit its schema: {fault}")
    return text


def main() -> int:
    """Write the bill of materials, print the licences, and judge them."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--project", type=Path, default=ROOT / "pyproject.toml", help="pyproject.toml of the project")
    parser.add_argument("file", type=Path, help="where the bill of materials is written")
    chosen = parser.parse_args()
    found = packages(chosen.project)
    chosen.file.parent.mkdir(parents=True, exist_ok=True)
    chosen.file.write_text(bill_of(chosen.project, found) + "\n", encoding="utf-8")
    width = max(len(name) for name, _, _ in found)
    for name, version, licence in found:
        print(f"{name:{width}}  {version:16}  {licence}")
    unsuitable = [f"{name} {version}: {licence}" for name, version, licence in found if not is_allowed(licence)]
    if unsuitable:
        print("Licences that are not allowed here (tools/sbom.py, ALLOWED):", *unsuitable, sep="\n  ", file=sys.stderr)
    return 1 if unsuitable else 0


if __name__ == "__main__":
    sys.exit(main())
