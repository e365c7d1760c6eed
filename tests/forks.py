"""A guardian that forks the product's Python processes instead of executing them, which takes a tenth of the time."""

import atexit
import ctypes
import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, BinaryIO, Final

from core.local.guardian import Child, Guardian, StopPolicy
from tests.fork_server import MESSAGE_BYTES_MAX

MODULES: Final = ("celery", "gunicorn")
# The variables that a process may have for itself, because no library reads them when it is imported.
READ_LATE: Final = ("SETTLE_", "PYTEST_", "FLOWER_BASIC_AUTH", "HOME", "TMPDIR")
_ENVIRONMENT: Final = dict(os.environ)  # before any test changes it
_PR_SET_CHILD_SUBREAPER: Final = 36
_POLL_SECONDS: Final = 0.01


class Forked:
    """A forked child, with what `Child` uses of `Popen`."""

    def __init__(self, pid: int) -> None:
        """Know its id."""
        self.pid = pid
        self.returncode: int | None = None
        self._reaping = threading.Lock()

    def poll(self) -> int | None:
        """Return its exit code, or None while it is running."""
        with self._reaping:
            if self.returncode is None and (ended := os.waitpid(self.pid, os.WNOHANG))[0]:
                self.returncode = os.waitstatus_to_exitcode(ended[1])
            return self.returncode

    def wait(self, timeout: float = float("inf")) -> int:
        """Wait for its exit code. Raise `TimeoutExpired`."""
        until = time.monotonic() + timeout
        while (code := self.poll()) is None:
            if time.monotonic() > until:
                raise subprocess.TimeoutExpired(str(self.pid), timeout)
            time.sleep(_POLL_SECONDS)
        return code

    def send_signal(self, number: int) -> None:
        """Send it a signal, unless it has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)


class Server:
    """The process that forks. It ends with this one."""

    def __init__(self) -> None:
        """Start it."""
        self._asking, asked = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._lock = threading.Lock()
        with asked:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.fork_server", str(asked.fileno())],
                pass_fds=[asked.fileno()],
                env=_ENVIRONMENT,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                start_new_session=True,
            )
        atexit.register(self._close)

    def fork(self, words: Sequence[str], env: Mapping[str, str], output: BinaryIO) -> Forked:
        """Run the module `words[0]` with the other words, in its own session."""
        wanted = json.dumps({"words": words, "env": dict(env), "folder": str(Path.cwd())}).encode()
        with self._lock:
            _adopt_orphans(yes=True)  # the fork's first parent ends at once, and then this process is its parent
            socket.send_fds(self._asking, [wanted], [output.fileno()])
            pid = self._asking.recv(MESSAGE_BYTES_MAX)
            _adopt_orphans(yes=False)
        return Forked(int(pid))

    def _close(self) -> None:
        self._asking.close()
        self._process.wait()


class ForkingGuardian(Guardian):
    """A guardian that forks the product's Python processes, and executes every other program."""

    def start(
        self,
        argv: Sequence[str | Path],
        *,
        log: Path,
        ending: StopPolicy,
        env: Mapping[str, str] | None = None,
        **how: Any,
    ) -> Child:
        """Start `argv` as a guardian does."""
        words, env = [str(word) for word in argv], os.environ if env is None else env
        if how or not _is_forkable(words, env):
            return super().start(argv, log=log, ending=ending, env=env, **how)
        with log.open("ab") as output:
            process: Any = _server().fork(words[2:], env, output)
        self._report(process.pid, ending)
        child = Child(process, ending)
        self._children.append(child)
        return child


def _is_forkable(argv: Sequence[str], env: Mapping[str, str]) -> bool:
    """Return whether a fork does what the executed program would do."""
    own = {name for name, _ in env.items() ^ _ENVIRONMENT.items()}
    return (
        sys.platform == "linux"
        and argv[:2] == [sys.executable, "-m"]
        and argv[2] in MODULES
        and all(name.startswith(READ_LATE) for name in own)
    )


@cache
def _server() -> Server:
    return Server()


def _adopt_orphans(*, yes: bool) -> None:
    if ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_CHILD_SUBREAPER, int(yes), 0, 0, 0):
        raise OSError(ctypes.get_errno(), "prctl")
