"""Settling with a dead or frozen broker against settling with a working one, from CONFIRM to the end."""

import os
import signal
from typing import Final

from tests.benchmarks import runs
from tests.benchmarks.claims import Practice, make_practice
from tests.benchmarks.measure import Row, Watch, per_second
from tests.benchmarks.places import Place
from tests.benchmarks.runs import Sizes
from tests.servers import broker_client

SHARE_MIN: Final = 0.5


def rows(place: Place, sizes: Sizes) -> list[Row]:
    """Return a row for each kind of failure. The frozen broker comes first, because the dead one stays dead."""
    given = place.migrated("away")
    practice = make_practice(
        place.url(given, superuser=True), name="Lakeside", claims=sizes.settled, now=runs.utc_now()
    )
    normal = _settled(place, given, practice, None)
    troubles = {"frozen": signal.SIGSTOP, "dead": signal.SIGKILL}
    return [_row(how, sizes.settled, _settled(place, given, practice, sent), normal) for how, sent in troubles.items()]


def _row(how: str, claims: int, seconds: float, normal: float) -> Row:
    share = normal / seconds
    what = f"settling {claims:,} claims, the broker {how} after CONFIRM / at work"
    given = per_second(claims, seconds), per_second(claims, normal), f"{share:.2f} ×"
    return Row(what, *given, f"{SHARE_MIN:g} ×", share >= SHARE_MIN)


def _settled(place: Place, given: str, practice: Practice, trouble: signal.Signals | None) -> float:
    """Return the seconds from CONFIRM to the end of the job."""
    watch = Watch()
    with place.copy_of(given, "away_now") as database, runs.sessions_on(place.url(database)) as sessions:
        job = runs.preview(sessions, practice.biller)
        with runs.crew(place, database) as workers:
            if trouble is None:
                runs.run(sessions, job, practice.biller, workers, watch)
                return watch.median
            broker = int(broker_client(place.broker_url).info()["process_id"])
            place.settle_down()
            with watch.running():
                runs.confirm(sessions, job, practice.biller)
                os.kill(broker, trouble)
                runs.wait_for(sessions, job)
        if trouble is signal.SIGSTOP:
            os.kill(broker, signal.SIGCONT)
    return watch.median
