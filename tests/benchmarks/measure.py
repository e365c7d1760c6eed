"""What is measured and how it is told."""

import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Row:
    """One line of the table: what was measured, what it gave, and what it is to be at least."""

    what: str
    product: str
    baseline: str
    ratio: str
    at_least: str
    reached: bool


@dataclass
class Watch:
    """Seconds of each of several tries."""

    seconds: list[float] = field(default_factory=list)

    @contextmanager
    def running(self) -> Iterator[None]:
        """Time the block."""
        begun = time.perf_counter()
        yield
        self.seconds.append(time.perf_counter() - begun)

    @property
    def median(self) -> float:
        """The middle one."""
        return statistics.median(self.seconds)

    @property
    def p95(self) -> float:
        """Nineteen of twenty are at most this."""
        return sorted(self.seconds)[min(len(self.seconds) - 1, round(0.95 * len(self.seconds)))]


def timed(work: Callable[[], object], *, times: int) -> Watch:
    """Do `work` once unmeasured, so that nothing is compiled or read from disk for the first time, then `times`."""
    work()
    watch = Watch()
    for _ in range(times):
        with watch.running():
            work()
    return watch


def ms(seconds: float) -> str:
    """As milliseconds."""
    return f"{seconds * 1_000:,.1f} ms"


def per_second(claims: int, seconds: float) -> str:
    """As claims a second."""
    return f"{claims / seconds:,.0f} claims/s"
