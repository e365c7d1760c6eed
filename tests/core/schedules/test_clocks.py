"""Run dates on which the clock changes, and a practice that moves to another time zone."""

import datetime as dt

import pytest

from core.schedules import descriptions
from tests.core.schedules.conftest import FIRST_RUN, ScheduledPractice, at


@pytest.mark.parametrize(
    ("zone", "created_at", "local_time", "date", "begins"),
    [
        # The clock springs forward over the time of the run, or falls back and repeats it.
        ("America/New_York", "2026-03-07 12:00", "02:30", "2026-03-08", "2026-03-08 07:00"),
        ("America/New_York", "2026-10-31 12:00", "01:30", "2026-11-01", "2026-11-01 05:30"),
        # The clock springs at midnight, and the run starts at 1:00 of the same date.
        ("America/Havana", "2026-03-07 12:00", "00:30", "2026-03-08", "2026-03-08 05:00"),
        ("Africa/Cairo", "2026-04-23 12:00", "00:30", "2026-04-24", "2026-04-23 22:00"),
        ("Asia/Beirut", "2026-03-28 12:00", "00:30", "2026-03-29", "2026-03-28 22:00"),
        ("America/Santiago", "2026-09-05 12:00", "00:30", "2026-09-06", "2026-09-06 04:00"),
    ],
)
def test_a_run_at_a_clock_change_starts_once(
    scheduled: ScheduledPractice, zone: str, created_at: str, local_time: str, date: str, begins: str
) -> None:
    scheduled.practice.claims(1)
    scheduled.move_to(zone, now=at(created_at))
    scheduled.schedule(now=at(created_at), local_time=local_time)

    for minute in range(0, 22 * 60, 30):
        scheduled.tick(at(created_at) + dt.timedelta(minutes=minute))

    assert scheduled.outcomes() == [(date, "job", None)]
    assert scheduled.run().created_at == at(begins)


def test_february_29_has_a_run_like_any_other_date(scheduled: ScheduledPractice) -> None:
    scheduled.practice.claims(1)
    scheduled.schedule(now=at("2028-02-28 12:00"))

    for day in (29, 30, 31):
        scheduled.tick(at("2028-02-01 07:30") + dt.timedelta(days=day - 1))

    assert [date for date, *_ in scheduled.outcomes()] == ["2028-02-29", "2028-03-01", "2028-03-02"]


# The practice moves to another time zone


def test_a_practice_that_moves_west_after_its_run_does_not_repeat_the_run(scheduled: ScheduledPractice) -> None:
    scheduled.practice.claims(1)
    scheduled.schedule()
    scheduled.tick(FIRST_RUN)
    scheduled.move_to("Pacific/Honolulu", now=FIRST_RUN + dt.timedelta(hours=1))

    for hour in range(1, 40):
        scheduled.tick(FIRST_RUN + dt.timedelta(hours=hour))

    assert [date for date, *_ in scheduled.outcomes()] == ["2026-11-24", "2026-11-25"]
    assert scheduled.runs()[1].due_at == at("2026-11-25 12:30")


def test_a_practice_that_moves_east_past_its_run_records_it_as_missed_for_that_reason(
    scheduled: ScheduledPractice,
) -> None:
    scheduled.practice.claims(1)
    scheduled.schedule()
    scheduled.tick(FIRST_RUN)
    scheduled.move_to("Asia/Tokyo", now=at("2026-11-25 00:00"))  # 9:00 AM on the 25th there

    scheduled.tick(at("2026-11-25 00:00"))
    scheduled.tick(at("2026-11-25 17:30"))

    assert scheduled.outcomes() == [
        ("2026-11-24", "job", None),
        ("2026-11-25", "missed", descriptions.TIME_ZONE_CHANGED),
        ("2026-11-26", "job", None),
    ]


def test_a_practice_that_moves_east_slightly_past_its_run_starts_it_late(scheduled: ScheduledPractice) -> None:
    scheduled.practice.claims(1)
    scheduled.schedule()
    scheduled.move_to("Atlantic/Reykjavik", now=at("2026-11-24 05:00"))  # 5:00 AM there

    scheduled.tick(at("2026-11-24 05:00"))

    assert scheduled.outcomes() == [("2026-11-24", "job", None)]
    assert scheduled.run().due_at == at("2026-11-24 02:30")
