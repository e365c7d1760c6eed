"""Lock a data folder for one run, and publish where its servers are."""

import fcntl
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from core.errors import Refusal

_LOCK: Final = "lock"
_SERVERS_FILE: Final = "run.json"
_LOCK_SECONDS: Final = 0.5  # `find_running_servers` takes the lock for an instant


class AlreadyRunning(Refusal):
    """Batch Settle is already running in this data folder."""


class DataDirNotOwned(Refusal):
    """The data folder belongs to another user."""

    code = "not_our_folder"


@dataclass(frozen=True)
class RunningServers:
    """Where the servers of a run are. The URLs may contain passwords, so the file is private."""

    database_url: str  # of its owner, for the commands on the server
    web_database_url: str
    worker_database_url: str
    broker_url: str
    web_url: str
    flower_url: str


@contextmanager
def lock_data_dir(data_dir: Path) -> Iterator[None]:
    """Lock the folder until the end. Raise `AlreadyRunning` with the other run's address."""
    try:
        # As root, PostgreSQL runs as another user, who needs access to the folder.
        data_dir.mkdir(mode=0o711 if os.getuid() == 0 else 0o700, parents=True, exist_ok=True)
        lock = os.open(data_dir / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except PermissionError:
        raise DataDirNotOwned(f"{data_dir} belongs to another user. Choose another folder with --data-dir.") from None
    try:
        _acquire_lock(lock, data_dir)
        yield
        (data_dir / _SERVERS_FILE).unlink(missing_ok=True)
    finally:
        os.close(lock)


def publish_servers(data_dir: Path, servers: RunningServers) -> None:
    """Write where this run's servers are, for `find_running_servers`."""
    partial = data_dir / f"{_SERVERS_FILE}.partial"
    partial.unlink(missing_ok=True)
    with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        json.dump(asdict(servers), file, indent=1)
    partial.replace(data_dir / _SERVERS_FILE)


def find_running_servers(data_dir: Path) -> RunningServers | None:
    """Return the servers of the run that locked the folder, or None."""
    try:
        lock = os.open(data_dir / _LOCK, os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return _read(data_dir)
    else:
        return None  # the file is from a killed run
    finally:
        os.close(lock)


def _acquire_lock(lock: int, data_dir: Path) -> None:
    until = time.monotonic() + _LOCK_SECONDS
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() < until:
                time.sleep(0.05)
                continue
            servers = _read(data_dir)
            where = f", at {servers.web_url}" if servers else ""
            raise AlreadyRunning(f"Batch Settle is already running in {data_dir}{where}.") from None
        (data_dir / _SERVERS_FILE).unlink(missing_ok=True)
        return


def _read(data_dir: Path) -> RunningServers | None:
    try:
        return RunningServers(**json.loads((data_dir / _SERVERS_FILE).read_text()))
    except (OSError, ValueError, TypeError):
        return None
