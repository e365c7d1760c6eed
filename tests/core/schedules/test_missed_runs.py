"""Beat was dead, and then somebody changes, pauses or deletes the schedule: every night that was due has its row."""

import datetime as dt
from typing import Any

import pytest

from core.models.jobs import JobStatus
from core.models.schedules import ScheduleRun
from core.schedules import commands, descriptions
from tests.core.schedules.conftest import FIRST_NIGHT, MADE, Night, a_request, at

DAY = dt.timedelta(days=1)
HOUR = dt.timedelta(hours=1)
THIRD_NIGHT = FIRST_NIGHT + 2 * DAY
LATE = [("2026-11-24", "missed", descriptions.TOO_LATE), ("2026-11-25", "missed", descriptions.TOO_LATE)]


def edit(night: Night, schedule_id: int, *, now: dt.datetime, **asked: Any) -> None:
    version = night.read(schedule_id).version
    night.act(
        commands.change, schedule_id, now=now, request=a_request(**asked), version=version, confirmation="CONFIRM"
    )


def test_a_pause_writes_down_the_nights_that_were_due_and_those_that_pass_then_are_nobodys(night: Night) -> None:
    schedule = night.schedule()

    night.act(commands.pause, schedule, now=THIRD_NIGHT + HOUR)
    night.tick(THIRD_NIGHT + DAY)
    night.act(commands.resume, schedule, now=THIRD_NIGHT + 2 * DAY - HOUR)
    night.tick(THIRD_NIGHT + 2 * DAY)

    assert night.nights() == [*LATE, ("2026-11-26", "missed", descriptions.PAUSED), ("2026-11-28", "nothing", None)]


def test_a_delete_writes_down_the_nights_that_were_due(night: Night) -> None:
    schedule = night.schedule()

    night.act(commands.delete, schedule, now=THIRD_NIGHT + HOUR)
    night.tick(THIRD_NIGHT + DAY)

    assert night.nights() == [*LATE, ("2026-11-26", "missed", descriptions.DELETED)]
    assert "deleted" in night.report(night.runs()[-1], THIRD_NIGHT).sentence


@pytest.mark.parametrize(
    ("asked", "came"),
    [
        ({"weekdays": ["mon", "thu"]}, [("2026-11-26", "nothing", None)]),
        ({"weekdays": ["mon", "tue"]}, [("2026-11-26", "missed", descriptions.EDITED)]),
        ({"local_time": "02:00"}, [("2026-11-26", "nothing", None)]),
        ({"local_time": "00:30", "late_minutes": 60}, [("2026-11-26", "missed", descriptions.EDITED)]),
        ({"note": "Another"}, [("2026-11-26", "nothing", None)]),
    ],
)
def test_an_edit_lets_the_night_that_is_due_run_where_it_is_still_chosen_and_says_so_where_not(
    night: Night, asked: dict[str, Any], came: list[tuple[str, str, str | None]]
) -> None:
    schedule = night.schedule()

    edit(night, schedule, now=THIRD_NIGHT + HOUR, **asked)
    night.tick(THIRD_NIGHT + HOUR + dt.timedelta(seconds=30))

    assert night.nights() == [*LATE, *came]


def test_a_night_that_an_edit_moves_to_later_the_same_night_runs_then(night: Night) -> None:
    schedule = night.schedule()

    edit(night, schedule, now=FIRST_NIGHT + dt.timedelta(minutes=10), local_time="04:00")
    night.tick(FIRST_NIGHT + HOUR)
    assert night.runs() == []
    night.tick(FIRST_NIGHT + 2 * HOUR)

    assert night.nights() == [("2026-11-24", "nothing", None)]
    assert night.run().due_at == at("2026-11-24 09:00")


def test_a_night_that_did_not_come_for_a_schedule_that_had_stopped_is_said_by_who_resumes_it(night: Night) -> None:
    schedule = night.schedule()
    night.user(night.owner, active=False)
    night.tick(MADE)
    night.user(night.owner, active=True)

    night.act(commands.resume, schedule, now=FIRST_NIGHT + HOUR)

    assert night.nights() == [("2026-11-24", "stopped", descriptions.OWNER_LEFT)]


def test_a_new_schedule_whose_first_night_a_move_east_leaps_over_runs_it_within_its_deadline(night: Night) -> None:
    night.schedule(local_time="23:00")
    moved = at("2026-11-23 16:00")  # 11 in the morning in New York, one at night in Tokyo

    night.move_to("Asia/Tokyo", now=moved)
    night.tick(moved)

    assert night.nights() == [("2026-11-23", "nothing", None)]


def test_a_new_schedule_whose_first_night_a_move_east_leaps_over_says_so_after_its_deadline(night: Night) -> None:
    night.schedule(local_time="23:00", late_minutes=60)
    moved = at("2026-11-23 16:00")

    night.move_to("Asia/Tokyo", now=moved)
    night.tick(moved)

    assert night.nights() == [("2026-11-23", "missed", descriptions.TIME_ZONE_CHANGED)]


def test_nights_that_were_missed_before_a_move_keep_their_own_reason(night: Night) -> None:
    night.schedule()

    night.move_to("Asia/Tokyo", now=at("2026-11-26 00:00"))  # nine in the morning of the 26th there
    night.tick(at("2026-11-26 00:00"))

    assert night.nights() == [*LATE, ("2026-11-26", "missed", descriptions.TIME_ZONE_CHANGED)]


def test_a_night_kept_by_an_edit_settles_by_the_new_terms(night: Night) -> None:
    night.practice.claims(1)
    schedule = night.schedule()

    edit(night, schedule, now=FIRST_NIGHT + HOUR, weekdays=["tue"], note="By the new terms")
    night.tick(FIRST_NIGHT + HOUR)
    night.work(FIRST_NIGHT + HOUR)

    run: ScheduleRun = night.run()
    assert (night.job(run).status, night.job(run).note) == (JobStatus.COMPLETED, "By the new terms")
    assert night.practice.violations() == []
