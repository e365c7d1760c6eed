"""The engine under adverse conditions: concurrent sessions, bad claims, dying workers, pauses."""

import datetime as dt
import itertools
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import event, select, text, update
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from core.db.engine import transaction
from core.enums.job_items import ChunkState, Outcome
from core.enums.jobs import JobStatus
from core.jobs import commands
from core.jobs.execution import chunks, engine, finish, settle_chunk, sweep
from core.jobs.keys import JobKey
from core.models.job_items import JobChunk, JobFailure
from tests.factories import NOW, GivenPractice, Line, ticking


@contextmanager
def _worker_in_first_chunk(practice: GivenPractice, job: JobKey) -> Iterator[None]:
    """Simulate a worker that has taken the first chunk and is in its effect transaction."""
    chunk = practice.take_chunk(worker="slow")
    assert chunk.job == job
    with practice.sessions() as session, session.begin():
        assert chunks.lock(session, chunk)
        yield


def _chunks(practice: GivenPractice, job: JobKey) -> list[JobChunk]:
    with practice.sessions() as session:
        return list(session.scalars(select(JobChunk).where(*job.of(JobChunk)).order_by(JobChunk.first_position)))


def _work(practice: GivenPractice, *, now: dt.datetime = NOW) -> engine.WorkResult:
    return engine.work(practice.sessions, worker="tester", clock=lambda: now)


def test_one_bad_claim_in_a_thousand_fails_alone_within_few_transactions(practice: GivenPractice) -> None:
    practice.claims(1_000)
    practice.refuse_to_settle("C00700")
    job = practice.confirmed()
    locked: list[str] = []

    def note_locks(_conn: object, _cursor: object, statement: str, *_: object) -> None:
        if "FROM claim" in statement and "FOR NO KEY UPDATE" in statement:
            locked.append(statement)

    event.listen(practice.sessions.kw["bind"], "before_cursor_execute", note_locks)
    practice.run()

    assert practice.counts(job) == {"settled": 999, "skipped": 0, "failed": 1, "remaining": 0}
    assert practice.item(job, "C00700").code == "database_refused"
    assert practice.progress(job).status is JobStatus.COMPLETED
    assert len(locked) <= 25
    assert practice.violations() == []


def test_several_bad_claims_are_each_isolated(practice: GivenPractice) -> None:
    practice.claims(64)
    bad = ("C00001", "C00002", "C00033", "C00064")
    practice.refuse_to_settle(*bad)
    job = practice.confirmed(chunk_claims=16)

    practice.run()

    assert practice.counts(job) == {"settled": 60, "skipped": 0, "failed": 4, "remaining": 0}
    assert {practice.item(job, number).code for number in bad} == {"database_refused"}
    assert practice.violations() == []


def test_a_claim_locked_by_another_session_is_postponed_and_blocks_no_other_claim(practice: GivenPractice) -> None:
    practice.claims(5)
    job = practice.confirmed()
    with practice.locked("C00003"):
        _work(practice)
        assert practice.counts(job) == {"settled": 4, "skipped": 0, "failed": 0, "remaining": 1}
        assert _chunks(practice, job)[0].not_before == NOW + dt.timedelta(seconds=0.5)

    practice.run(now=NOW + dt.timedelta(seconds=2))

    assert practice.counts(job) == {"settled": 5, "skipped": 0, "failed": 0, "remaining": 0}
    assert practice.violations() == []


def test_a_claim_still_locked_after_five_tries_fails_and_can_be_retried(practice: GivenPractice) -> None:
    practice.claims(3)
    job = practice.confirmed()
    with practice.locked("C00002"):
        for seconds in (0, 1, 3, 6, 11):
            _work(practice, now=NOW + dt.timedelta(seconds=seconds))

    assert practice.counts(job) == {"settled": 2, "skipped": 0, "failed": 1, "remaining": 0}
    assert practice.item(job, "C00002").code == "claim_locked"
    assert practice.progress(job).status is JobStatus.COMPLETED

    practice.act(commands.retry_failed, job)
    practice.run(now=NOW + dt.timedelta(seconds=60))

    assert practice.counts(job) == {"settled": 3, "skipped": 0, "failed": 0, "remaining": 0}
    with practice.sessions() as session:
        assert [(f.attempt, f.code) for f in session.scalars(select(JobFailure))] == [(1, "claim_locked")]
    assert practice.violations() == []


def test_a_payment_racing_the_job_is_never_written_off(practice: GivenPractice) -> None:
    """The write-off is decided under the lock: a $60 payment on a $100 balance must never meet a $100 write-off."""
    practice.claim("1", Line(0, 100))
    job = practice.confirmed()
    with practice.locked("1"):
        _work(practice)
    practice.pay("1", 60)

    practice.run(now=NOW + dt.timedelta(seconds=5))

    assert practice.item(job, "1").code == "changed_since_preview"
    assert practice.read("1").patient_due == 40


@pytest.mark.parametrize("sqlstate", ["40001", "40P01", "55P03", "57014", "53300"])
def test_a_transient_error_releases_the_attempt_and_fails_no_claim(
    practice: GivenPractice, sqlstate: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    practice.claims(3)
    job = practice.confirmed()
    real, failures = settle_chunk.posting.move_claims, iter([True, True, True, True, True])

    def fail_first(session: Session, *args: object) -> object:
        if next(failures, False):
            session.execute(text(f"DO $$ BEGIN RAISE EXCEPTION 'x' USING ERRCODE = '{sqlstate}'; END $$"))
        return real(session, *args)  # type: ignore[arg-type]

    monkeypatch.setattr(settle_chunk.posting, "move_claims", fail_first)
    _work(practice)
    assert [(chunk.attempts, chunk.state) for chunk in _chunks(practice, job)] == [(0, ChunkState.OPEN)]

    for seconds in range(1, 7):
        _work(practice, now=NOW + dt.timedelta(seconds=seconds))

    assert practice.counts(job) == {"settled": 3, "skipped": 0, "failed": 0, "remaining": 0}
    assert len(_chunks(practice, job)) == 1
    assert practice.violations() == []


def test_database_outages_do_not_count_as_worker_deaths(
    practice: GivenPractice, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The database is away when the chunk fails and still away when it is released: four times in a row."""
    practice.claims(1)
    job = practice.confirmed()
    real, away = chunks.release, OperationalError("BEGIN", None, Exception("the server is away"))
    outages = itertools.cycle([True, True, False])
    monkeypatch.setattr(engine, "RELEASE_RETRY_SECONDS", (0, 0))

    def fail(*_: object, **__: object) -> None:
        raise away

    def fail_twice(*args: Any, **kwargs: Any) -> None:
        if next(outages):
            raise away
        real(*args, **kwargs)

    monkeypatch.setattr(engine.chunks, "release", fail_twice)
    with monkeypatch.context() as outage:
        outage.setattr(engine.settle_chunk, "settle", fail)
        for seconds in range(4):
            _work(practice, now=NOW + dt.timedelta(seconds=2 * seconds))
    practice.run(now=NOW + dt.timedelta(seconds=60))

    assert practice.counts(job) == {"settled": 1, "skipped": 0, "failed": 0, "remaining": 0}


def test_a_commit_whose_answer_is_lost_is_neither_repeated_nor_lost(
    practice: GivenPractice, monkeypatch: pytest.MonkeyPatch
) -> None:
    practice.claims(3)
    job = practice.confirmed()
    real = settle_chunk.settle

    def commit_and_lose_the_answer(session: Session, chunk: chunks.Chunk, *, now: dt.datetime) -> object:
        real(session, chunk, now=now)
        session.commit()
        raise OperationalError("COMMIT", None, Exception("the connection was lost"))

    monkeypatch.setattr(engine.settle_chunk, "settle", commit_and_lose_the_answer)
    _work(practice)
    monkeypatch.undo()

    assert practice.counts(job) == {"settled": 3, "skipped": 0, "failed": 0, "remaining": 0}
    assert practice.write_offs("C00001") == [(1, "insurance", -1_000), (1, "patient", -500)]
    practice.do(finish.advance, job, now=NOW)
    assert practice.progress(job).status is JobStatus.COMPLETED


def _take_and_die(practice: GivenPractice, *, now: dt.datetime) -> None:
    with transaction(practice.sessions) as session:
        assert chunks.take(session, worker="doomed", now=now) is not None


def test_a_claim_that_kills_its_workers_is_isolated_and_the_others_settle(practice: GivenPractice) -> None:
    practice.claims(4)
    job = practice.confirmed()
    now = NOW
    while practice.progress(job).status is not JobStatus.COMPLETED:
        now += dt.timedelta(seconds=2)
        chunk_with_killer = next(c for c in _chunks(practice, job) if c.first_position <= 3 <= c.last_position)
        first_open = next(c for c in _chunks(practice, job) if c.state is ChunkState.OPEN)
        if first_open.first_position == chunk_with_killer.first_position and chunk_with_killer.attempts < 3:
            _take_and_die(practice, now=now)
        else:
            chunk = practice.take_chunk(now=now)
            practice.settle_chunk(chunk, clock=ticking(now))

    assert practice.counts(job) == {"settled": 3, "skipped": 0, "failed": 1, "remaining": 0}
    assert practice.item(job, "C00003").code == "worker_died"
    assert practice.violations() == []


def test_two_workers_never_take_the_same_chunk(practice: GivenPractice) -> None:
    practice.claims(4)
    practice.confirmed(chunk_claims=2)

    taken = [practice.take_chunk(worker=name) for name in "ab"]

    assert {chunk.first for chunk in taken} == {1, 3}
    assert practice.do(chunks.take, worker="c", now=NOW) is None


def test_a_worker_that_lost_its_chunk_to_another_does_not_settle_it(practice: GivenPractice) -> None:
    practice.claims(2)
    practice.confirmed()
    stale = practice.take_chunk(worker="frozen")
    practice.run(now=NOW + dt.timedelta(seconds=10))

    assert not practice.settle_chunk(stale).processed

    assert practice.write_offs("C00001") == [(1, "insurance", -1_000), (1, "patient", -500)]
    assert practice.violations() == []


def test_a_pause_waits_for_the_chunk_in_progress_and_stops_before_the_next(practice: GivenPractice) -> None:
    practice.claims(4)
    job = practice.confirmed(chunk_claims=2)
    with _worker_in_first_chunk(practice, job):
        practice.act(commands.pause, job)
        with transaction(practice.sessions) as session:
            assert finish.advance(session, job, now=NOW) is None
        assert practice.progress(job).status is JobStatus.PAUSING
        assert _work(practice, now=NOW + dt.timedelta(seconds=5)).chunks == 0

    with transaction(practice.sessions) as session:
        assert finish.advance(session, job, now=NOW) is JobStatus.PAUSED

    practice.act(commands.resume, job)
    practice.run(now=NOW + dt.timedelta(seconds=10))
    assert practice.counts(job)["settled"] == 4
    assert practice.violations() == []


def test_a_worker_that_took_a_chunk_before_the_pause_releases_it(practice: GivenPractice) -> None:
    practice.claims(2)
    job = practice.confirmed()
    taken = practice.take_chunk()
    practice.act(commands.pause, job)

    practice.settle_chunk(taken)

    assert practice.progress(job).status is JobStatus.PAUSED
    assert practice.counts(job)["remaining"] == 2
    assert _chunks(practice, job)[0].attempts == 0


def test_a_canceled_job_keeps_settled_claims_and_counts_the_rest_as_not_processed(practice: GivenPractice) -> None:
    practice.claims(4)
    job = practice.confirmed(chunk_claims=2)
    practice.settle_chunk(practice.take_chunk())
    with transaction(practice.sessions) as session:
        commands.cancel(session, job, by=practice.biller, now=NOW)
        finish.advance(session, job, now=NOW)

    assert practice.progress(job).status is JobStatus.CANCELLED
    assert practice.counts(job) == {"settled": 2, "skipped": 0, "failed": 0, "remaining": 2}
    assert practice.item(job, "C00001").outcome is Outcome.SETTLED
    practice.run(now=NOW + dt.timedelta(seconds=10))
    assert practice.read("C00004").billing_status == "Balance Due"
    assert practice.violations() == []


@pytest.mark.parametrize("corrupted", ["patient_cents", "patient_before_cents", "insurance_after_cents"])
def test_a_job_that_does_not_reconcile_halts(practice: GivenPractice, corrupted: str) -> None:
    practice.claims(2)
    job = practice.confirmed(chunk_claims=1)
    practice.settle_chunk(practice.take_chunk())
    with transaction(practice.sessions) as session:
        session.execute(
            update(JobChunk)
            .where(JobChunk.state == ChunkState.DONE)
            .values({corrupted: getattr(JobChunk, corrupted) + 1})
        )

    practice.run(now=NOW + dt.timedelta(seconds=5))

    assert practice.progress(job).status is JobStatus.HALTED
    assert practice.read_job(job).halted_because == "books_do_not_balance"


def test_practices_share_the_workers_regardless_of_job_size(practice: GivenPractice) -> None:
    from tests.factories import a_practice

    small = a_practice(practice.sessions, name="Small")
    practice.claims(60)
    small.claims(2)
    practice.confirmed(chunk_claims=1)
    job = small.confirmed()

    taken = []
    for second in range(40):
        chunk = practice.take_chunk(now=NOW + dt.timedelta(seconds=second / 1_000))
        taken.append(chunk.job.practice_id)
        if chunk.job == job:
            break

    assert taken[-1] == small.id, "a fair draw misses forty times in a row once in 10^12"


def test_the_draw_gives_each_practice_a_third_although_one_has_thirty_jobs() -> None:
    jobs = [JobKey(1, number) for number in range(30)] + [JobKey(2, 30), JobKey(3, 31)]

    drawn = Counter(chunks._in_fair_order(jobs)[0].practice_id for _ in range(3_000))

    assert drawn.total() == 3_000
    # A thousand each, with a standard deviation of 26. A deviation of six sigma occurs once in 100 million runs.
    assert all(abs(drawn[practice] - 1_000) < 160 for practice in (1, 2, 3)), drawn


def test_a_sweep_caps_its_hints_and_still_covers_every_job(
    practice: GivenPractice, monkeypatch: pytest.MonkeyPatch
) -> None:
    practice.claims(12)
    jobs = [practice.preview(key=f"job {number}", chunk_claims=1) for number in range(2)]
    for job in jobs:
        practice.confirm(job)
    monkeypatch.setattr(sweep, "HINTS_WAITING_MAX", 10)

    hints = sweep.sweep(practice.sessions, now=NOW)

    assert sorted(hints.work) == [(job, 5) for job in jobs]
