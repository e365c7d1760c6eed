"""Ctrl-C and SIGTERM as an exception, once; while stopping they change nothing any more."""

import signal
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Final, Self

_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class StopAsked(BaseException):
    """Somebody asked the run to stop."""


class StopSignals:
    """Within its block the first signal raises `StopAsked`; later ones, or any after `disarm`, only say so."""

    def __init__(self, say: Callable[[str], None]) -> None:
        """`say` gets a line when somebody asks again."""
        self._say = say
        self._armed = True

    def disarm(self) -> None:
        """Raise no more: the stop has begun."""
        self._armed = False

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
        if self._armed:
            self._armed = False
            raise StopAsked
        self._say("Still stopping; every program gets a few seconds to end in good order.")
