"""A job with too many failures halts and waits for a user."""

import pytest
from sqlalchemy import text

from core.db.engine import transaction
from core.enums.jobs import JobStatus
from core.jobs import commands
from tests.factories import GivenPractice


def test_twenty_identical_failures_halt_the_job_before_all_claims_fail(practice: GivenPractice) -> None:
    numbers = practice.claims(120)
    practice.refuse_to_settle(*numbers)
    job = practice.confirmed(chunk_claims=10)

    practice.run()

    seen = practice.progress(job)
    assert seen.status is JobStatus.HALTED
    assert practice.read_job(job).halted_because == "failures_alike"
    assert 20 <= seen.failed < 40
    assert seen.remaining >= 80
    assert practice.violations() == []


def test_more_than_half_of_at_least_fifty_claims_failing_halts_the_job(practice: GivenPractice) -> None:
    numbers = practice.claims(120)
    with transaction(practice.sessions) as session:  # repeated failures are not the subject of this test
        session.execute(text("UPDATE practice SET failures_alike_max = 1000"))
    practice.refuse_to_settle(*numbers[5:])
    job = practice.confirmed(chunk_claims=10)

    practice.run()

    seen = practice.progress(job)
    assert (seen.status, practice.read_job(job).halted_because) == (JobStatus.HALTED, "too_many_failed")
    assert 50 <= seen.done < 70


def test_a_halted_job_continues_when_a_user_resumes_it_with_a_reset_failure_count(practice: GivenPractice) -> None:
    numbers = practice.claims(60)
    practice.refuse_to_settle(*numbers[:25])
    job = practice.confirmed(chunk_claims=10)
    practice.run()
    assert practice.progress(job).status is JobStatus.HALTED

    practice.act(commands.resume, job)
    practice.run()

    seen = practice.progress(job)
    assert (seen.status, seen.failed, seen.settled) == (JobStatus.COMPLETED, 25, 35)
    assert practice.violations() == []


@pytest.mark.parametrize("failures", [1, 19])
def test_a_few_failures_do_not_halt_the_job(practice: GivenPractice, failures: int) -> None:
    numbers = practice.claims(60)
    practice.refuse_to_settle(*numbers[:failures])
    job = practice.confirmed(chunk_claims=20)

    practice.run()

    assert practice.progress(job).status is JobStatus.COMPLETED
    assert practice.counts(job)["failed"] == failures
