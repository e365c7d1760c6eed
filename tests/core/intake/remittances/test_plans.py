"""PostgreSQL reads in proportion to the answers, although its statistics are older than the import."""

from pathlib import Path

import pytest
from sqlalchemy import text

from core.db.engine import transaction as begin
from core.intake.remittances import import_remittances
from core.models.practices import Practice
from tests.factories import NOW, GivenPractice, Line
from tests.remittances import SERVICE_ON, clp, st, svc, write

CLAIMS = 150
ROWS_READ_MAX = 80  # of the ledger, for each claim
_ROWS_READ = "SELECT seq_tup_read + coalesce(idx_tup_fetch, 0) FROM pg_stat_xact_user_tables WHERE relname = 'posting'"
_COUNTED = """
    SELECT c.relname, c.reltuples::int FROM pg_class c
    WHERE c.relname IN ('posting', 'remittance', 'remittance_claim', 'remittance_line') ORDER BY 1
"""


def load(practice: GivenPractice, path: Path) -> int:
    """Import the file. Return how many postings the server read."""
    with begin(practice.sessions) as session:
        done = import_remittances.import_remittances(
            session, session.get_one(Practice, practice.id), [path], import_id=None, is_check=False, by=None, now=NOW
        )
        assert done.outcomes == {"posted": CLAIMS}
        return int(session.scalar(text(_ROWS_READ)) or 0)


def test_an_import_and_its_reversal_read_few_rows_and_leave_statistics(
    practice: GivenPractice, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    numbers = [f"A{number}" for number in range(CLAIMS)]
    practice.alike(numbers, Line(6_000), Line(4_000))
    practice.sql("UPDATE claim SET service_date = :day", day=SERVICE_ON)
    monkeypatch.setattr(import_remittances, "BATCH_ANSWERS", CLAIMS)
    paid = [clp(one, "100", "70", svc("60", "40", "CO*45*20"), svc("40", "30", "CO*45*10"), icn=one) for one in numbers]
    taken = [
        clp(one, "-100", "-70", svc("-60", "-40", "CO*45*-20"), svc("-40", "-30", "CO*45*-10"), status="22", icn=one)
        for one in numbers
    ]
    after = [f"PLB*1234567893*20261231*FB:X*-{70 * CLAIMS}"]

    first = load(practice, write(tmp_path / "paid.835", st(*paid, paid=str(70 * CLAIMS))))
    with practice.sessions() as session:
        counted = session.execute(text(_COUNTED)).all()
    second = load(practice, write(tmp_path / "taken.835", st(*taken, paid="0", number=2, after=after)))

    assert counted == [
        ("posting", 6 * CLAIMS), ("remittance", 1), ("remittance_claim", CLAIMS), ("remittance_line", 2 * CLAIMS)
    ]  # fmt: skip
    assert first < ROWS_READ_MAX * CLAIMS
    assert second < ROWS_READ_MAX * CLAIMS
    assert practice.violations() == []
