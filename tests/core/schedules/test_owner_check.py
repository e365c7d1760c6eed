"""The owner who leaves: nothing happens on behalf of somebody who may not do it any more."""

import datetime as dt

from core.models.people import Role
from core.models.schedules import ScheduleState
from core.schedules import commands, descriptions
from tests.core.schedules.conftest import FIRST_NIGHT, MADE, Night

DAY = dt.timedelta(days=1)


def test_a_schedule_whose_owner_left_stops_at_the_next_tick_and_says_why(night: Night) -> None:
    night.practice.claims(1)
    schedule = night.schedule()
    night.user(night.owner, active=False)

    night.tick(MADE + dt.timedelta(seconds=30))

    stopped = night.read(schedule)
    assert (stopped.state, stopped.stopped_because) == (ScheduleState.STOPPED, descriptions.OWNER_LEFT)
    assert "deactivated" in descriptions.describe_reason(stopped.stopped_because)
    assert night.runs() == []


def test_its_first_night_says_that_it_stopped_and_those_after_it_say_nothing(night: Night) -> None:
    night.practice.claims(1)
    night.schedule()
    night.user(night.owner, active=False)

    for day in range(3):
        night.tick(FIRST_NIGHT + day * DAY)

    assert night.nights() == [("2026-11-24", "stopped", descriptions.OWNER_LEFT)]
    assert night.jobs() == []


def test_a_schedule_whose_owner_lost_the_role_stops_too(night: Night) -> None:
    schedule = night.schedule()
    night.user(night.owner, role=Role.BILLER)

    night.tick(MADE)

    assert night.read(schedule).stopped_because == descriptions.OWNER_MAY_NOT


def test_who_resumes_a_stopped_schedule_becomes_its_owner(night: Night) -> None:
    night.practice.claims(1)
    schedule = night.schedule()
    night.user(night.owner, active=False)
    night.tick(FIRST_NIGHT)
    other = night.practice.person("other@lakeside.example", Role.ADMIN)

    night.act(commands.resume, schedule, now=FIRST_NIGHT, by=other)
    night.tick(FIRST_NIGHT + DAY)

    assert night.read(schedule).owner_id == other.user_id
    assert night.nights() == [("2026-11-24", "stopped", descriptions.OWNER_LEFT), ("2026-11-25", "job", None)]
    assert night.job(night.runs()[1]).requested_by == other.user_id


def test_a_schedule_that_stops_a_second_time_says_so_a_second_time(night: Night) -> None:
    schedule = night.schedule()
    night.user(night.owner, active=False)
    night.tick(FIRST_NIGHT)
    night.user(night.owner, active=True)
    night.act(commands.resume, schedule, now=FIRST_NIGHT + dt.timedelta(hours=1))
    night.user(night.owner, active=False)

    night.tick(FIRST_NIGHT + DAY)

    assert [outcome for _, outcome, _ in night.nights()] == ["stopped", "stopped"]
