"""How often a test repeats a race or tries an example: in `make test` a third as often as in `make test-all`."""

import os
from typing import Final

_SHARE: Final = 3
_ROUNDS: Final = "SETTLE_SOAK_ROUNDS"

is_quick = False  # pytest sets it before it imports a test


def times(number: int) -> int:
    """Return how often this run repeats what `make test-all` repeats `number` times."""
    return max(1, number // _SHARE) if is_quick else number


def rounds(number: int) -> int:
    """Return how often this run repeats a race or a state machine: SETTLE_SOAK_ROUNDS, if set, or `times(number)`."""
    return int(os.environ.get(_ROUNDS) or times(number))
