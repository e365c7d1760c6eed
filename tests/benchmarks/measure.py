"""Measurements, and how they are printed."""

import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Row:
    """One line of the table: what was measured, the result, and the required result."""

    what: str
    product: str
    baseline: str
    ratio: str
    at_least: str
    reached: bool


@dataclass
class Watch:
    """The seconds of several tries."""

    seconds: list[float] = field(default_factory=list)

    @contextmanager
    def running(self) -> Iterator[None]:
        """Time the block."""
        begun = time.perf_counter()
        yield
        self.seconds.append(time.perf_counter() - begun)

    @property
    def median(self) -> float:
        """Return the median."""
        return statistics.median(self.seconds)

    @property
    def p95(self) -> float:
        """Return the 95th percentile."""
        return sorted(self.seconds)[min(len(self.seconds) - 1, round(0.95 * len(self.seconds)))]


def timed(work: Callable[[], object], *, times: int) -> Watch:
    """Do `work` once unmeasured, to warm up compilation and caches, then `times` times measured."""
    work()
    watch = Watch()
    for _ in range(times):
        with watch.running():
            work()
    return watch


def ms(seconds: float) -> str:
    """Return the time in milliseconds."""
    return f"{seconds * 1_000:,.1f} ms"


def per_second(claims: int, seconds: float) -> str:
    """Return the rate in claims per second."""
    return f"{claims / seconds:,.0f} claims/s"
