"""Recording and posting a remittance: claims for each second, and the memory of a worker."""

from pathlib import Path
from typing import Final

from core.books.invariants import begin_snapshot, violations
from core.db.engine import make_engine, make_sessions, transaction
from core.intake.remittances.import_remittances import import_remittances
from core.models.practices import Practice
from tests import x12_files
from tests.benchmarks import remittance_memory
from tests.benchmarks.measure import Row, Watch
from tests.benchmarks.places import Place
from tests.benchmarks.runs import Sizes, utc_now
from tests.factories import Line, a_practice
from tests.folders import open_folder
from tests.remittances import SERVICE_ON, clp, svc

CLAIMS_A_SECOND_MIN: Final = 2_000
_ADDED_AT_ONCE: Final = 5_000


def rows(place: Place, sizes: Sizes) -> list[Row]:
    """Return the rows of time and of memory."""
    return [_time(place, sizes), remittance_memory.row(place, sizes)]


def _time(place: Place, sizes: Sizes) -> Row:
    claims = sizes.settled
    given = place.migrated("remittances")
    sessions = make_sessions(make_engine(place.url(given)))
    practice = a_practice(sessions)
    for first in range(0, claims, _ADDED_AT_ONCE):
        numbers = [f"A{index}" for index in range(first, min(claims, first + _ADDED_AT_ONCE))]
        practice.alike(numbers, Line(6_000), Line(4_000))
    practice.sql("UPDATE claim SET service_date = :day", day=SERVICE_ON)
    practice.sql("ANALYZE")
    watch = Watch()
    with open_folder() as folder:
        file = folder / "era.835"
        _write(file, claims)
        place.settle_down()
        with watch.running(), transaction(sessions) as session:
            done = import_remittances(
                session, session.get_one(Practice, practice.id), [file], import_id=None, is_check=False, by=None,
                now=utc_now(),
            )  # fmt: skip
    assert dict(done.outcomes) == {"posted": claims}
    with sessions() as session:
        begin_snapshot(session)  # as `settle verify` does
        assert violations(session) == []
    rate = claims / watch.median
    what = f"Read, record and post an 835 of {claims:,} claims with 2 lines and 6 postings"
    return Row(what, f"{watch.median:.1f} s", "", f"{rate:,.0f} claims/s", f"{CLAIMS_A_SECOND_MIN:,}",
               rate >= CLAIMS_A_SECOND_MIN)  # fmt: skip


def _write(file: Path, claims: int) -> None:
    body = [
        clp(
            f"A{index}", "100", "70", svc("60", "40", "CO*45*10", "PR*2*10"), svc("40", "30", "CO*45*10"), patient="10",
            icn=f"ICN{index}", name=f"SAMPLE{index % 997}",
        )
        for index in range(claims)
    ]  # fmt: skip
    segments = x12_files.interchange([x12_files.remittance(body, paid=f"{claims * 70}.00")])
    file.write_text(x12_files.PLAIN.write(segments))
