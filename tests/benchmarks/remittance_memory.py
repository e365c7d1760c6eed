"""The memory of a worker that checks and imports an uploaded 835, small or large, whose claims all match."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import psutil

from core.db.engine import Sessions, transaction
from core.enums.imports import ImportStatus
from core.intake.uploads import commands, import_queries, lifecycle, receive
from core.intake.uploads.lifecycle import ImportKey
from core.models.claims import Claim, LineItem
from core.models.imports import ImportJob
from core.models.ledger import Posting
from core.settings import QUEUE_SETTLE, TASK_IMPORT
from tests import x12_files
from tests.benchmarks.measure import Row
from tests.benchmarks.places import Place
from tests.benchmarks.runs import LOOK_SECONDS, Crew, Sizes, crew, sessions_on, utc_now
from tests.factories import GivenPractice, Line, a_practice
from tests.folders import open_folder
from tests.remittances import SERVICE_ON

GROWTH_MAX_MB: Final = 8
_SMALL_BYTES: Final = 5_000_000
_OF_READING: Final = 5  # an import takes longer than a read, so its large file is a fifth of the reader's
_STEP: Final = 40  # of claim numbers: claims of `x12_files` have the same charges at this distance
_CLAIMS_OF_TRANSACTION: Final = 10_000
_CLAIM_BYTES: Final = len(x12_files.PLAIN.write(x12_files.paid_claim(_STEP * 100_000)))


def row(place: Place, sizes: Sizes) -> Row:
    """Return the row."""
    large_bytes = sizes.x12_bytes // _OF_READING
    small_bytes = min(_SMALL_BYTES, large_bytes // 10)
    small, large = (_megabytes_to_import(place, size // _CLAIM_BYTES) for size in (small_bytes, large_bytes))
    growth = large - small
    what = f"memory of a worker that imports an 835, from {small_bytes / 1e6:,.0f} to {large_bytes / 1e6:,.0f} MB"
    return Row(what, f"{growth:+.1f} MB", f"{small:.0f} MB", "", f"less than {GROWTH_MAX_MB} MB more",
               growth < GROWTH_MAX_MB)  # fmt: skip


def _megabytes_to_import(place: Place, claims: int) -> float:
    """Upload, check and import an 835 with a new worker. Return the worker's peak memory in MB."""
    database = place.migrated("remittance_memory")
    with sessions_on(place.url(database)) as sessions, open_folder() as folder:
        practice = a_practice(sessions)
        _add_claims(practice, claims)
        path = folder / "era.835"
        with path.open("wb") as file:
            file.writelines(_blocks(claims))
        with crew(place, database, processes=1) as workers:
            key = _upload(practice, path)
            assert _wait(workers, sessions, key, ImportStatus.READY).report is not None
            practice.act(commands.confirm, key)
            report = _wait(workers, sessions, key, ImportStatus.IMPORTED).report
            assert report is not None
            assert report["x12"]["remittances"]["outcomes"] == {"posted": claims}
            return _peak_megabytes(workers)


def _add_claims(practice: GivenPractice, claims: int) -> None:
    """Add the claims that the file answers, as copies of one claim."""
    practice.claim("A0", Line(6_000), Line(4_000), service_date=SERVICE_ON)
    practice.sql("UPDATE line_item SET procedure_code = '85025' WHERE number = 2")
    kept = {table: ", ".join(_copied(table)) for table in (Claim, LineItem, Posting)}
    practice.sql(
        f"INSERT INTO claim (external_id, {kept[Claim]}) SELECT 'A' || number * {_STEP}, {kept[Claim]} FROM claim, "
        "generate_series(1, :last) number",
        last=claims - 1,
    )
    for table in (LineItem, Posting):
        columns = ", ".join(f"of_first.{one}" for one in kept[table].split(", "))
        name = table.__tablename__
        practice.sql(
            f"INSERT INTO {name} (claim_id, {kept[table]}) SELECT new.id, {columns} FROM {name} of_first "
            "JOIN claim old ON old.id = of_first.claim_id JOIN claim new ON new.id > old.id"
        )
    practice.sql("ANALYZE")


def _copied(table: type[Claim | LineItem | Posting]) -> list[str]:
    return [one.name for one in table.__table__.columns if one.name not in ("id", "external_id", "claim_id")]


def _blocks(claims: int) -> Iterator[bytes]:
    """Yield the file in blocks of one transaction each."""
    for number, first in enumerate(range(0, claims, _CLAIMS_OF_TRANSACTION), 1):
        indexes = range(first * _STEP, min(claims, first + _CLAIMS_OF_TRANSACTION) * _STEP, _STEP)
        paid = f"{sum(map(x12_files.paid_cents, indexes)) / 100:.2f}"
        remittance = x12_files.remittance([x12_files.paid_claim(one) for one in indexes], paid=paid, number=number)
        yield x12_files.PLAIN.write(x12_files.interchange([remittance], number=number)).encode()


def _upload(practice: GivenPractice, path: Path) -> ImportKey:
    with path.open("rb") as file:
        job = practice.act(
            receive.receive_at_once, [(path.name, file)], bytes_max=path.stat().st_size, idempotency_key="one",
            now=utc_now(),
        )  # fmt: skip
    return lifecycle.key_of(job)


def _wait(workers: Crew, sessions: Sessions, key: ImportKey, status: ImportStatus) -> ImportJob:
    """Hint at the import and wait until the worker has brought it to this status."""
    workers.workers.hint(TASK_IMPORT, *key, queue=QUEUE_SETTLE)
    while True:
        with transaction(sessions) as session:
            job = import_queries.find(session, key)
        if job.status is status:
            return job
        assert job.status is not ImportStatus.REFUSED, job.report
        time.sleep(LOOK_SECONDS)


def _peak_megabytes(workers: Crew) -> float:
    """Return the largest peak of the processes that import."""
    pool = psutil.Process(workers.workers.settle.pid).children()
    peaks = [Path(f"/proc/{one.pid}/status").read_text().split("VmHWM:")[1].split()[0] for one in pool]
    return max(map(int, peaks)) / 1024
