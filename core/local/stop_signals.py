"""Ctrl-C and SIGTERM: heard at once, obeyed at the next step, so that no step is cut in two."""

import signal
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Final, Self

_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class StopRequested(Exception):
    """Somebody asked the run to stop."""


class StopSignals:
    """Within its block a signal asks the run to stop; `check` raises `StopRequested` from then on."""

    def __init__(self, say: Callable[[str], None]) -> None:
        """`say` gets a line at each signal."""
        self._say = say
        self._asked = False

    def check(self) -> None:
        """Raise `StopRequested` if a signal came."""
        if self._asked:
            raise StopRequested

    def __enter__(self) -> Self:
        """Take the signals over."""
        self._before = {number: signal.signal(number, self._on_signal) for number in _SIGNALS}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Give them back."""
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _on_signal(self, _number: int, _frame: FrameType | None) -> None:
        self._say(
            "Still stopping; every program gets a few seconds to end in good order." if self._asked else "Stopping …"
        )
        self._asked = True
