"""Run a program that talks to another server, within a time limit that no server can exceed.

A timer ends the program's process wherever it hangs, even in a name lookup, which could not be interrupted in a thread.
"""

import json
import signal
import subprocess
from collections.abc import Mapping, Sequence
from typing import Any


class TimeExceeded(Exception):
    """The program was ended by its timer."""


class ProgramKilled(Exception):
    """The program ended without an answer, for example because the machine had no memory left."""


def run(program: Sequence[str], order: Mapping[str, Any], body: bytes) -> dict[str, Any]:
    """Run the program with the order and the body. Return its answer. Raise `TimeExceeded` and `ProgramKilled`."""
    # Not on the command line, because other users can read that, and the order may contain a password.
    given = json.dumps(order).encode() + b"\n" + body
    done = subprocess.run(program, input=given, capture_output=True, check=False)  # noqa: S603 – files of this package
    if done.returncode == -signal.SIGALRM:
        raise TimeExceeded
    if done.returncode != 0 or not done.stdout:
        raise ProgramKilled
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def start_timer(seconds: float) -> None:
    """End this process after so many seconds."""
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.setitimer(signal.ITIMER_REAL, seconds)
