"""The rows of `make bench ARGS="--against v0.1.0"`: both versions in turn, and the medians of their times."""

import json
import os
import statistics
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tests.benchmarks import importing
from tests.benchmarks.against import build
from tests.benchmarks.measure import Row, per_second
from tests.benchmarks.places import Place
from tests.benchmarks.runs import Sizes

TIMES_MAX: Final = 9  # where a run takes under a minute
SMALL_JOB: Final = 72
_SIDE: Final = Path(__file__).with_name("side.py")

Figures = list[dict[str, Any]]


class _Side:
    """A process with one version's code, its servers and its data."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def ask(self, act: str, **request: Any) -> dict[str, Any]:
        """Let the version do something. Return what it measured."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        print(json.dumps({"act": act, **request}), file=self._process.stdin, flush=True)
        answer = self._process.stdout.readline()
        assert answer, f"the side ended during {act}"
        measured: dict[str, Any] = json.loads(answer)
        return measured


@contextmanager
def _started(house: Path) -> Iterator[_Side]:
    with subprocess.Popen(
        [house / ".venv/bin/python", "-P", _SIDE],
        cwd=house, env=os.environ | {"PYTHONPATH": str(house)}, text=True, stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:  # fmt: skip
        yield _Side(process)
        assert process.stdin is not None
        process.stdin.close()


@dataclass(frozen=True)
class _Pair:
    """This version and the other one."""

    here: _Side
    there: _Side

    def ask(self, act: str, *, times: int, **request: Any) -> tuple[Figures, Figures]:
        """Measure both in turn. The one that begins rotates, so that load from other programs affects both equally."""
        here: Figures = []
        there: Figures = []
        for turn in range(times):
            sides = [(self.here, here), (self.there, there)]
            for side, figures in sides[:: -1 if turn % 2 else 1]:
                figures.append(side.ask(act, **request))
        return here, there


def rows(place: Place, version: str, sizes: Sizes) -> Iterator[Row]:
    """Yield the rows of the comparison with `version`."""
    other = build.worktree(version)
    with ExitStack() as stack:
        here, there = (stack.enter_context(_started(house)) for house in (build.HOUSE, other))
        pair, name = _Pair(here, there), f"version {version.removeprefix('v')}"
        times = min(TIMES_MAX, 3 * sizes.times)
        yield from _settling(pair, name, sizes.settled, times, factors=(1.5, 2.0))
        yield from _settling(pair, name, sizes.settled // 5, times, factors=(1.0, 1.3))
        small = pair.ask("small", times=sizes.times, claims=SMALL_JOB, of=25 * SMALL_JOB)
        yield _time(f"a job of {SMALL_JOB} claims, CONFIRM to Completed / {name}", small, at_most=0.5)
        yield _processes(here, sizes.settled, sizes.times)
        yield _time(f"preview of {sizes.many:,} / {name}", pair.ask("preview", times=sizes.times, claims=sizes.many))
        yield _time(f"sample of {sizes.many:,} / {name}", pair.ask("sample", times=1, claims=sizes.many), at_most=0.25)
        yield from _after_a_job(pair, name, sizes)
    yield from importing.rows(place, sizes, other)


def _settling(pair: _Pair, name: str, claims: int, times: int, *, factors: tuple[float, float]) -> Iterator[Row]:
    figures = pair.ask("settle", times=times, claims=claims)
    here, there = (_median(side, "seconds") for side in figures)
    by_hand = _median([pair.there.ask("by_hand", claims=claims) for _ in range(times)], "seconds")
    what = f"settling {claims:,} claims, two workers / {name}"
    yield _rate(what, claims, here, there, factors[0])
    yield _rate(f"… / one hand-written transaction on the tables of {name}", claims, here, by_hand, factors[1])
    log = [_median(side, "log_bytes") / claims for side in figures]
    ratio = log[0] / log[1]
    yield Row(f"write-ahead log of a claim, {claims:,} claims / {name}", f"{log[0]:,.0f} bytes", f"{log[1]:,.0f} bytes",
              f"{ratio:.2f} ×", "at most 0.7 ×", ratio <= 0.7)  # fmt: skip


def _processes(side: _Side, claims: int, times: int) -> Row:
    one, two = (
        _median([side.ask("settle", claims=claims, processes=processes) for _ in range(times)], "seconds")
        for processes in (1, 2)
    )
    return _rate("two processes that settle / one", claims, two, one, 1.8)


def _after_a_job(pair: _Pair, name: str, sizes: Sizes) -> Iterator[Row]:
    jobs = pair.ask("big", times=1, claims=sizes.many)
    what = f"a job of {sizes.many:,} claims"
    yield _time(f"{what}, CONFIRM to Completed / {name}", jobs)
    verified = pair.ask("verify", times=sizes.times)
    yield _time(f"`settle verify` after {what} / {name}", verified, at_most=0.5)
    memory = [max(each["memory_bytes"] for each in side) / 2**20 for side in verified]
    yield Row("… its memory", f"{memory[0]:.0f} MB", f"{memory[1]:.0f} MB", "", "", reached=True)
    for form in ("csv", "xlsx"):
        read = pair.ask("file", times=sizes.times, form=form)
        yield _time(f"settled file of {what}, {form.upper()} / {name}", read, at_most=0.4)
    reversed_ = [pair.here.ask("reverse")]
    yield _time(f"reversal of {what} / its settling", (reversed_, jobs[0]), at_most=1.2)


def _rate(what: str, claims: int, here: float, there: float, at_least: float) -> Row:
    ratio = there / here
    return Row(what, per_second(claims, here), per_second(claims, there), f"{ratio:.2f} ×", f"{at_least:g} ×",
               ratio >= at_least)  # fmt: skip


def _time(what: str, figures: tuple[Figures, Figures], *, at_most: float | None = None) -> Row:
    here, there = (_median(side, "seconds") for side in figures)
    ratio = here / there
    shown: Callable[[float], str] = (lambda s: f"{s * 1000:,.0f} ms") if there < 1 else (lambda s: f"{s:,.1f} s")
    wanted = "" if at_most is None else f"at most {at_most:g} ×"
    return Row(what, shown(here), shown(there), f"{ratio:.2f} ×", wanted, at_most is None or ratio <= at_most)


def _median(figures: Figures, name: str) -> float:
    return statistics.median(each[name] for each in figures)
