"""Look at processes to prove that none is left."""

from pathlib import Path

Process = tuple[int, str]  # the id and the start time, because the system reuses ids


def family_of(pid: int) -> set[Process]:
    """Return the process and all its descendants that have not ended."""
    found = {number: stat for number in map(int, _numbers()) if (stat := _stat(number)) is not None}
    family, before = {pid} & found.keys(), set[int]()
    while family != before:
        before = family
        family = family | {number for number, (parent, _) in found.items() if parent in family}
    return {(number, found[number][1]) for number in family}


def living(processes: set[Process]) -> set[Process]:
    """Return the processes that have not ended."""
    return {(pid, began) for pid, began in processes if (stat := _stat(pid)) is not None and stat[1] == began}


def command_of(pid: int) -> str:
    """Return the command line of a process, its words separated by spaces."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return ""


def _numbers() -> list[str]:
    return [path.name for path in Path("/proc").glob("[0-9]*")]


def _stat(pid: int) -> tuple[int, str] | None:
    """Return the parent's id and the start time.

    Return None for a process that has ended, even if it is still a zombie.
    """
    try:
        state, parent, *rest = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if state in "ZX" else (int(parent), rest[17])


def children_of(pid: int) -> list[int]:
    """Return the running processes that `pid` started."""
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
