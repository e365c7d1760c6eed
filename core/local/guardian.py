"""Child processes that end when the process that started them ends, even by SIGKILL.

The parent (`Guardian`, `Child`) starts them. This same file, run as a program, is the guard. Through a pipe, the parent
tells the guard which children exist. When the pipe closes, the guard ends those that are still running. The guard uses
only the standard library, so that it starts at once and works whatever happens to the environment.
"""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

_LOOK_SECONDS = 0.02
_HAS_PROC = Path("/proc/self/stat").exists()

# Later stages end first: what creates work, then the workers, then the broker. The database ends last.
DATABASE, BROKER, WORKERS, FRONTS = 0, 1, 2, 3


@dataclass(frozen=True)
class StopPolicy:
    """How a child is stopped: the signal, its stage, and the time before SIGKILL."""

    stop_signal: signal.Signals = signal.SIGTERM
    stage: int = FRONTS
    grace_seconds: float = 8.0  # a worker's chunk takes tens of milliseconds, a web request a few seconds


@dataclass(frozen=True)
class Child:
    """A process that leads its own group."""

    process: "subprocess.Popen[bytes]"
    ending: StopPolicy

    @property
    def pid(self) -> int:
        """Return its process id, which is also its group's id."""
        return self.process.pid

    def is_running(self) -> bool:
        """Return whether it is still running."""
        return self.process.poll() is None

    def request_stop(self) -> None:
        """Send the signal without waiting."""
        if self.is_running():
            self.process.send_signal(self.ending.stop_signal)

    def stop(self) -> None:
        """Send the signal, wait for the grace period, then kill the rest of its group."""
        self.request_stop()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(self.ending.grace_seconds)
        self.kill()

    def kill(self) -> None:
        """Kill the whole group and wait for its leader."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)
        self.process.wait()


class Guardian:
    """Starts children. A guard process ends them if this process dies first, even by SIGKILL."""

    def __init__(self) -> None:
        """Start the guard."""
        self._children: list[Child] = []
        self._start_guard()

    def start(
        self,
        argv: Sequence[str | Path],
        *,
        log: Path,
        ending: StopPolicy,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        user: int | None = None,
    ) -> Child:
        """Start `argv` in its own session and append its output to `log`. Run it as `user` and its group, if given."""
        with log.open("ab") as output:
            # The child reports itself before it becomes the program and keeps the pipe open until then, so that the
            # guard always knows it.
            process = subprocess.Popen(  # noqa: S603 – what this product starts
                [str(word) for word in argv],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=env,
                cwd=cwd,
                start_new_session=True,  # so that Ctrl-C in the terminal does not reach it
                preexec_fn=lambda: self._report(os.getpid(), ending),  # noqa: PLW1509 – the starter has one thread
                user=user,
                group=user,
                extra_groups=None if user is None else [],
            )
        child = Child(process, ending)
        self._children = [known for known in self._children if known.is_running()] + [child]
        return child

    def look(self) -> None:
        """Replace the guard if it has ended."""
        if self._guard.poll() is not None:
            os.close(self._pipe)
            self._start_guard()
            for child in self._children:
                if child.is_running():
                    self._report(child.pid, child.ending)

    def close(self) -> None:
        """Let the guard stop the running children in order, and then end."""
        self.look()
        os.close(self._pipe)
        while self._guard.poll() is None:
            # This collects their exit codes. Without /proc, the guard mistakes a zombie for a running process.
            self._children = [child for child in self._children if child.is_running()]
            time.sleep(_LOOK_SECONDS)
        for child in self._children:  # none, unless the guard was killed in the meantime
            child.stop()

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close."""
        self.close()

    def _start_guard(self) -> None:
        read, self._pipe = os.pipe()
        self._guard = subprocess.Popen(  # noqa: S603 – this very file
            [sys.executable, "-I", "-S", __file__],
            stdin=read,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        os.close(read)

    def _report(self, pid: int, ending: StopPolicy) -> None:
        os.write(self._pipe, f"{pid} {int(ending.stop_signal)} {ending.stage} {ending.grace_seconds}\n".encode())


@dataclass(frozen=True)
class _WatchedProcess:
    """A process that the guard watches, with its start time, because its id may later be reused."""

    pid: int
    ending: StopPolicy
    began: str | None

    @classmethod
    def from_report(cls, line: str) -> Self:
        pid, stop_signal, stage, grace_seconds = line.split()
        ending = StopPolicy(signal.Signals(int(stop_signal)), int(stage), float(grace_seconds))
        return cls(int(pid), ending, _start_ticks(int(pid)))

    def is_running(self) -> bool:
        """Return whether this process, and not another with the same id, is still running."""
        if not _HAS_PROC:
            return _exists(self.pid)
        return self.began is not None and _start_ticks(self.pid) == self.began

    def request_stop(self) -> None:
        if self.is_running():
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(self.pid, self.ending.stop_signal)

    def kill(self) -> None:
        """Kill its group, which can outlive it. The id is not reused while the group exists."""
        if _start_ticks(self.pid) in (None, self.began):
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.pid, signal.SIGKILL)


def _end(charges: list[_WatchedProcess]) -> None:
    for charge in charges:
        charge.request_stop()
    asked_at = time.monotonic()
    while running := [charge for charge in charges if charge.is_running()]:
        waited_seconds = time.monotonic() - asked_at
        for charge in running:
            if waited_seconds > charge.ending.grace_seconds:
                charge.kill()
        time.sleep(_LOOK_SECONDS)
    for charge in charges:
        charge.kill()


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _start_ticks(pid: int) -> str | None:
    """Return the start time in the kernel's ticks, or None if the process has ended or the time is unknown."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    state, *rest = stat.rpartition(")")[2].split()
    return None if state in "ZX" else rest[18]


def _run_guard() -> None:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    # If two have the same id, the later one is a different process.
    charges = {charge.pid: charge for charge in map(_WatchedProcess.from_report, sys.stdin)}
    for stage in sorted({charge.ending.stage for charge in charges.values()}, reverse=True):
        _end([charge for charge in charges.values() if charge.ending.stage == stage])


if __name__ == "__main__":
    _run_guard()
