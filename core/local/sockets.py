"""Folders for unix sockets: private, and with a path short enough for the kernel."""

import hashlib
import os
import re
import socket
import stat
from pathlib import Path

from core.errors import Refusal

_PATH_BYTES_MAX = 103  # macOS allows 103, Linux 107
_NAME_BYTES_MAX = len("/.s.PGSQL.5432.lock")
_PLAIN = re.compile(r"[A-Za-z0-9/_.+-]+")  # needs no quoting in a URL
_SHORT_ROOT = Path("/tmp")  # noqa: S108 – the folder made below it is checked to be ours alone


class NoSocketFolder(Refusal):
    """There is no private folder that can hold a unix socket."""


def socket_folder(wanted: Path, *, owner: int | None = None) -> Path:
    """Create `wanted` if it can hold sockets, else a short folder below /tmp.

    Return the folder. It belongs to `owner` and has mode 700.

    A folder cannot hold sockets if its path is too long or has special characters, or on some network file systems.
    """
    if _fits(wanted) and _takes_socket(_make_private(wanted, owner)):
        return wanted
    label = hashlib.sha256(os.fsencode(wanted)).hexdigest()[:10]
    short = _SHORT_ROOT / f"settle-{os.getuid()}-{label}"
    if not _takes_socket(_make_private(short, owner)):
        raise NoSocketFolder(f"Neither {wanted} nor {short} can hold a unix socket. Choose another --data-dir.")
    return short


def _fits(folder: Path) -> bool:
    return len(os.fsencode(folder)) + _NAME_BYTES_MAX <= _PATH_BYTES_MAX and _PLAIN.fullmatch(str(folder)) is not None


def _make_private(folder: Path, owner: int | None) -> Path:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    found = folder.lstat()
    # Below /tmp, another user may have created it first.
    if not stat.S_ISDIR(found.st_mode) or found.st_uid not in (os.getuid(), owner):
        raise NoSocketFolder(f"{folder} belongs to another user. Remove it, or choose another --data-dir.")
    folder.chmod(0o700)
    if owner is not None:
        os.chown(folder, owner, owner)
    return folder


def _takes_socket(folder: Path) -> bool:
    probe = folder / "probe"
    probe.unlink(missing_ok=True)
    with socket.socket(socket.AF_UNIX) as listener:
        try:
            listener.bind(str(probe))
        except OSError:
            return False
    probe.unlink()
    return True
