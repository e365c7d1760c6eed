"""A simulation of the load of one practice, or of a thousand: `python -m tests.benchmarks.scaling`.

This is not a measurement. The times of a chunk come from docs/performance.md, and every other assumption is a constant
below with its reason. The same seed gives the same table, which docs/scaling.md contains.
"""

import heapq
import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from random import Random
from typing import Final

from core.jobs.preview.preview_items import chunk_size
from core.settings import Settings

CHUNK_CLAIMS_MAX: Final[int] = Settings.model_fields["chunk_claims"].default
SEED: Final = 4
# A chunk of 1,000 takes 46 ms of a core of the server and 12 ms of Python. A chunk of a few claims takes mostly the
# time of its dozen statements. A chunk of 2,000 takes 0.89 times the time of two of 1,000.
SERVER_SECONDS, SERVER_SECONDS_PER_CLAIM = 0.005, 0.000_041
PYTHON_SECONDS, PYTHON_SECONDS_PER_CLAIM = 0.008, 0.000_004
BESIDE_OTHER_WORK: Final = 1.8  # the run in docs/performance.md on shared cores was slower by this factor
LOT_SECONDS_PER_JOB: Final = 0.000_015  # picking among 1,000 jobs with free chunks took 19 ms, among ten 4.5 ms
LOG_BYTES_PER_CLAIM: Final = 3_000  # measured 1,400, and as much again for whole pages after each checkpoint
LOG_BYTES_PER_SECOND: Final = 200_000_000  # the rate that the server's WAL disk sustains for hours

HOUR: Final = 3_600
ZONES: Final = ((0, 47), (1, 29), (2, 7), (3, 17))  # hours after New York, percent of the practices
SMALL_CLAIMS_MAX: Final = 100  # a job for which a user waits on its page

SCRAPE_SECONDS: Final = 15  # between two reads of settle_chunks_open
START_SECONDS: Final = 30  # until a new worker receives its first hint
CHUNKS_PER_WORKER: Final = 600  # open chunks for each worker: about a minute of its time
CALM_SECONDS: Final = 600  # how long fewer workers must be enough before one stops
POOL: Final = 2  # processes of a worker


@dataclass(frozen=True)
class Site:
    """An installation: the number of its practices, workers and processes."""

    practices: int
    server_cores: int
    workers: int
    workers_max: int  # the same as `workers` without automatic scaling

    @property
    def label(self) -> str:
        """Return the label of the table's row."""
        return str(self.workers) if self.workers == self.workers_max else f"{self.workers} to {self.workers_max}"


@dataclass(order=True)
class Job:
    """A job that a practice confirmed at a given second."""

    at: float
    practice: int
    claims: int
    open: list[int] = field(default_factory=list, compare=False)  # claims of each free chunk
    left: int = field(default=0, compare=False)  # chunks not done

    def __post_init__(self) -> None:
        size = chunk_size(self.claims, most=CHUNK_CLAIMS_MAX)
        whole, rest = divmod(self.claims, size)
        self.open = [size] * whole + ([rest] if rest else [])
        self.left = len(self.open)


@dataclass
class Result:
    """The results of a simulation."""

    claims: int = 0
    small_waits: list[float] = field(default_factory=list)
    open_chunks_max: int = 0
    slowest: float = 0.0  # job, from CONFIRM to its end
    busy_seconds: float = 0.0  # of processes
    worker_seconds: float = 0.0


def nightly(site: Site, random: Random) -> Iterator[Job]:
    """Each practice's schedule at 02:00 in its own zone, found by a tick every 30 s: about 60 balances each."""
    for practice in range(site.practices):
        claims = max(1, round(random.lognormvariate(math.log(60), 0.8)))
        yield Job(_hours_late(practice, site) * HOUR + random.random() * 30, practice, claims)


def monday(site: Site, random: Random) -> Iterator[Job]:
    """Each practice settles 5,000 claims between 08:00 and 10:00 in its own zone, and 72 more in a small job."""
    for practice in range(site.practices):
        morning = _hours_late(practice, site) * HOUR
        yield Job(morning + random.random() * 2 * HOUR, practice, 5_000)
        yield Job(morning + random.random() * 2 * HOUR, practice, 72)


def year_end(site: Site, random: Random) -> Iterator[Job]:
    """A Monday. Within ten minutes, 10% of the practices also settle 100,000 claims, and 1% settle 1,000,000."""
    yield from monday(site, random)
    for practice in range(site.practices):
        if practice % 10 == 0:
            yield Job(HOUR + random.random() * HOUR / 6, practice, 1_000_000 if practice % 100 == 0 else 100_000)


def _hours_late(practice: int, site: Site) -> int:
    """Return the hours between New York and a practice, so that each zone has its share."""
    share = 100 * practice / site.practices
    for hours, percent in ZONES:
        if share < percent:
            return hours
        share -= percent
    return ZONES[-1][0]


class Play:
    """The simulation of one day of one site."""

    def __init__(self, site: Site, jobs: list[Job], random: Random) -> None:
        """Keep the `jobs`, which may be in any order."""
        self._site, self._random = site, random
        self._coming = sorted(jobs)
        self._open: dict[int, list[Job]] = {}  # jobs with free chunks, by practice
        self._working: list[tuple[float, int, Job]] = []  # when each process is done, and with which chunk
        self._chunks_open = 0
        self._number = 0
        self.result = Result(claims=sum(job.claims for job in jobs))

    def run(self) -> Result:
        """Run the simulation to its end."""
        now = looked = self._coming[0].at
        workers, ready_at, calm_since = self._site.workers, 0.0, None
        wanted = workers
        while self._coming or self._working or self._chunks_open:
            events = [looked + SCRAPE_SECONDS]
            events += [self._coming[0].at] if self._coming else []
            events += [self._working[0][0]] if self._working else []
            before, now = now, min(events)
            self.result.worker_seconds += max(workers, wanted) * (now - before)
            self._arrive(now)
            self._finish(now)
            if now >= looked + SCRAPE_SECONDS:
                looked = now
                needed = self._wanted()
                if needed > wanted:
                    wanted, ready_at, calm_since = needed, now + START_SECONDS, None
                elif needed < wanted:
                    calm_since = now if calm_since is None else calm_since
                    if now - calm_since >= CALM_SECONDS:
                        wanted = workers = needed
                        calm_since = None
                else:
                    calm_since = None
            if wanted > workers and now >= ready_at:
                workers = wanted
            while len(self._working) < workers * POOL and self._open:
                self._take(now)
        return self.result

    def _wanted(self) -> int:
        """Return how many workers the rule of docs/scaling.md requires."""
        needed = math.ceil(self._chunks_open / CHUNKS_PER_WORKER)
        return min(max(needed, self._site.workers), self._site.workers_max)

    def _arrive(self, now: float) -> None:
        while self._coming and self._coming[0].at <= now:
            job = self._coming.pop(0)
            self._open.setdefault(job.practice, []).append(job)
            self._chunks_open += len(job.open)
        self.result.open_chunks_max = max(self.result.open_chunks_max, self._chunks_open)

    def _take(self, now: float) -> None:
        """Take the first chunk of a random job of a random practice, as core/jobs/execution/chunks.py does."""
        jobs = self._open[self._random.choice(list(self._open))]
        job = self._random.choice(jobs)
        claims = job.open.pop()
        if not job.open:
            jobs.remove(job)
            if not jobs:
                del self._open[job.practice]
        busy = len(self._working) + 1
        server = SERVER_SECONDS + SERVER_SECONDS_PER_CLAIM * claims + LOT_SECONDS_PER_JOB * len(self._open)
        server *= max(1.0, busy / self._site.server_cores)
        log = claims * LOG_BYTES_PER_CLAIM * busy / LOG_BYTES_PER_SECOND
        python = PYTHON_SECONDS + PYTHON_SECONDS_PER_CLAIM * claims
        took = BESIDE_OTHER_WORK * (max(server, log) + python)
        self.result.busy_seconds += took
        self._number += 1
        heapq.heappush(self._working, (now + took, self._number, job))

    def _finish(self, now: float) -> None:
        while self._working and self._working[0][0] <= now:
            at, _, job = heapq.heappop(self._working)
            self._chunks_open -= 1
            job.left -= 1
            if job.left == 0:
                self.result.slowest = max(self.result.slowest, at - job.at)
                if job.claims <= SMALL_CLAIMS_MAX:
                    self.result.small_waits.append(at - job.at)


SITES: Final = (
    Site(1, 2, 1, 1),
    Site(10, 2, 1, 1),
    Site(100, 4, 2, 2),
    Site(1_000, 8, 2, 2),
    Site(1_000, 8, 5, 5),
    Site(1_000, 8, 1, 5),
)
DAYS: Final = {"a typical day": nightly, "a Monday": monday, "year-end": year_end}


def table() -> list[str]:
    """Return the rows of docs/scaling.md."""
    columns = (
        "practices", "cores of the server", "workers (2 processes each)", "day", "claims", "max open chunks",
        "small jobs, p95", "slowest job", "worker hours", "busy",
    )  # fmt: skip
    rows = [_row(columns), "|" + "---|" * len(columns)]
    for site in SITES:
        for day, jobs_of in DAYS.items():
            random = Random(SEED)
            result = Play(site, list(jobs_of(site, random)), random).run()
            waits = sorted(result.small_waits)
            rows.append(
                _row((
                    f"{site.practices:,}", site.server_cores, site.label, day, f"{result.claims:,}",
                    f"{result.open_chunks_max:,}", _time(waits[math.ceil(len(waits) * 0.95) - 1]),
                    _time(result.slowest), f"{result.worker_seconds / HOUR:.1f}",
                    f"{100 * result.busy_seconds / POOL / max(1.0, result.worker_seconds):.0f}%",
                ))
            )  # fmt: skip
    return rows


def _row(cells: tuple[object, ...]) -> str:
    return f"| {' | '.join(map(str, cells))} |"


def _time(seconds: float) -> str:
    return f"{seconds:.2g} s" if seconds < 100 else f"{seconds / 60:.0f} min"


if __name__ == "__main__":
    print("\n".join(table()))
