"""Look at processes to prove that none is left."""

from contextlib import suppress

import psutil
from psutil import Process  # compares the start time too, because the system reuses ids

ENDED = {psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD}


def family_of(pid: int) -> set[Process]:
    """Return the process and all its descendants that have not ended."""
    with suppress(psutil.NoSuchProcess):
        leader = Process(pid)
        return living({leader, *leader.children(recursive=True)})
    return set()


def living(processes: set[Process]) -> set[Process]:
    """Return the processes that have not ended. A zombie has ended."""
    return {process for process in processes if _is_living(process)}


def _is_living(process: Process) -> bool:
    with suppress(psutil.NoSuchProcess):
        return process.is_running() and process.status() not in ENDED
    return False


def command_of(process: Process) -> str:
    """Return the command line of a process, its words separated by spaces."""
    with suppress(psutil.NoSuchProcess):
        return " ".join(process.cmdline())
    return ""


def children_of(pid: int) -> list[int]:
    """Return the running processes that `pid` started."""
    return [child.pid for child in Process(pid).children()]
