"""Wait for a condition instead of for a time."""

import time
from collections.abc import Callable
from typing import TypeVar

_LOOK_SECONDS = 0.02
_LOOK_SECONDS_MAX = 0.3
_SHARE = 5  # looking takes at most a fifth of the time, because it takes CPU from what the test waits for

T = TypeVar("T")


def eventually(predicate: Callable[[], T], *, seconds: float = 10.0) -> T:
    """Return the first true result of `predicate`. Fail if there is none within `seconds`."""
    until = time.monotonic() + seconds
    while True:
        looked_at = time.monotonic()
        if answer := predicate():
            return answer
        now = time.monotonic()
        assert now < until, f"still {answer!r} after {seconds} s: {getattr(predicate, '__name__', predicate)}"
        time.sleep(min(max(_LOOK_SECONDS, (_SHARE - 1) * (now - looked_at)), _LOOK_SECONDS_MAX))
