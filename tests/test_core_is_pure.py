"""The shape of the code: a pure core, imports in one direction, no knowledge in Python."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import cds_service
from cds_service.core.values import Knowledge

PACKAGE = Path(cds_service.__file__).resolve().parent
FILES = sorted(PACKAGE.rglob("*.py"))
CORE = [path for path in FILES if path.relative_to(PACKAGE).parts[0] == "core"]
# All of the standard library that decides nothing but the answer; anything else needs a reason here.
PURE = {
    "__future__",
    "collections",
    "dataclasses",
    "datetime",
    "decimal",
    "functools",
    "hashlib",
    "hmac",
    "itertools",
    "re",
    "typing",
    "unicodedata",
    "uuid",
    "math",
    "enum",
    "string",
}
# Calls that read a clock, draw a number or reach outside, whatever the module is called at that place.
IMPURE_CALLS = {
    "now",
    "today",
    "utcnow",
    "fromtimestamp",
    "time",
    "uuid1",
    "uuid4",
    "uuid6",
    "uuid7",
    "open",
    "print",
    "input",
    "eval",
    "exec",
    "__import__",
    "hash",
}
# Which package may import which (design, "Layout"); a package may always import itself.
ALLOWED = {
    "core": set(),
    "errors": set(),
    "logs": set(),
    "outgoing": set(),
    "settings": {"errors", "knowledge", "outgoing"},
    "keys": set(),
    "clients": {"errors", "keys", "knowledge", "settings"},
    "knowledge": {"core.values", "core.naming", "core.identity", "core.judging", "core.suggestions", "errors"},
    "fhir": {"core.values", "errors", "outgoing", "settings"},
    "store": {"core.values", "errors", "logs"},
    "explained": {"core.values", "core.naming", "core.wording"},
    "demo_fhir": {"core.values", "errors", "fixtures", "web.cors", "web.errors", "web.json_body"},
    "listcheck": {"core", "fhir"},
    "insights": {"core.values", "outcomes", "store"},
    "web": {
        "examples",
        "explained",
        "knowledge.card_files",
        "core.evaluate",
        "core.values",
        "core.identity",
        "clients",
        "fhir",
        "errors",
        "insights",
        "keys",
        "listcheck",
        "outcomes",
        "logs",
        "outgoing",
        "settings",
        "store",
        "workbench",
    },
    "workbench": {
        "core.values",
        "core.dosing",
        "core.evaluate",
        "core.stagger",
        "core.tokens",
        "errors",
        "examples",
        "fhir",
        "fixtures",
    },
}


def tree(path: Path) -> ast.Module:
    """The syntax tree of a file."""
    return ast.parse(path.read_text(encoding="utf-8"))


def imports(path: Path) -> Iterator[str]:
    """Full names of everything a file imports, at the top or inside a function."""
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path.name}:{node.lineno} imports relatively"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


@pytest.mark.parametrize("path", CORE, ids=lambda path: path.name)
def test_the_core_imports_nothing_that_reaches_outside(path: Path) -> None:
    """No Flask, network, disk, clock, randomness, environment or logging; only itself and pure modules."""
    tops = {name.split(".")[0] for name in imports(path)}
    assert tops - {"cds_service"} <= PURE
    ours = [name for name in imports(path) if name.startswith("cds_service")]
    assert all(name.startswith("cds_service.core.") for name in ours), ours


@pytest.mark.parametrize("path", CORE, ids=lambda path: path.name)
def test_the_core_never_asks_for_the_time_or_a_random_number(path: Path) -> None:
    """`date.today()`, `datetime.now()`, `uuid4()`, `open()` and the like are called nowhere in the core."""
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Call):
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            own_method = isinstance(node.func, ast.Attribute) and _names_self(node.func)
            assert name not in IMPURE_CALLS or own_method, f"{path.name}:{node.lineno} calls {name}()"


def _names_self(call: ast.Attribute) -> bool:
    return isinstance(call.value, ast.Name) and call.value.id == "self"


@pytest.mark.parametrize("path", CORE, ids=lambda path: path.name)
def test_the_values_of_the_core_are_frozen(path: Path) -> None:
    """Every dataclass of the core is frozen and has slots."""
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.ClassDef):
            for mark in node.decorator_list:
                if "dataclass" in ast.unparse(mark):
                    assert ast.unparse(mark) == "dataclass(frozen=True, slots=True)", node.name


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_between_packages_go_one_way(path: Path) -> None:
    """core imports itself; fhir, knowledge and store know its values and not each other; web knows these."""
    own = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
    if own not in ALLOWED:
        return
    for name in imports(path):
        parts = name.split(".")
        if parts[0] != "cds_service" or len(parts) < 3 or parts[1] == own:
            continue
        assert {parts[1], ".".join(parts[1:3])} & ALLOWED[own], f"{path.name} imports {name}"


def test_only_the_edge_reads_the_environment() -> None:
    """The environment is handed to settings by the factory and the command line, and read nowhere else."""
    readers = {p.name for p in FILES if any(n == "os" or n.startswith("os.") for n in imports(p))}
    assert readers <= {"app.py", "cli.py"}


def test_nothing_happens_on_import() -> None:
    """Loading the package starts nothing: its files hold imports, definitions and constants only."""
    calm = (ast.Import, ast.ImportFrom, ast.FunctionDef, ast.ClassDef, ast.Assign, ast.AnnAssign, ast.AugAssign)
    run_by_alembic = PACKAGE / "store" / "migrations" / "env.py"  # a script in Alembic's terms; nothing imports it
    loud = {
        f"{path.name}:{node.lineno}"
        for path in FILES
        if path != run_by_alembic
        for node in tree(path).body
        if not isinstance(node, calm) and not _is_docstring(node) and not _is_main(node)
    }
    assert not loud


def _is_docstring(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _is_main(node: ast.stmt) -> bool:
    return isinstance(node, ast.If) and "__main__" in ast.unparse(node.test)


def literals(path: Path) -> Iterator[str]:
    """Every string of a file that is not a docstring."""
    found = tree(path)
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef)
    docstrings = {
        id(node.body[0].value)
        for node in ast.walk(found)
        if isinstance(node, documented) and node.body and _is_docstring(node.body[0])
    }
    for node in ast.walk(found):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings:
            yield node.value


def test_no_drug_is_named_in_python(knowledge: Knowledge) -> None:
    """Drug names live in card files; a fixture named in a hint of the command line is no knowledge."""
    names = {*knowledge.ingredients, *knowledge.vocabulary.brands}
    for path in FILES:
        for text in literals(path):
            plain = re.sub(r"fixture [a-z0-9-]+", "", text.lower())
            words = re.findall(r"[^\W\d_]+", plain)
            assert not names & {*words, plain.strip()}, f"{path.name}: {text!r}"


def test_the_checks_above_read_every_file() -> None:
    """An empty list of files would let everything pass."""
    assert len(CORE) >= 10
    assert sys.version_info >= (3, 11)
    assert {p.name for p in CORE} >= {"chart.py", "evaluate.py", "findings.py", "cards.py"}
