"""Beat was down before a user changes, pauses or deletes the schedule: every run that was due is recorded."""

import datetime as dt
from typing import Any

import pytest

from core.enums.jobs import JobStatus
from core.models.schedules import ScheduleRun
from core.schedules import descriptions, schedule_commands
from tests.core.schedules.conftest import CREATED_AT, FIRST_RUN, ScheduledPractice, a_request, at

DAY = dt.timedelta(days=1)
HOUR = dt.timedelta(hours=1)
THIRD_RUN = FIRST_RUN + 2 * DAY
LATE = [("2026-11-24", "missed", descriptions.TOO_LATE), ("2026-11-25", "missed", descriptions.TOO_LATE)]


def edit(scheduled: ScheduledPractice, schedule_id: int, *, now: dt.datetime, **options: Any) -> None:
    version = scheduled.read(schedule_id).version
    scheduled.act(
        schedule_commands.change,
        schedule_id,
        now=now,
        request=a_request(**options),
        version=version,
        confirmation="CONFIRM",
    )


def test_a_pause_records_runs_already_due_and_runs_during_the_pause_leave_no_record(
    scheduled: ScheduledPractice,
) -> None:
    schedule = scheduled.schedule()

    scheduled.act(schedule_commands.pause, schedule, now=THIRD_RUN + HOUR)
    scheduled.tick(THIRD_RUN + DAY)
    scheduled.act(schedule_commands.resume, schedule, now=THIRD_RUN + 2 * DAY - HOUR)
    scheduled.tick(THIRD_RUN + 2 * DAY)

    assert scheduled.outcomes() == [
        *LATE,
        ("2026-11-26", "missed", descriptions.PAUSED),
        ("2026-11-28", "nothing", None),
    ]


def test_a_delete_records_runs_already_due(scheduled: ScheduledPractice) -> None:
    schedule = scheduled.schedule()

    scheduled.act(schedule_commands.delete, schedule, now=THIRD_RUN + HOUR)
    scheduled.tick(THIRD_RUN + DAY)

    assert scheduled.outcomes() == [*LATE, ("2026-11-26", "missed", descriptions.DELETED)]
    assert "deleted" in scheduled.report(scheduled.runs()[-1], THIRD_RUN).sentence


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"weekdays": ["mon", "thu"]}, [("2026-11-26", "nothing", None)]),
        ({"weekdays": ["mon", "tue"]}, [("2026-11-26", "missed", descriptions.EDITED)]),
        ({"local_time": "02:00"}, [("2026-11-26", "nothing", None)]),
        ({"local_time": "00:30", "late_minutes": 60}, [("2026-11-26", "missed", descriptions.EDITED)]),
        ({"note": "Another"}, [("2026-11-26", "nothing", None)]),
    ],
)
def test_a_run_due_at_an_edit_starts_if_still_scheduled_and_is_otherwise_recorded_as_missed(
    scheduled: ScheduledPractice, options: dict[str, Any], expected: list[tuple[str, str, str | None]]
) -> None:
    schedule = scheduled.schedule()

    edit(scheduled, schedule, now=THIRD_RUN + HOUR, **options)
    scheduled.tick(THIRD_RUN + HOUR + dt.timedelta(seconds=30))

    assert scheduled.outcomes() == [*LATE, *expected]


@pytest.mark.parametrize("edited_at", [at("2026-11-24 05:00"), FIRST_RUN + dt.timedelta(minutes=10)])
def test_a_run_that_an_edit_moves_to_later_the_same_day_starts_then(
    scheduled: ScheduledPractice, edited_at: dt.datetime
) -> None:
    schedule = scheduled.schedule()

    edit(scheduled, schedule, now=edited_at, local_time="04:00")
    for moment in (FIRST_RUN, FIRST_RUN + HOUR):
        scheduled.tick(moment)
        assert scheduled.runs() == []
    scheduled.tick(FIRST_RUN + 2 * HOUR)

    assert scheduled.outcomes() == [("2026-11-24", "nothing", None)]
    assert scheduled.run().due_at == at("2026-11-24 09:00")


def test_resuming_a_stopped_schedule_records_the_run_that_did_not_start(scheduled: ScheduledPractice) -> None:
    schedule = scheduled.schedule()
    scheduled.user(scheduled.owner, active=False)
    scheduled.tick(CREATED_AT)
    scheduled.user(scheduled.owner, active=True)

    scheduled.act(schedule_commands.resume, schedule, now=FIRST_RUN + HOUR)

    assert scheduled.outcomes() == [("2026-11-24", "stopped", descriptions.OWNER_LEFT)]


@pytest.mark.parametrize(
    ("options", "outcome", "reason"),
    [({}, "nothing", None), ({"late_minutes": 60}, "missed", descriptions.TIME_ZONE_CHANGED)],
)
def test_a_first_run_skipped_by_a_move_east_starts_or_is_recorded_by_its_grace_period(
    scheduled: ScheduledPractice, options: dict[str, int], outcome: str, reason: str | None
) -> None:
    scheduled.schedule(local_time="23:00", **options)
    moved = at("2026-11-23 16:00")  # 11:00 AM in New York, 1:00 AM in Tokyo

    scheduled.move_to("Asia/Tokyo", now=moved)
    scheduled.tick(moved)

    assert scheduled.outcomes() == [("2026-11-23", outcome, reason)]


def test_runs_missed_before_a_move_keep_their_own_reason(scheduled: ScheduledPractice) -> None:
    scheduled.schedule()

    scheduled.move_to("Asia/Tokyo", now=at("2026-11-26 00:00"))  # 9:00 AM on the 26th there
    scheduled.tick(at("2026-11-26 00:00"))

    assert scheduled.outcomes() == [*LATE, ("2026-11-26", "missed", descriptions.TIME_ZONE_CHANGED)]


def test_a_run_kept_by_an_edit_settles_by_the_new_terms(scheduled: ScheduledPractice) -> None:
    scheduled.practice.claims(1)
    schedule = scheduled.schedule()

    edit(scheduled, schedule, now=FIRST_RUN + HOUR, weekdays=["tue"], note="By the new terms")
    scheduled.tick(FIRST_RUN + HOUR)
    scheduled.work(FIRST_RUN + HOUR)

    run: ScheduleRun = scheduled.run()
    assert (scheduled.job(run).status, scheduled.job(run).note) == (JobStatus.COMPLETED, "By the new terms")
    assert scheduled.practice.violations() == []
