"""Races between two connections behind a barrier: the result is always right."""

import datetime as dt

from sqlalchemy import select

from core.db.engine import transaction
from core.enums.jobs import JobStatus
from core.errors import Refusal
from core.jobs import commands
from core.jobs.execution import finish
from core.models.job_items import JobChunk, JobFailure
from core.models.jobs import SettleJob
from tests.at_once import raised_at_once
from tests.factories import NOW, GivenPractice


def test_two_last_chunks_finishing_together_complete_the_job_once(practice: GivenPractice, rounds: int) -> None:
    for round_ in range(rounds):
        first = 1 + 2 * round_
        practice.claims(2, first=first)
        numbers = [f"C{first:05d}", f"C{first + 1:05d}"]
        job = practice.confirmed({"claim_ids": numbers}, key=f"round {round_}", chunk_claims=1)
        taken = [practice.take_chunk() for _ in range(2)]

        assert raised_at_once(*(lambda chunk=chunk: practice.settle_chunk(chunk) for chunk in taken)) == []

        assert practice.progress(job).status is JobStatus.COMPLETED, round_
    assert practice.violations() == []


def test_a_retry_that_reopens_a_chunk_while_the_job_finishes_is_never_lost(
    practice: GivenPractice, rounds: int
) -> None:
    practice.claims(2)
    practice.refuse_to_settle("C00002")
    job = practice.confirmed(chunk_claims=1)
    practice.run()
    for round_ in range(rounds):
        _fail_the_second_claim(practice, job)

        def retry() -> None:
            practice.act(commands.retry_failed, job)

        def end() -> None:
            practice.do(finish.advance, job, now=NOW)

        raised = raised_at_once(retry, end)

        assert all(isinstance(error, Refusal) for error in raised)
        seen = practice.progress(job)
        if seen.status is JobStatus.COMPLETED:
            assert seen.chunks_open == 0, round_
        else:
            assert seen.status is JobStatus.CONFIRMED
            assert seen.chunks_open == 1


def _fail_the_second_claim(practice: GivenPractice, job: tuple[int, int]) -> None:
    """Put the job just before its finish: its second claim failed, it runs, and no chunk is open."""
    from sqlalchemy import update

    from core.enums.job_items import ChunkState, Outcome
    from core.models.job_items import JobItem

    of = {"practice_id": job[0], "job_id": job[1]}
    with transaction(practice.sessions) as session:
        session.execute(
            update(JobItem)
            .filter_by(**of, position=2)
            .values(outcome=Outcome.FAILED, code="claim_locked", version_after=None)
        )
        session.execute(
            update(JobChunk)
            .filter_by(**of, first_position=2)
            .values(state=ChunkState.DONE, settled=0, failed=1, insurance_cents=0, patient_cents=0)
        )
        session.execute(update(SettleJob).filter_by(practice_id=job[0], id=job[1]).values(status=JobStatus.HALTED))


def test_concurrent_retries_make_one_attempt(practice: GivenPractice) -> None:
    practice.claims(2)
    practice.refuse_to_settle("C00002")
    job = practice.confirmed(chunk_claims=1)
    practice.run()
    _fail_the_second_claim(practice, job)

    def retry() -> None:
        practice.act(commands.retry_failed, job, now=NOW + dt.timedelta(seconds=1))

    raised = raised_at_once(retry, retry, retry)

    assert all(isinstance(error, commands.WrongStatus) for error in raised)
    with practice.sessions() as session:
        assert [failure.attempt for failure in session.scalars(select(JobFailure))] == [1]
