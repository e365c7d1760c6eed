"""A matched chain of files ends right to the cent after every file, although its workers are killed at random.

With SETTLE_CHAIN_SEEDS=30, it tries 30 orders. A seed gives the same files in the same order each time.
"""

import os
import random
from pathlib import Path
from typing import Final

import pytest
from psutil import Process
from sqlalchemy import select, text

from core.db.engine import Sessions
from core.enums.imports import ImportStatus
from core.intake.uploads import commands
from core.intake.uploads.lifecycle import ImportKey
from core.models.claims import Claim
from core.settings import TASK_IMPORT
from tests.factories import a_practice
from tests.uploads import Uploads, uploads_of
from tests.waiting import eventually
from tests.workers import Workers
from tests.x12_chain import Balance, File, balances_after, chain

SEEDS: Final = range(int(os.environ.get("SETTLE_CHAIN_SEEDS") or 1))
KILLS_MAX: Final = 2  # of a check, and of an import. A third one would end it.
KILLED: Final = 0.15  # of the checks and imports, besides one
WHOLE: Final = 0.2  # of the kills end the whole worker; others end its pool, which it starts again
S = ImportStatus
# When the statement began that the importing worker runs, or last ran. It holds the lease of its practice.
_STATEMENT: Final = text(
    "SELECT (SELECT max(a.query_start) FROM pg_stat_activity a JOIN pg_locks l USING (pid) "
    "        WHERE l.locktype = 'advisory' AND l.granted AND a.datname = current_database()), "
    "       (SELECT status FROM import_job WHERE practice_id = :practice_id AND id = :id)"
)


class Chain:
    """One practice, whose imports are run by real workers that die."""

    def __init__(self, uploads: Uploads, workers: Workers, dice: random.Random) -> None:
        self.uploads, self.workers, self.dice = uploads, workers, dice
        self.statements_max = 5  # of a check or an import, as far as they were seen
        self.owed, self.kills = 1, 0  # an import that is faster than a kill leaves it to the next one

    def take(self, name: str, content: bytes) -> None:
        """Check and import one file. If the check finds nothing new, discard it."""
        before = self.balances()
        key = self.uploads.upload({name: content}, key=name)
        self._run(key, S.READY)
        assert self.balances() == before, "a check changed the books"
        job = self.uploads.read(key)
        assert job.report is not None
        if job.report["nothing_new"]:
            self.uploads.practice.act(commands.discard, key)
        else:
            self.uploads.practice.act(commands.confirm, key)
            self._run(key, S.IMPORTED)

    def balances(self) -> dict[str, Balance]:
        """Return what is open on each claim."""
        found = select(Claim.external_id, Claim.insurance_due, Claim.patient_due)
        with self.uploads.practice.sessions() as session:
            rows = session.execute(found.where(Claim.practice_id == self.uploads.practice.id))
            return {number: Balance(*cents) for number, *cents in rows}

    def _run(self, key: ImportKey, wanted: ImportStatus) -> None:
        """Let the workers bring the import to this status, and kill them on the way."""
        self.owed += self.dice.random() < KILLED
        for _ in range(KILLS_MAX):
            if self.owed and self._sees_statements(key, wanted):
                self._kill()
        self.workers.hint(TASK_IMPORT, *key)
        eventually(lambda: self._look(key)[1] == wanted, seconds=60)

    def _sees_statements(self, key: ImportKey, wanted: ImportStatus) -> bool:
        """Wait until the importing worker has begun a random number of statements. Return False if it was faster."""
        self.workers.hint(TASK_IMPORT, *key)
        begun, least = set[object](), self.dice.randint(1, self.statements_max)

        def is_reached() -> bool:
            statement, status = self._look(key)
            begun.add(statement)
            return len(begun) > least or status == wanted  # `begun` also has None

        eventually(is_reached, seconds=60)
        self.statements_max = max(self.statements_max, len(begun))
        return len(begun) > least

    def _look(self, key: ImportKey) -> tuple[object, str]:
        self.workers.keep_up()  # a pool that dies in the wrong moment takes its worker along
        with self.uploads.practice.sessions() as session:
            statement, status = session.execute(_STATEMENT, {"practice_id": key.practice_id, "id": key.import_id}).one()
            return statement, status

    def _kill(self) -> None:
        """Kill the pool, or the whole worker. A worker starts its pool again."""
        self.owed, self.kills = self.owed - 1, self.kills + 1
        settle = self.workers.settle
        if self.dice.random() < WHOLE:
            settle.kill()
            settle.begin()
        elif settle.is_running():
            for process in Process(settle.pid).children():
                process.kill()


@pytest.mark.slow
@pytest.mark.parametrize("seed", SEEDS)
def test_a_chain_is_right_to_the_cent_after_every_file_though_workers_are_killed(
    sessions: Sessions, worker: Workers, tmp_path: Path, seed: int
) -> None:
    practice, done = a_practice(sessions), list[File]()
    with uploads_of(practice, tmp_path / "template") as uploads:
        books = Chain(uploads, worker, random.Random(seed))
        for file in chain(random.Random(seed)):
            books.take(file.name, file.content)
            done.append(file)
            order = [one.name for one in done]
            assert books.balances() == balances_after(done), order
            assert practice.violations() == [], order
    assert books.kills
