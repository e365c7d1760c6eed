"""`make soak MINUTES=…`: practices work while random accidents happen; then the books are checked.

It starts its own servers on this machine and stops by itself after the given minutes.
"""

import argparse
import random
import sys
import tempfile
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path

from kombu.exceptions import OperationalError

from core.db.engine import make_engine
from tests.acceptance.own_broker import own_broker
from tests.acceptance.product import Product
from tests.servers import running_servers
from tests.soak.accidents import Accidents
from tests.soak.clinic import JOB_SECONDS, Clinic
from tests.waiting import eventually
from tests.workers import running_workers

CLINICS = 3
BETWEEN_ACCIDENTS_SECONDS = (0.1, 1.5)
_ENDED_WITHOUT = "jobs ended while the broker was away"


def main() -> int:
    """Soak for the given minutes. Fail as soon as the books do not balance."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    given = parser.parse_args()
    random.seed(given.seed)
    print(f"Soaking for {given.minutes:g} minutes, seed {given.seed}.", flush=True)
    with (
        tempfile.TemporaryDirectory(prefix="soak-") as folder,
        running_servers() as (databases, _),
        own_broker(Path(folder)) as broker,
        databases.fresh() as url,
        running_workers(folder=Path(folder), database_url=url, broker_url=broker.url) as workers,
    ):
        engine = make_engine(url)
        product = Product(engine, url, broker.url, workers)
        survived = _soak(product, Accidents(product, broker), until=time.monotonic() + 60 * given.minutes)
        engine.dispose()
    for what, times in sorted(survived.items()):
        print(f"{times:>8,}  {what}")
    return 0


def _soak(product: Product, accidents: Accidents, *, until: float) -> Counter[str]:
    survived: Counter[str] = Counter()
    clinics = [Clinic(product, survived) for _ in range(CLINICS)]
    _work_without_the_broker(accidents, clinics)
    while time.monotonic() < until:
        survived[accidents.happen()] += 1
        accidents.repair()
        for clinic in clinics:
            ended = survived["jobs ended"]
            unfinished = clinic.act()
            if accidents.broker_is_away:
                survived[_ENDED_WITHOUT] += survived["jobs ended"] - ended
            for job in unfinished:
                if not accidents.broker_is_away:
                    with suppress(OperationalError):  # an accident cut its connections; the sweep finds the job
                        product.hint(job)
        time.sleep(random.uniform(*BETWEEN_ACCIDENTS_SECONDS))
    accidents.repair(now=True)
    eventually(lambda: _all_finished(product, accidents, clinics), seconds=JOB_SECONDS)
    assert clinics[0].given.violations() == []  # every invariant, across all practices
    assert survived["jobs ended"], "no job ended, so the soak proves nothing"
    return survived


def _work_without_the_broker(accidents: Accidents, clinics: list[Clinic]) -> None:
    """Run the first job of each practice from CONFIRM to its end while the broker is down."""
    survived = clinics[0].survived
    accidents.take_the_broker_away(seconds=JOB_SECONDS)
    for clinic in clinics:
        clinic.act()
    eventually(lambda: not [clinic for clinic in clinics if not clinic.finish()], seconds=JOB_SECONDS)
    survived[_ENDED_WITHOUT] += survived["jobs ended"]
    assert survived[_ENDED_WITHOUT], "no job ended while the broker was away"
    accidents.repair(now=True)


def _all_finished(product: Product, accidents: Accidents, clinics: list[Clinic]) -> bool:
    accidents.repair(now=True)
    return not [clinic for clinic in clinics if not clinic.finish()]


if __name__ == "__main__":
    sys.exit(main())
