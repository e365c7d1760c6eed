"""A worktree of another version, with its own environment."""

import re
import subprocess
from pathlib import Path
from typing import Final

HOUSE: Final = Path(__file__).resolve().parents[3]
_FOLDER: Final = HOUSE / ".tools" / "against"
_RELEASE: Final = re.compile(
    r"^## (?P<version>\d+\.\d+\.\d+).*?commit `(?P<commit>[0-9a-f]{7,40})`", re.MULTILINE | re.DOTALL
)


class NoSuchVersion(Exception):
    """Git and the changelog know no such version."""


def worktree(version: str) -> Path:
    """Return a worktree of a version with its environment set up: a tag such as v0.1.0, or any revision.

    Raise `NoSuchVersion`. A release without a tag in this clone is looked up in the changelog.
    """
    commit = _commit(version)
    folder = _FOLDER / commit
    if not folder.exists():
        _run("git", "worktree", "prune")
        _run("git", "worktree", "add", "--quiet", "--detach", str(folder), commit)
    _run("make", "--silent", "install", cwd=folder)
    return folder


def _commit(version: str) -> str:
    found = subprocess.run(
        ["git", "rev-parse", "--verify", "--quiet", f"{version}^{{commit}}"],
        cwd=HOUSE, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if found.returncode == 0:
        return found.stdout.strip()
    releases = dict(_RELEASE.findall((HOUSE / "CHANGELOG.md").read_text()))
    if version.removeprefix("v") not in releases:
        message = f"Git knows no revision {version}, and the changelog no such release."
        raise NoSuchVersion(message)
    return _commit(releases[version.removeprefix("v")])


def _run(*words: str, cwd: Path = HOUSE) -> None:
    subprocess.run(words, cwd=cwd, check=True, stdout=subprocess.DEVNULL)
