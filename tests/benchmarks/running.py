"""A large running job: its progress, small jobs at the same time, and the memory of workers and of a web process."""

import statistics
import time
from typing import Any, Final

import psutil

from core.db.engine import Sessions
from core.jobs.keys import JobKey
from tests.acceptance.product import Product
from tests.benchmarks import runs, web_memory
from tests.benchmarks.claims import Practice, make_practice
from tests.benchmarks.measure import Row, Watch, ms
from tests.benchmarks.places import Place
from tests.benchmarks.runs import Crew, Sizes

PROGRESS_SECONDS_MAX: Final = 0.02
SMALL_JOB_RATIO_MAX: Final = 3.0
MEMORY_GROWTH_MAX: Final = 0.10
WARM_CLAIMS: Final = 10_000
TURNS: Final = 3


def rows(place: Place, sizes: Sizes) -> list[Row]:
    """Return the rows for progress, for 50 claims during a million, and for memory."""
    given = place.migrated("running")
    superuser = place.url(given, superuser=True)
    lake = make_practice(superuser, name="Lakeside", claims=sizes.many, now=runs.utc_now())
    hill = make_practice(superuser, name="Hillside", claims=2 * TURNS * sizes.few, now=runs.utc_now())
    with runs.sessions_on(place.url(given)) as sessions, runs.crew(place, given) as workers:
        scene = _Scene(sessions, workers, sizes, lake, hill)
        rows_ = scene.rows()
        product = Product(sessions.kw["bind"], place.url(given), place.broker_url, workers.workers)
        return [*rows_, web_memory.row(place, product, lake.biller, small=scene.warm, large=scene.large)]


class _Scene:
    """Two practices, and jobs in both."""

    def __init__(self, sessions: Sessions, workers: Crew, sizes: Sizes, lake: Practice, hill: Practice) -> None:
        self._sessions, self._workers, self._sizes, self._lake, self._hill = sessions, workers, sizes, lake, hill
        self._numbers = {practice.id: self._kept_back(practice) for practice in (lake, hill)}
        self._keys = iter(range(10**6))
        self.warm: JobKey  # the first job, and the large one
        self.large: JobKey

    def rows(self) -> list[Row]:
        few, kept = self._sizes.few, self._numbers[self._lake.id]
        warm = min(WARM_CLAIMS, self._sizes.many // 4)
        self.warm = self._preview({"claim_ids": self._claim_numbers(self._lake, 2 * TURNS * few, warm)}, self._lake)
        runs.run(self._sessions, self.warm, self._lake.biller, self._workers, Watch())
        before = self._memory()
        idle = {practice.id: self._small_jobs(practice, 0) for practice in (self._lake, self._hill)}
        self.large = rest = self._preview({"all": True, "excluded_claim_ids": kept[TURNS * few :]}, self._lake)
        runs.confirm(self._sessions, rest, self._lake.biller)
        self._workers.hint(rest)
        while not runs.progress(self._sessions, rest).done:
            time.sleep(runs.LOOK_SECONDS)
        busy = {practice.id: self._small_jobs(practice, TURNS) for practice in (self._hill, self._lake)}
        polls = self._watch_progress(rest)
        still = runs.progress(self._sessions, rest).remaining > 0
        runs.wait_for(self._sessions, rest)
        growth = self._memory() / before - 1
        return [
            Row(f"progress of a job of {self._sizes.many:,} claims, p95", ms(polls.p95), "", "",
                f"under {ms(PROGRESS_SECONDS_MAX)}", polls.p95 < PROGRESS_SECONDS_MAX),
            self._beside("another practice", idle[self._hill.id], busy[self._hill.id], still=still),
            self._beside("the same practice", idle[self._lake.id], busy[self._lake.id], still=still),
            Row(f"memory of the workers, from {warm:,} to {self._sizes.many:,} claims", f"{growth:+.1%}", "", "",
                f"less than {MEMORY_GROWTH_MAX:+.0%}", growth < MEMORY_GROWTH_MAX),
        ]  # fmt: skip

    def _beside(self, where: str, idle: float, busy: float, *, still: bool) -> Row:
        ratio = busy / idle
        what = f"{self._sizes.few} claims confirmed while {self._sizes.many:,} run, in {where}"
        if not still:
            what += " (the large job had already finished)"
        return Row(what, f"{busy:.2f} s", f"{idle:.2f} s idle", f"{ratio:.1f} ×", f"at most {SMALL_JOB_RATIO_MAX:g} ×",
                   ratio <= SMALL_JOB_RATIO_MAX)  # fmt: skip

    def _small_jobs(self, practice: Practice, first_turn: int) -> float:
        """Return the median seconds of some small jobs from CONFIRM to completed."""
        took = []
        for turn in range(first_turn, first_turn + TURNS):
            begin = turn * self._sizes.few
            numbers = self._numbers[practice.id][begin : begin + self._sizes.few]
            took.append(self._run({"claim_ids": numbers}, practice))
        return statistics.median(took)

    def _run(self, selection: dict[str, Any], practice: Practice) -> float:
        watch = Watch()
        job = self._preview(selection, practice)
        runs.run(self._sessions, job, practice.biller, self._workers, watch)
        return watch.median

    def _preview(self, selection: dict[str, Any], practice: Practice) -> JobKey:
        return runs.preview(self._sessions, practice.biller, selection=selection, key=str(next(self._keys)))

    def _watch_progress(self, job: JobKey) -> Watch:
        watch = Watch()
        for _ in range(200):
            with watch.running():
                runs.progress(self._sessions, job)
        return watch

    def _kept_back(self, practice: Practice) -> list[str]:
        return self._claim_numbers(practice, 0, 2 * TURNS * self._sizes.few)

    def _claim_numbers(self, practice: Practice, skipped: int, count: int) -> list[str]:
        return runs.claim_numbers(self._sessions, practice.id, skipped=skipped, count=count)

    def _memory(self) -> int:
        """Return the memory of the largest process that settles, in kilobytes."""
        pool = psutil.Process(self._workers.workers.settle.pid).children()
        return max(process.memory_info().rss for process in pool) // 1024
