"""A schedule whose owner left or lost the role: nothing runs on behalf of a user without permission."""

import datetime as dt

from core.enums.people import Role
from core.enums.schedules import ScheduleState
from core.schedules import descriptions, schedule_commands
from tests.core.schedules.conftest import CREATED_AT, FIRST_RUN, ScheduledPractice

DAY = dt.timedelta(days=1)


def test_a_schedule_whose_owner_left_stops_at_the_next_tick_and_records_the_reason(
    scheduled: ScheduledPractice,
) -> None:
    scheduled.practice.claims(1)
    schedule = scheduled.schedule()
    scheduled.user(scheduled.owner, active=False)

    scheduled.tick(CREATED_AT + dt.timedelta(seconds=30))

    stopped = scheduled.read(schedule)
    assert (stopped.state, stopped.stopped_because) == (ScheduleState.STOPPED, descriptions.OWNER_LEFT)
    assert "deactivated" in descriptions.describe_reason(stopped.stopped_because)
    assert scheduled.runs() == []


def test_only_the_first_run_after_the_stop_is_recorded_as_stopped(scheduled: ScheduledPractice) -> None:
    scheduled.practice.claims(1)
    scheduled.schedule()
    scheduled.user(scheduled.owner, active=False)

    for day in range(3):
        scheduled.tick(FIRST_RUN + day * DAY)

    assert scheduled.outcomes() == [("2026-11-24", "stopped", descriptions.OWNER_LEFT)]
    assert scheduled.jobs() == []


def test_a_schedule_whose_owner_lost_the_role_stops(scheduled: ScheduledPractice) -> None:
    schedule = scheduled.schedule()
    scheduled.user(scheduled.owner, role=Role.BILLER)

    scheduled.tick(CREATED_AT)

    assert scheduled.read(schedule).stopped_because == descriptions.OWNER_MAY_NOT


def test_a_user_who_resumes_a_stopped_schedule_becomes_its_owner(scheduled: ScheduledPractice) -> None:
    scheduled.practice.claims(1)
    schedule = scheduled.schedule()
    scheduled.user(scheduled.owner, active=False)
    scheduled.tick(FIRST_RUN)
    other = scheduled.practice.person("other@lakeside.example", Role.ADMIN)

    scheduled.act(schedule_commands.resume, schedule, now=FIRST_RUN, by=other)
    scheduled.tick(FIRST_RUN + DAY)

    assert scheduled.read(schedule).owner_id == other.user_id
    assert scheduled.outcomes() == [("2026-11-24", "stopped", descriptions.OWNER_LEFT), ("2026-11-25", "job", None)]
    assert scheduled.job(scheduled.runs()[1]).requested_by == other.user_id


def test_a_schedule_that_stops_again_records_it_again(scheduled: ScheduledPractice) -> None:
    schedule = scheduled.schedule()
    scheduled.user(scheduled.owner, active=False)
    scheduled.tick(FIRST_RUN)
    scheduled.user(scheduled.owner, active=True)
    scheduled.act(schedule_commands.resume, schedule, now=FIRST_RUN + dt.timedelta(hours=1))
    scheduled.user(scheduled.owner, active=False)

    scheduled.tick(FIRST_RUN + DAY)

    assert [outcome for _, outcome, _ in scheduled.outcomes()] == ["stopped", "stopped"]
