"""Counts of the processes are flushed once, add up, and have no unforeseen label."""

import os
from collections.abc import Iterator

import pytest
from sqlalchemy.exc import SQLAlchemyError

from core.db.engine import Sessions, make_engine, make_sessions
from core.watch import statistics, tally
from core.watch.metric_names import METRIC_DEFINITIONS, OTHER
from tests.at_once import raised_at_once


@pytest.fixture(autouse=True)
def _empty_tally() -> Iterator[None]:
    tally._counts.clear()
    yield
    tally._counts.clear()


def flushed_counts(sessions: Sessions) -> dict[tuple[str, str], float]:
    with sessions() as session:
        return statistics.counter_values(session)


def test_counts_of_several_flushes_add_up(sessions: Sessions) -> None:
    tally.count("hints_sent", "settle.work", 3)
    tally.count("hints_sent", "settle.prepare")
    tally.flush(sessions)
    tally.count("hints_sent", "settle.work", 2)
    tally.flush(sessions)
    tally.flush(sessions)

    assert flushed_counts(sessions) == {("hints_sent", "settle.work"): 5, ("hints_sent", "settle.prepare"): 1}
    assert tally.unwritten_counters() == 0


def test_an_unforeseen_label_is_counted_as_other(sessions: Sessions) -> None:
    for code in ("on_hold", "Doe, Jane", "a_code_of_tomorrow"):
        tally.count("claims_skipped", code)
    tally.flush(sessions)

    assert flushed_counts(sessions) == {("claims_skipped", "on_hold"): 1, ("claims_skipped", OTHER): 2}


def test_a_duration_falls_into_the_first_bucket_that_contains_it(sessions: Sessions) -> None:
    for seconds in (0.001, 0.01, 0.3, 900):
        tally.observe("feed_seconds", seconds)
    tally.flush(sessions)

    found = {label: value for (_, label), value in flushed_counts(sessions).items()}
    assert found.pop(tally.SUM) == pytest.approx(900.311)
    assert found == {"0.01": 2, "0.5": 1, tally.PLUS_INF: 1}


def test_counts_that_could_not_be_flushed_are_kept_for_the_next_flush(sessions: Sessions) -> None:
    nowhere = make_engine("postgresql://user@127.0.0.1:1/none")
    tally.count("hints_lost", "settle.work", 4)

    with pytest.raises(SQLAlchemyError):
        tally.flush(make_sessions(nowhere))
    tally.count("hints_lost", "settle.work")
    tally.flush(sessions)

    assert flushed_counts(sessions) == {("hints_lost", "settle.work"): 5}


def test_a_forked_process_does_not_flush_its_parents_counts_again(sessions: Sessions) -> None:
    tally.count("hints_sent", "settle.work")

    child = os.fork()
    if child == 0:
        os._exit(tally.unwritten_counters())
    _, status = os.waitpid(child, 0)

    assert os.waitstatus_to_exitcode(status) == 0
    assert tally.unwritten_counters() == 1


def test_threads_that_count_and_flush_at_once_lose_no_count(sessions: Sessions) -> None:
    def work() -> None:
        for _ in range(50):
            tally.count("hints_sent", "settle.work")
            tally.count("sweep_rescues")
            tally.flush(sessions)

    assert raised_at_once(*[work] * 4) == []
    assert flushed_counts(sessions) == {("hints_sent", "settle.work"): 200, ("sweep_rescues", ""): 200}


def test_no_metric_has_more_than_a_few_dozen_labels() -> None:
    for metric in METRIC_DEFINITIONS.values():
        assert len(metric.labels) + len(metric.buckets) <= 60
