"""A practice ten times as large: whether settling, the feed and progress keep their speed.

It needs 50 GB of disk at full size, so `make bench` runs it only if it is named.
"""

import time
from typing import Final, NamedTuple

from core.db.scope import of_practice
from tests.benchmarks import reading, runs
from tests.benchmarks.claims import make_practice
from tests.benchmarks.measure import Row, Watch, ms, per_second
from tests.benchmarks.places import Place
from tests.benchmarks.runs import Sizes
from tests.roles import as_web

TIMES_LARGER: Final = 10
RATE_RATIO_MIN: Final = 0.9
PROGRESS_SECONDS_MAX: Final = 0.02
POLLS: Final = 200


class _Measured(NamedTuple):
    seconds: float  # from CONFIRM to Completed
    polls: Watch  # of the progress while the job ran
    pages: list[Row]  # of the feed, before the job


def rows(place: Place, sizes: Sizes) -> list[Row]:
    """Return the rows of a practice with ten times `sizes.many` claims, next to those with `sizes.many`."""
    few, many = sizes.many, TIMES_LARGER * sizes.many
    small, large = _measure(place, few), _measure(place, many)
    ratio = (many / large.seconds) / (few / small.seconds)
    return [
        Row(f"a job of {many:,} claims / of {few:,}, claims settled", per_second(many, large.seconds),
            per_second(few, small.seconds), f"{ratio:.2f} ×", f"{RATE_RATIO_MIN:g} ×", ratio >= RATE_RATIO_MIN),
        Row(f"its progress while it runs / of {few:,}, p95", ms(large.polls.p95), ms(small.polls.p95), "",
            f"under {ms(PROGRESS_SECONDS_MAX)}", large.polls.p95 < PROGRESS_SECONDS_MAX),
        *(Row(f"{page.what}, {many:,} claims / {few:,}", page.product, before.product, "", page.at_least, page.reached)
          for page, before in zip(large.pages, small.pages, strict=True)),
    ]  # fmt: skip


def _measure(place: Place, claims: int) -> _Measured:
    given = place.migrated("large")
    practice = make_practice(place.url(given, superuser=True), name="Lakeside", claims=claims, now=runs.utc_now())
    place.run_in(given, "VACUUM ANALYZE")  # as autovacuum has done in a practice of this size
    with runs.sessions_on(as_web(place.url(given))) as of_web, runs.crew(place, given) as workers:
        sessions = of_practice(of_web, practice.id)
        pages = reading.pages(sessions, practice, claims)
        job = runs.preview(sessions, practice.biller)
        place.settle_down()
        begun = time.perf_counter()
        runs.confirm(sessions, job, practice.biller)
        workers.hint(job)
        while runs.progress(sessions, job).done < claims // TIMES_LARGER:
            time.sleep(runs.LOOK_SECONDS)
        polls = Watch()
        for _ in range(POLLS):
            with polls.running():
                runs.progress(sessions, job)
        runs.wait_for(sessions, job)
        return _Measured(time.perf_counter() - begun, polls, pages)
