"""A monitoring request gets an answer in time, or an error that there is none."""

import itertools
import threading
from contextlib import suppress

import pytest
from sqlalchemy import Engine, text

from core.db.engine import Sessions, make_engine, make_sessions
from core.enums.jobs import JobStatus
from core.watch import deadline
from core.watch.deadline import DeadlineCall, QueryBudget, TimedOut
from tests.waiting import eventually


def test_a_slow_blocked_or_failing_query_is_omitted_and_the_others_are_answered(
    sessions: Sessions, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deadline, "QUERY_SECONDS", 0.5)
    budget = QueryBudget(sessions)
    with engine.connect() as locker:
        locker.execute(text("LOCK TABLE claim IN ACCESS EXCLUSIVE MODE"))
        assert budget.ask(lambda session: session.scalar(text("SELECT count(*) FROM claim"))) is None
    assert budget.ask(lambda session: session.scalar(text("SELECT pg_sleep(30)"))) is None
    assert budget.ask(lambda session: session.scalar(text("SELECT 1/0"))) is None
    assert budget.ask(lambda session: JobStatus(session.scalar(text("SELECT 'tomorrow'")))) is None
    assert budget.ask(lambda session: session.scalar(text("SELECT 7"))) == 7


def test_several_statements_of_one_query_share_its_time_limit(
    sessions: Sessions, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deadline, "QUERY_SECONDS", 0.3)
    finished = []

    def query(session: object) -> None:
        for number in itertools.count():
            session.execute(text("SELECT pg_sleep(0.1)"))  # type: ignore[attr-defined]
            finished.append(number)

    assert QueryBudget(sessions).ask(query) is None
    assert len(finished) < 4


def test_no_query_runs_after_the_time_of_the_round_is_over(sessions: Sessions, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deadline, "BUDGET_SECONDS", 0)

    budget = QueryBudget(sessions)

    assert budget.is_over
    assert budget.ask(lambda session: session.scalar(text("SELECT 7"))) is None


def test_an_unavailable_database_raises_instead_of_counting_as_a_slow_query() -> None:
    budget = QueryBudget(make_sessions(make_engine("postgresql://user@127.0.0.1:1/none")))

    with pytest.raises(Exception, match="connection"):
        budget.ask(lambda session: session.scalar(text("SELECT 7")))


def test_a_late_answer_is_discarded() -> None:
    """Counters are read when the request starts; another process may have flushed newer ones before a late answer."""
    numbers, gate = itertools.count(), threading.Event()

    def ask() -> int:
        began = next(numbers)
        gate.wait()
        return began

    budget = DeadlineCall(ask, wait_seconds=0.2)
    with pytest.raises(TimedOut):
        budget.answer()
    threading.Timer(0.05, gate.set).start()
    with suppress(TimedOut):  # it waited for the first request, whose answer is outdated
        assert budget.answer() == 1

    assert budget.answer() == 1


def test_a_caller_times_out_on_a_hanging_database_and_keeps_only_one_connection(sessions: Sessions) -> None:
    def ask() -> int:
        with sessions() as session:
            session.execute(text("SELECT pg_advisory_xact_lock(1)"))
            return 7

    def answered() -> bool:
        with suppress(TimedOut):
            return budget.answer() == 7
        return False

    budget = DeadlineCall(ask, wait_seconds=0.2, keep_seconds=600)
    with sessions() as locker:
        locker.execute(text("SELECT pg_advisory_lock(1)"))
        for _ in range(3):
            with pytest.raises(TimedOut):
                budget.answer()
        waiting = text("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted")
        assert locker.scalar(waiting) == 1
        locker.execute(text("SELECT pg_advisory_unlock(1)"))
    eventually(answered, seconds=30)
