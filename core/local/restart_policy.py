"""Restart a program when it dies, but not forever."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from core.errors import Refusal
from core.local.guardian import Child

RESTARTS_MAX: Final = 5  # within RESTARTS_SECONDS; more restarts would not help
RESTARTS_SECONDS: Final = 60.0
_BACKOFF_SECONDS: Final = 0.25  # doubled with each restart within RESTARTS_SECONDS


class RestartLimitReached(Refusal):
    """A program that everything else needs keeps exiting."""

    code = "gave_up"


@dataclass
class SupervisedProgram:
    """A program with its log. The run stops without an `essential` program, and continues without any other."""

    name: str
    start_child: Callable[[], Child]
    log: Path
    say: Callable[[str], None]
    essential: bool = False
    child: Child | None = None
    _exit_times: deque[float] = field(default_factory=deque)
    _restart_at: float | None = None

    def start(self) -> None:
        """Start it."""
        self._restart_at = None
        self.child = self.start_child()

    def look(self, now: float) -> None:
        """Notice a death and restart the program after a pause. Raise `RestartLimitReached` for an essential one.

        `now` is monotonic seconds.
        """
        if self.child is not None and not self.child.is_running():
            self._record_exit(self.child, now)
        if self._restart_at is not None and now >= self._restart_at:
            self._start_again(now)

    def _start_again(self, now: float) -> None:
        try:
            self.start()
        except Refusal as refusal:
            self.say(f"{self.name}: {refusal.message}")
            self._plan_restart(now)

    def _record_exit(self, child: Child, now: float) -> None:
        child.kill()  # what is left of its group, such as the pool of a killed worker
        self.child = None
        self.say(f"{self.name} ended ({_exit_reason(child.process.returncode)}). Log: {self.log}")
        self._plan_restart(now)

    def _plan_restart(self, now: float) -> None:
        self._exit_times.append(now)
        while self._exit_times and self._exit_times[0] < now - RESTARTS_SECONDS:
            self._exit_times.popleft()
        if len(self._exit_times) <= RESTARTS_MAX:
            self._restart_at = now + _BACKOFF_SECONDS * 2 ** (len(self._exit_times) - 1)
            return
        self._restart_at = None
        words = f"{self.name} ended {len(self._exit_times)} times within {RESTARTS_SECONDS:.0f} seconds"
        if self.essential:
            raise RestartLimitReached(f"{words}. Stopping, because nothing works without it. Log: {self.log}")
        self.say(f"{words} and will not be restarted. Everything else keeps running. Log: {self.log}")


def _exit_reason(code: int) -> str:
    return f"exit code {code}" if code >= 0 else f"signal {-code}"
