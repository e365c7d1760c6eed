"""Handle Ctrl-C and SIGTERM between steps, so that no step is interrupted."""

import signal
from collections.abc import Callable
from types import FrameType
from typing import Final, Self

_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class StopRequested(Exception):
    """A signal asked the run to stop."""


class StopSignals:
    """Inside the `with` block, a signal requests a stop. From then on, `check` raises `StopRequested`."""

    def __init__(self, say: Callable[[str], None]) -> None:
        """`say` gets a line for each signal."""
        self._say = say
        self._asked = False

    def check(self) -> None:
        """Raise `StopRequested` after a signal."""
        if self._asked:
            raise StopRequested

    def __enter__(self) -> Self:
        """Install the handlers."""
        self._before = {number: signal.signal(number, self._on_signal) for number in _SIGNALS}
        return self

    def __exit__(self, *_: object) -> None:
        """Restore the earlier handlers."""
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _on_signal(self, _number: int, _frame: FrameType | None) -> None:
        self._say("Still stopping. Each program has a few seconds to shut down." if self._asked else "Stopping …")
        self._asked = True
