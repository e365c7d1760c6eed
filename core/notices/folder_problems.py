"""What stops the work on a watched folder: its codes, and a sentence and a cure for each."""

from collections.abc import Mapping
from typing import Final, NamedTuple

from core.counting import counted

FILES_REFUSED: Final = "files_refused"
UNUSABLE: Final = "unusable"


class Problem(NamedTuple):
    """A problem in words, without its place and without a full stop."""

    wrong: str
    cure: str


PROBLEMS: Final[Mapping[str, Problem]] = {
    "missing": Problem("it does not exist", "create it"),
    "not_a_folder": Problem("it is not a folder, or it is a symbolic link", "replace it with a folder"),
    "no_permission": Problem("the workers may not read and change it", "give their account both permissions"),
    "read_only": Problem("its disk is read-only", "mount it so that the workers can write"),
    "disk_full": Problem("its disk is full", "free space on it"),
    "other_disk": Problem("it is on another disk than the watched folder", "keep them on one disk"),
    "not_empty": Problem("it contains something that is not a file", "remove that"),
    UNUSABLE: Problem("the workers cannot use it", "check its disk"),
}
_REFUSALS: Final[Mapping[str, str]] = {
    "too_many_imports": "your practice has too many unfinished imports; import or discard one of them",
    "not_allowed": "its user may no longer import; ask the person who runs your server to name another user",
    "database_disk_full": "the database's disk is full; ask the person who runs your server to free space on it",
}


def describe(because: str, *, files: int, where: str) -> str:
    """Return the sentence of a notice. `where` is a folder in the watched folder, or empty."""
    if because == FILES_REFUSED:
        were = "was" if files == 1 else "were"
        return (
            f"{counted(files, 'file')} from the watched folder {were} refused; see the .txt files in its folder refused"
        )
    place = f"Watched folder, {where}" if where else "Watched folder"
    if because in _REFUSALS:
        return f"{place}: {_REFUSALS[because]}"
    problem = PROBLEMS.get(because, PROBLEMS[UNUSABLE])
    return f"{place}: {problem.wrong}; ask the person who runs your server to {problem.cure}"
