"""Wait for a condition instead of for a time."""

import time
from collections.abc import Callable
from typing import TypeVar

_LOOK_SECONDS = 0.02

T = TypeVar("T")


def eventually(predicate: Callable[[], T], *, seconds: float = 10.0) -> T:
    """Return the first true result of `predicate`. Fail if there is none within `seconds`."""
    until = time.monotonic() + seconds
    while not (answer := predicate()):
        assert time.monotonic() < until, (
            f"still {answer!r} after {seconds} s: {getattr(predicate, '__name__', predicate)}"
        )
        time.sleep(_LOOK_SECONDS)
    return answer
