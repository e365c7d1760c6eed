"""A job's timing: rates and charts count working time; pauses are reported separately."""

import datetime as dt
from collections.abc import Callable

import pytest
from sqlalchemy import update

from core.db.engine import transaction
from core.enums.jobs import JobStatus
from core.jobs import commands, lifecycle
from core.jobs.execution import engine, finish
from core.jobs.keys import JobKey
from core.jobs.results import progress
from core.models.jobs import SettleJob
from tests.factories import NOW, GivenPractice


class Run:
    """A job of 12 claims in chunks of 2; each chunk takes two seconds."""

    def __init__(self, practice: GivenPractice) -> None:
        self.practice = practice
        practice.claims(12)
        self.job = practice.preview(chunk_claims=2)
        practice.confirm(self.job)
        self.at = NOW

    def work(self, chunks_wanted: int = 1) -> None:
        for _ in range(chunks_wanted):
            taken = self.practice.take_chunk(now=self.at)
            self.at += dt.timedelta(seconds=2)
            self.practice.settle_chunk(taken, clock=lambda: self.at)

    def act(self, command: Callable[..., SettleJob]) -> None:
        self.practice.act(command, self.job, now=self.at)
        self.practice.do(finish.advance, self.job, now=self.at)

    def wait(self, **by: float) -> None:
        self.at += dt.timedelta(**by)

    def pause(self, **by: float) -> None:
        self.act(commands.pause)
        self.wait(**by)
        self.act(commands.resume)

    @property
    def progress(self) -> progress.Progress:
        return self.practice.progress(self.job, now=self.at)

    def chart(self) -> list[tuple[int, int]]:
        start = int(NOW.timestamp())
        points = self.practice.do(progress.claims_per_second, self.job, now=self.at)
        return [(at - start, claims) for at, claims in points]


@pytest.fixture
def run(practice: GivenPractice) -> Run:
    return Run(practice)


def test_a_pause_does_not_count_as_working_time(run: Run) -> None:
    run.work(3)
    run.pause(minutes=4)
    run.work(3)

    seen = run.progress

    assert seen.status is JobStatus.COMPLETED
    assert (seen.worked_seconds, seen.paused_seconds) == (12, 240)
    assert seen.rate_per_second == 1.0
    assert seen.finished_at == NOW + dt.timedelta(seconds=12, minutes=4)


def test_a_paused_jobs_chart_shows_the_minute_in_which_it_ran(run: Run) -> None:
    run.work(3)
    run.act(commands.pause)
    shown = run.chart()
    run.wait(hours=2)

    assert run.progress.status is JobStatus.PAUSED
    assert run.chart() == shown == [(1, 0), (2, 2), (3, 0), (4, 2), (5, 0), (6, 2)]
    assert (run.progress.rate_per_second, run.progress.seconds_left) == (None, None)
    assert (run.progress.worked_seconds, run.progress.paused_seconds) == (6, 0)


def test_the_chart_of_a_resumed_job_omits_its_pauses(run: Run) -> None:
    run.work(2)
    run.pause(minutes=10)
    run.work(1)
    run.pause(minutes=20)
    run.work(3)
    run.wait(days=1)

    first, second = 600, 1_800
    assert run.chart() == [
        *((1, 0), (2, 2), (3, 0), (4, 2)),
        *((first + 5, 0), (first + 6, 2)),
        *((second + 7, 0), (second + 8, 2), (second + 9, 0), (second + 10, 2), (second + 11, 0)),
        (second + 12, 2),
    ]
    assert (run.progress.worked_seconds, run.progress.paused_seconds) == (12, 1_800)


def test_the_rate_of_a_resumed_job_counts_from_its_resumption(run: Run) -> None:
    run.work(2)
    run.pause(seconds=3)
    run.work(1)

    assert run.progress.rate_per_second == 1.0, "2 claims in the 2 seconds since; 6 claims in the last 10 before"
    assert run.progress.seconds_left == 6
    assert run.progress.worked_seconds is None


def test_no_rate_is_above_the_busiest_second_of_the_chart(run: Run) -> None:
    run.wait(seconds=0.7)
    for seconds in (0.4, 0.4, 0.3, 0.5, 0.3):
        taken = run.practice.take_chunk(now=run.at)
        run.wait(seconds=seconds)
        run.practice.settle_chunk(taken, clock=lambda: run.at)
        rate = run.progress.rate_per_second
        assert rate is None or rate <= max(claims for _, claims in run.chart()), run.at

    assert run.progress.rate_per_second == 4.0, "4 claims in the only whole second; 10 in all 1.9 seconds"


def test_a_resumed_job_has_no_rate_before_a_worker_takes_it(run: Run) -> None:
    run.work(2)
    run.pause(seconds=3)
    run.wait(seconds=2)

    assert (run.progress.status, run.progress.rate_per_second, run.progress.seconds_left) == (
        JobStatus.CONFIRMED, None, None,
    )  # fmt: skip


def test_a_job_resumed_after_a_long_pause_is_not_stalled_immediately(run: Run) -> None:
    run.work(1)
    run.pause(hours=1)

    assert run.progress.stalled_because is None
    run.wait(minutes=2)
    assert run.progress.stalled_because == "no_worker"


def test_a_halt_counts_as_a_pause(run: Run) -> None:
    run.work(3)
    with transaction(run.practice.sessions) as session:
        lifecycle.lock(session, run.job)
        finish.halt(session, run.job, because="failure_budget", now=run.at)
    run.wait(minutes=5)
    assert (run.progress.rate_per_second, run.progress.worked_seconds) == (None, 6)

    run.act(commands.resume)
    run.work(3)

    assert (run.progress.worked_seconds, run.progress.paused_seconds) == (12, 300)
    assert run.progress.rate_per_second == 1.0


def test_the_time_before_a_retry_is_not_working_time_and_the_retry_counts_only_its_claims(
    practice: GivenPractice,
) -> None:
    practice.claims(10)
    job = practice.confirmed()
    practice.run_while_locked("C00004")
    failed = practice.progress(job)
    assert (failed.status, failed.failed) == (JobStatus.COMPLETED, 1)
    assert failed.worked_seconds is not None

    later = NOW + dt.timedelta(days=1)
    practice.act(commands.retry_failed, job, now=later)
    taken = practice.take_chunk(now=later)
    until = later + dt.timedelta(seconds=4)
    practice.settle_chunk(taken, clock=lambda: until)

    seen = practice.progress(job, now=until)
    assert seen.status is JobStatus.COMPLETED
    assert seen.worked_seconds == failed.worked_seconds + 4
    assert failed.finished_at is not None
    assert seen.paused_seconds == (later - failed.finished_at).total_seconds()
    chart = practice.do(progress.claims_per_second, job, now=until)
    assert chart[-1] == (int(until.timestamp()), 1), "the nine others were settled a day before"


def test_a_job_canceled_while_paused_counts_only_the_time_before_the_pause(run: Run) -> None:
    run.work(2)
    run.act(commands.pause)
    run.wait(hours=3)
    run.act(commands.cancel)

    assert run.progress.status is JobStatus.CANCELLED
    assert (run.progress.worked_seconds, run.progress.paused_seconds) == (4, 3 * 3_600)
    assert run.progress.rate_per_second == 1.0


def test_a_job_of_less_than_a_second_has_no_rate(practice: GivenPractice) -> None:
    practice.claims(5)
    job = practice.confirmed()
    engine.work(practice.sessions, worker="tester", clock=lambda: NOW)

    seen = practice.progress(job)

    assert (seen.status, seen.worked_seconds, seen.rate_per_second) == (JobStatus.COMPLETED, 0, None)


@pytest.fixture
def unreconciled(run: Run) -> Run:
    """The job after its last claim, before its totals are checked."""
    run.work(6)
    with transaction(run.practice.sessions) as session:
        running = {"status": JobStatus.RUNNING, "finished_at": None}
        session.execute(update(SettleJob).where(*run.job.of(SettleJob)).values(running))
    return run


def test_a_job_without_remaining_claims_that_has_not_ended_is_reconciling(unreconciled: Run) -> None:
    seen = unreconciled.progress

    assert (seen.remaining, seen.reconciling, seen.seconds_left) == (0, True, None)
    assert progress.as_json(seen)["reconciling"] is True

    unreconciled.practice.do(finish.advance, unreconciled.job, now=unreconciled.at)
    assert (unreconciled.progress.status, unreconciled.progress.reconciling) == (JobStatus.COMPLETED, False)


def test_a_job_with_claims_left_is_not_reconciling(run: Run) -> None:
    run.work(5)

    assert not run.progress.reconciling


def test_the_progress_of_several_jobs_is_each_jobs_own(practice: GivenPractice) -> None:
    practice.claims(2)
    job = practice.settle()
    other: JobKey = practice.preview(key="other")

    by_job = practice.do(progress.for_jobs, practice.id, [job.job_id, other.job_id], now=NOW)

    assert by_job == {job.job_id: practice.progress(job), other.job_id: practice.progress(other)}
