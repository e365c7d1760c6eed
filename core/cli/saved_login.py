"""The sign-in from `settle login`, in a private file in the user's configuration folder."""

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from core.errors import Refusal

_FILE: Final = "login.json"
_OF_OTHERS: Final = 0o077


class BadLoginFile(Refusal):
    """The saved sign-in cannot be used."""


@dataclass(frozen=True)
class SavedLogin:
    """A token, and the server that accepts it."""

    server: str
    email: str
    token: str
    allow_http: bool = False


def path() -> Path:
    """Return where the sign-in is saved."""
    base = os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config"
    return Path(base) / "batch-settle" / _FILE


def load() -> SavedLogin | None:
    """Return the sign-in, or None. Raise `BadLoginFile`."""
    file = path()
    try:
        with file.open() as opened:
            if os.fstat(opened.fileno()).st_mode & _OF_OTHERS:
                raise BadLoginFile(
                    f"Other users on this machine can read {file}, which contains a token. Run: chmod 600 {file}. "
                    "If someone else might have read it, then run: settle logout"
                )
            return SavedLogin(**json.load(opened))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError, TypeError):
        raise BadLoginFile(f"{file} cannot be read. Remove it, then run: settle login") from None


def save(login: SavedLogin) -> None:
    """Save the sign-in in place of any earlier one. No other user on this machine can read it. Raise `BadLoginFile`."""
    file = path()
    partial = file.with_name(f"{_FILE}.partial")
    try:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        file.parent.chmod(0o700)
        partial.unlink(missing_ok=True)
        with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as opened:
            json.dump(asdict(login), opened, indent=1)
        partial.replace(file)
    except OSError as error:
        raise BadLoginFile(f"{file} cannot be written: {error.strerror}.") from None


def remove() -> None:
    """Remove the sign-in, if there is one."""
    path().unlink(missing_ok=True)
