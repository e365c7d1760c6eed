"""Who watches gets an answer, or is told that there is none, in time."""

import itertools
import threading
from contextlib import suppress

import pytest
from sqlalchemy import Engine, text

from core.db.engine import Sessions, make_engine, make_sessions
from core.models.jobs import JobStatus
from core.watch import deadline
from core.watch.deadline import DeadlineCall, QueryBudget, TimedOut
from tests.waiting import eventually


def test_a_question_that_is_too_slow_or_locked_out_or_broken_is_left_out_and_the_others_are_answered(
    sessions: Sessions, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deadline, "QUESTION_SECONDS", 0.5)
    asked = QueryBudget(sessions)
    with engine.connect() as holder:
        holder.execute(text("LOCK TABLE claim IN ACCESS EXCLUSIVE MODE"))
        assert asked.ask(lambda session: session.scalar(text("SELECT count(*) FROM claim"))) is None
    assert asked.ask(lambda session: session.scalar(text("SELECT pg_sleep(30)"))) is None
    assert asked.ask(lambda session: session.scalar(text("SELECT 1/0"))) is None
    assert asked.ask(lambda session: JobStatus(session.scalar(text("SELECT 'tomorrow'")))) is None
    assert asked.ask(lambda session: session.scalar(text("SELECT 7"))) == 7


def test_a_question_of_many_statements_has_no_more_time_than_one(
    sessions: Sessions, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deadline, "QUESTION_SECONDS", 0.3)
    said = []

    def question(session: object) -> None:
        for number in itertools.count():
            session.execute(text("SELECT pg_sleep(0.1)"))  # type: ignore[attr-defined]
            said.append(number)

    assert QueryBudget(sessions).ask(question) is None
    assert len(said) < 4


def test_when_the_round_is_over_nothing_more_is_asked(sessions: Sessions, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deadline, "ROUND_SECONDS", 0)

    asked = QueryBudget(sessions)

    assert asked.is_over
    assert asked.ask(lambda session: session.scalar(text("SELECT 7"))) is None


def test_a_database_that_is_away_is_no_slow_question() -> None:
    asked = QueryBudget(make_sessions(make_engine("postgresql://nobody@127.0.0.1:1/none")))

    with pytest.raises(Exception, match="connection"):
        asked.ask(lambda session: session.scalar(text("SELECT 7")))


def test_an_answer_that_comes_too_late_is_given_to_nobody() -> None:
    """Counters are read when the question begins; another process may have told newer ones meanwhile."""
    numbers, gate = itertools.count(), threading.Event()

    def ask() -> int:
        began = next(numbers)
        gate.wait()
        return began

    asked = DeadlineCall(ask, wait_seconds=0.2)
    with pytest.raises(TimedOut):
        asked.answer()
    threading.Timer(0.05, gate.set).start()
    with suppress(TimedOut):  # it waited for the first, whose answer is of the past
        assert asked.answer() == 1

    assert asked.answer() == 1


def test_who_asks_a_database_that_hangs_is_told_so_and_keeps_one_connection(sessions: Sessions) -> None:
    def ask() -> int:
        with sessions() as session:
            session.execute(text("SELECT pg_advisory_xact_lock(1)"))
            return 7

    def answered() -> bool:
        with suppress(TimedOut):
            return asked.answer() == 7
        return False

    asked = DeadlineCall(ask, wait_seconds=0.2, keep_seconds=600)
    with sessions() as holder:
        holder.execute(text("SELECT pg_advisory_lock(1)"))
        for _ in range(3):
            with pytest.raises(TimedOut):
                asked.answer()
        waiting = text("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted")
        assert holder.scalar(waiting) == 1
        holder.execute(text("SELECT pg_advisory_unlock(1)"))
    eventually(answered, seconds=30)
