"""Child processes that end when their starter is gone, however it went.

The parent side (`Guardian`, `Child`) starts them; this same file, run as a program, is the guard: it reads from a
pipe which children exist, and when the pipe closes it ends those that still do. The guard is plain standard
library, so that it starts at once and keeps working whatever happens to the environment.
"""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

GRACE_SECONDS = 8.0  # a worker's chunk takes tens of milliseconds, a web request a few seconds
_LOOK_SECONDS = 0.02

# The later the stage, the earlier it ends: the database last of all.
DATABASE, BROKER, DOORS = 0, 1, 2


@dataclass(frozen=True)
class Child:
    """A process that leads a group of its own, and the signal that asks it to stop in good order."""

    name: str
    process: "subprocess.Popen[bytes]"
    stop_signal: signal.Signals = signal.SIGTERM

    @property
    def pid(self) -> int:
        """Its process id, which is its group's id too."""
        return self.process.pid

    def is_running(self) -> bool:
        """Tell whether it has not ended yet."""
        return self.process.poll() is None

    def ask_to_stop(self) -> None:
        """Send the signal; do not wait."""
        if self.is_running():
            self.process.send_signal(self.stop_signal)

    def stop(self, *, seconds: float = GRACE_SECONDS) -> None:
        """Ask it to stop, wait up to `seconds`, then kill what is left of its group."""
        self.ask_to_stop()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(seconds)
        self.kill()

    def kill(self) -> None:
        """Kill the whole group and wait for its leader."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)
        self.process.wait()


class Guardian:
    """Starts children; a guard process ends them if this process dies first, even by SIGKILL."""

    def __init__(self) -> None:
        """Start the guard."""
        read, self._pipe = os.pipe()
        self._guard = subprocess.Popen(
            [sys.executable, "-I", "-S", __file__],
            stdin=read,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # so that Ctrl-C in the terminal does not reach it
        )
        os.close(read)

    def start(
        self,
        argv: Sequence[str | Path],
        *,
        name: str,
        log: Path,
        stage: int = DOORS,
        stop_signal: signal.Signals = signal.SIGTERM,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        user: int | None = None,
    ) -> Child:
        """Start `argv` in a session of its own, its output added to `log`; as `user` and nobody's group if given."""

        def report() -> None:
            os.write(self._pipe, f"{os.getpid()} {int(stop_signal)} {stage}\n".encode())

        with log.open("ab") as output:
            # The child reports itself before it becomes the program, and holds the pipe open until then:
            # there is no moment in which it runs and the guard does not know it.
            process = subprocess.Popen(
                [str(word) for word in argv],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=env,
                cwd=cwd,
                start_new_session=True,
                preexec_fn=report,  # noqa: PLW1509  the starter has one thread
                user=user,
                group=user,
                extra_groups=None if user is None else [],
            )
        return Child(name, process, stop_signal)

    def is_running(self) -> bool:
        """Tell whether the guard lives."""
        return self._guard.poll() is None

    def close(self) -> None:
        """End what still runs, in order, and the guard with it."""
        os.close(self._pipe)
        self._guard.wait()

    def __enter__(self) -> Self:
        """Give itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close."""
        self.close()


@dataclass
class _Charges:
    """What the guard knows: group id → (signal, stage, when the leader began)."""

    known: dict[int, tuple[int, int, str | None]] = field(default_factory=dict)

    def add(self, line: str) -> None:
        """Note one child; a later one with the same id is another process and replaces it."""
        pid, stop_signal, stage = map(int, line.split())
        self.known[pid] = (stop_signal, stage, began_at(pid))

    def end_all(self) -> None:
        """End stage by stage, the last first; nothing outlives `GRACE_SECONDS` in its stage."""
        for stage in sorted({stage for _, stage, _ in self.known.values()}, reverse=True):
            groups = [
                group for group, (_, s, began) in self.known.items() if s == stage and began_at(group) in (began, None)
            ]
            for group in groups:
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.kill(group, self.known[group][0])
            until = time.monotonic() + GRACE_SECONDS
            while any(map(_group_lives, groups)) and time.monotonic() < until:
                time.sleep(_LOOK_SECONDS)
            for group in groups:
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.killpg(group, signal.SIGKILL)


def began_at(pid: int) -> str | None:
    """When the process began, in the kernel's ticks; None where it is gone or the system does not say.

    A process id alone may meanwhile be another process's.
    """
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    state, *rest = stat.rpartition(")")[2].split()
    return None if state in "ZX" else rest[18]


def _group_lives(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    # A zombie that nobody reaps still counts as a group; it needs no waiting.
    return began_at(group) is not None or not Path("/proc/self/stat").exists()


def _guard() -> None:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    charges = _Charges()
    for line in sys.stdin:
        charges.add(line)
    charges.end_all()


if __name__ == "__main__":
    _guard()
