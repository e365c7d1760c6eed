"""Live processes are known from the database alone."""

import datetime as dt
from dataclasses import replace

from sqlalchemy import text

from core import zone_database
from core.db.engine import Sessions, transaction
from core.jobs.execution import sweep
from core.watch import heartbeat, overview, statistics
from core.watch.heartbeat import WEB, WORKER, ProcessInfo
from core.watch.warnings import warnings
from core.zone_database import ZoneDatabase
from tests.factories import NOW, GivenPractice

SECOND = dt.timedelta(seconds=1)


def a_process(kind: str = WORKER, pid: int = 7, **details: object) -> ProcessInfo:
    return ProcessInfo(kind, "host", pid, "1.2", NOW - dt.timedelta(hours=1), dict(details))


def beat(sessions: Sessions, process: ProcessInfo, *, at: dt.datetime = NOW) -> None:
    with transaction(sessions) as session:
        heartbeat.record_heartbeat(session, process, now=at)


def alive(sessions: Sessions, *, at: dt.datetime) -> set[str]:
    with sessions() as session:
        return {one.name for one in heartbeat.recent(session) if heartbeat.is_alive(one, now=at)}


def test_a_process_is_alive_while_its_heartbeats_are_recent(sessions: Sessions) -> None:
    beat(sessions, a_process())
    beat(sessions, a_process(WEB))
    beat(sessions, a_process(), at=NOW + 40 * SECOND)

    assert alive(sessions, at=NOW + 45 * SECOND) == {"worker host:7", "web host:7"}
    assert alive(sessions, at=NOW + 60 * SECOND) == {"worker host:7"}
    assert alive(sessions, at=NOW + 90 * SECOND) == set()


def test_a_stopped_process_is_not_alive_and_a_restarted_one_is(sessions: Sessions) -> None:
    beat(sessions, a_process())
    with transaction(sessions) as session:
        heartbeat.record_stop(session, a_process(), now=NOW)
    assert alive(sessions, at=NOW) == set()

    beat(sessions, a_process(), at=NOW + SECOND)
    assert alive(sessions, at=NOW + SECOND) == {"worker host:7"}


def test_a_process_without_heartbeats_for_a_day_is_deleted(sessions: Sessions) -> None:
    beat(sessions, a_process(pid=1))
    beat(sessions, a_process(pid=2), at=NOW + dt.timedelta(hours=25))

    with sessions() as session:
        assert [one.name for one in heartbeat.recent(session)] == ["worker host:2"]


def test_a_heartbeat_in_progress_at_the_stop_does_not_undo_the_stop(sessions: Sessions) -> None:
    beat(sessions, a_process())
    with transaction(sessions) as session:
        heartbeat.record_stop(session, a_process(), now=NOW + SECOND)
    beat(sessions, a_process(), at=NOW + SECOND)

    with sessions() as session:
        (process,) = heartbeat.recent(session)
    assert process.stopped_at == NOW + SECOND


def test_the_last_tick_is_the_latest_one(sessions: Sessions) -> None:
    with transaction(sessions) as session:
        assert heartbeat.last_tick(session) is None
        heartbeat.record_tick(session, now=NOW)
        heartbeat.record_tick(session, now=NOW - 9 * SECOND)
        assert heartbeat.last_tick(session) == NOW


def test_a_worker_is_shown_with_its_current_chunk(sessions: Sessions, practice: GivenPractice) -> None:
    practice.claims(8)
    job = practice.confirmed(chunk_claims=4)
    beat(sessions, a_process(queues=["settle"], pool=[70, 71]))
    with transaction(sessions) as session:
        taken = "UPDATE job_chunk SET taken_by = 'host:71', taken_at = :at WHERE first_position = 5"
        session.execute(text(taken), {"at": NOW - 3 * SECOND})

    seen = overview.fetch_overview(sessions, now=NOW)

    assert seen.processes is not None
    (worker,) = seen.processes
    assert [(chunk.job, chunk.first, chunk.last, chunk.seconds) for chunk in worker.doing] == [(job, 5, 8, 3.0)]
    assert warnings(seen) == []
    with transaction(sessions) as session:
        session.execute(text("UPDATE settle_job SET status = 'paused'"))
    (worker,) = overview.fetch_overview(sessions, now=NOW).processes or ()
    assert worker.doing == (), "no worker is at work on a paused job"


def test_a_stalled_job_and_an_installation_without_a_worker_are_reported(
    sessions: Sessions, practice: GivenPractice
) -> None:
    practice.claims(2)
    practice.confirmed()

    warning = " ".join(warnings(overview.fetch_overview(sessions, now=NOW + 61 * SECOND)))

    assert "No worker is running. Jobs wait until one starts." in warning
    assert "1 running job has made no progress for a minute" in warning


def test_an_old_time_zone_database_is_a_warning(sessions: Sessions) -> None:
    beat(sessions, a_process())
    seen = overview.fetch_overview(sessions, now=NOW)
    assert seen.time_zones == zone_database.current_database()

    (warning,) = warnings(replace(seen, time_zones=ZoneDatabase("/anywhere", "2025b", "system")))

    assert warning.startswith("The time zone database is 2025b, which ")


def test_processes_with_different_time_zone_databases_are_a_warning(sessions: Sessions) -> None:
    newest = zone_database.current_database().version
    beat(sessions, a_process(pid=1, time_zones=newest))
    beat(sessions, a_process(pid=2, time_zones=newest))
    beat(sessions, ProcessInfo(WEB, "host", 3, "0.1", NOW))  # an older version does not report this field
    assert warnings(overview.fetch_overview(sessions, now=NOW)) == []

    beat(sessions, a_process(WEB, pid=4, time_zones="2025b"))
    (warning,) = warnings(overview.fetch_overview(sessions, now=NOW))

    assert warning.startswith(f"Processes use different time zone databases (2025b, {newest})")


def test_the_age_of_the_oldest_chunk_is_its_waiting_time(sessions: Sessions, practice: GivenPractice) -> None:
    practice.claims(8)
    job = practice.confirmed(chunk_claims=4)
    with sessions() as session:
        chunks = statistics.open_chunks(session, now=NOW + 20 * SECOND)

    assert (chunks.chunks, chunks.oldest, chunks.oldest_seconds) == (2, job, 20.0)


def test_a_sweep_counts_a_rescue_only_for_a_job_without_a_worker_for_a_whole_round(
    sessions: Sessions, practice: GivenPractice
) -> None:
    practice.claims(2)
    practice.confirmed()

    assert sweep.sweep(sessions, now=NOW + SECOND).rescued == 0
    assert sweep.sweep(sessions, now=NOW + 11 * SECOND).rescued == 1
