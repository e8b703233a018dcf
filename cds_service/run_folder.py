"""A folder of one server's own below CDS_DATA, for what lives as long as the server: metrics, signs of life.

Each start makes a new one. A lock tells whether its server still runs, so that the folders of servers that were
killed are swept away at the next start, and those of others that share CDS_DATA are not.
"""

from __future__ import annotations

import fcntl
import shutil
import tempfile
from pathlib import Path
from typing import IO

from cds_service.errors import SettingsError

_PREFIX = "run-"
_LOCK = "lock"


class RunFolder:
    """The folder; it is there until `remove`. Forked workers hold the lock with their server."""

    def __init__(self, path: Path, lock: IO[str]) -> None:
        self.path = path
        self._lock = lock

    def remove(self) -> None:
        """Delete the folder with what is in it."""
        shutil.rmtree(self.path, ignore_errors=True)
        self._lock.close()


def open_run_folder(data: Path | None) -> RunFolder:
    """A new folder below `data`, which is made where it is missing. Raises SettingsError where it cannot be."""
    if data is None:
        raise SettingsError("CDS_DATA is not set, and there is no home folder. Set it to a folder for the service.")
    try:
        data.mkdir(mode=0o700, parents=True, exist_ok=True)
        with (data / _LOCK).open("a") as gate:
            fcntl.flock(gate, fcntl.LOCK_EX)
            _sweep(data)
            path = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=data))
            lock = (path / _LOCK).open("a")
            fcntl.flock(lock, fcntl.LOCK_EX)
    except OSError as error:
        raise SettingsError(
            f"CDS_DATA: {data} cannot be written ({error.strerror}). The service needs one folder of its own."
        ) from None
    return RunFolder(path, lock)


def _sweep(data: Path) -> None:
    """Delete the folders of servers that are no more."""
    for path in data.glob(f"{_PREFIX}*"):
        try:
            with (path / _LOCK).open("a") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(path, ignore_errors=True)
        except OSError:
            continue
