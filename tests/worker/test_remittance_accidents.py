"""Workers that import a remittance are killed in the middle while a job settles the same claims. No cent is lost."""

from functools import partial
from pathlib import Path

import pytest
from sqlalchemy import text

from core.db.engine import Sessions
from core.enums.imports import ImportStatus
from core.enums.jobs import JobStatus
from core.intake.uploads import commands, lifecycle
from core.intake.uploads.lifecycle import ImportKey
from core.models.jobs import SettleJob
from core.settings import TASK_IMPORT, TASK_WORK
from tests.factories import GivenPractice, a_practice
from tests.remittances import clp, svc
from tests.uploads import Uploads, uploads_of
from tests.waiting import eventually
from tests.workers import Workers
from tests.x12_files import PLAIN, interchange, remittance, whole_claim_file

CLAIMS = 1_200  # more than a batch
IN_JOB = 60
KILLS = 2  # a third one would end the import
S = ImportStatus
# Of each answer: its outcome, and the count and the cents of its postings by kind.
_ANSWERS = """
    SELECT a.outcome, count(p.id),
           coalesce(sum(p.amount_cents) FILTER (WHERE p.kind = 'payment'), 0)::int,
           coalesce(sum(p.amount_cents) FILTER (WHERE p.kind = 'adjustment'), 0)::int,
           coalesce(sum(p.amount_cents) FILTER (WHERE p.kind = 'transfer'), 0)::int
    FROM remittance_claim a LEFT JOIN posting p ON p.practice_id = a.practice_id AND p.source = 'remittance'
         AND p.claim_id = a.claim_id AND p.source_id LIKE a.remittance_id || '.' || a.ordinal || '.%'
    GROUP BY a.remittance_id, a.ordinal, a.outcome
"""


def answer(index: int) -> list[str]:
    """Return an answer that pays $70.00 of $100.00, of which $20.00 is contractual and $10.00 is the patient's."""
    first = svc("60", "40", "CO*45*10", "PR*2*10", code="HC:99213:25", control=f"{index}L1")
    second = svc("40", "30", "CO*45*10", code="HC:85025", control=f"{index}L2")
    found = clp(f"A{index}", "100", "70", first, second, patient="10", icn=f"ICN{index}", day="20260102")
    return [segment.replace("*MI*W1", f"*MI*W{index}") for segment in found]


def import_until_done(uploads: Uploads, key: ImportKey, workers: Workers) -> None:
    """Confirm the import, and again if its check is no longer true because the job has settled claims."""

    def moved() -> bool:
        return uploads.read(key).status in (S.READY, S.IMPORTED)

    def is_hit(attempt: int) -> bool:
        job = uploads.read(key)
        return moved() or (job.phase == "remittances" and job.attempts >= attempt)

    kills = 0
    while uploads.read(key).status is not S.IMPORTED:
        uploads.practice.act(commands.confirm, key)
        workers.hint(TASK_IMPORT, *key)
        while kills < KILLS and not moved():
            kills += 1
            eventually(partial(is_hit, kills), seconds=60)
            workers.settle.kill()
            workers.settle.start()
        eventually(moved, seconds=60)


def job_on_some_claims(practice: GivenPractice) -> SettleJob:
    practice.sql("UPDATE claim SET primary_status = 'none'")
    key = practice.confirmed({"claim_ids": [f"A{one}" for one in range(0, CLAIMS, CLAIMS // IN_JOB)]}, chunk_claims=10)
    with practice.sessions() as session:
        return session.get_one(SettleJob, (practice.id, key.job_id))


@pytest.mark.slow
def test_each_cent_of_a_remittance_is_posted_once_or_held(sessions: Sessions, worker: Workers, tmp_path: Path) -> None:
    practice = a_practice(sessions)
    with uploads_of(practice, tmp_path / "template") as uploads:
        worker.settle.kill()
        sent = PLAIN.write(interchange([whole_claim_file(CLAIMS)], kind="837"))
        uploads.imported({"a.837": sent.encode()}, key="sent")
        paid = PLAIN.write(interchange([remittance([answer(one) for one in range(CLAIMS)], paid=f"{70 * CLAIMS}")]))
        key = lifecycle.key_of(uploads.checked({"a.835": paid.encode()}, key="paid"))
        job = job_on_some_claims(practice)
        worker.settle.start()
        worker.hint(TASK_WORK, practice.id, job.id)
        import_until_done(uploads, key, worker)

    def is_completed() -> bool:
        with sessions() as session:
            return session.get_one(SettleJob, (practice.id, job.id)).status is JobStatus.COMPLETED

    eventually(is_completed, seconds=60)
    practice.sql("ANALYZE")  # without statistics, the checks compare every answer with every posting
    with sessions() as session:
        answers = [tuple(row) for row in session.execute(text(_ANSWERS))]
    posted = [row for row in answers if row[0] in ("posted", "warned")]
    assert len(answers) == CLAIMS
    assert {row[1:] for row in posted} == {(6, -70_00, -20_00, 0)}
    assert {row[1:] for row in answers if row not in posted} <= {(0, 0, 0, 0)}
    assert len(posted) >= CLAIMS - IN_JOB
    assert practice.violations() == []
