"""Nights on which the clock changes, and a practice that moves to another time zone."""

import datetime as dt

import pytest

from core.schedules import descriptions
from tests.core.schedules.conftest import FIRST_NIGHT, Night, at


def test_on_the_night_the_clock_springs_half_past_two_runs_at_three(night: Night) -> None:
    night.practice.claims(1)
    night.schedule(now=at("2026-03-07 12:00"))

    for minute in range(0, 24 * 60, 30):
        night.tick(at("2026-03-08 00:00") + dt.timedelta(minutes=minute))

    assert night.nights() == [("2026-03-08", "job", None)]
    assert night.run().begun_at == at("2026-03-08 07:00")


def test_on_the_night_it_falls_back_half_past_one_runs_once_the_first_time(night: Night) -> None:
    night.practice.claims(1)
    night.schedule(now=at("2026-10-31 12:00"), local_time="01:30")

    for minute in range(0, 24 * 60, 30):
        night.tick(at("2026-11-01 00:00") + dt.timedelta(minutes=minute))

    assert night.nights() == [("2026-11-01", "job", None)]
    assert night.run().begun_at == at("2026-11-01 05:30")


@pytest.mark.parametrize(
    ("zone", "made", "date", "begins"),
    [
        ("America/Havana", "2026-03-07 12:00", "2026-03-08", "2026-03-08 05:00"),
        ("Africa/Cairo", "2026-04-23 12:00", "2026-04-24", "2026-04-23 22:00"),
        ("Asia/Beirut", "2026-03-28 12:00", "2026-03-29", "2026-03-28 22:00"),
        ("America/Santiago", "2026-09-05 12:00", "2026-09-06", "2026-09-06 04:00"),
    ],
)
def test_where_the_clock_springs_at_midnight_half_past_midnight_runs_at_one_of_the_same_date(
    night: Night, zone: str, made: str, date: str, begins: str
) -> None:
    night.practice.claims(1)
    night.move_to(zone, now=at(made))
    night.schedule(now=at(made), local_time="00:30")

    for minute in range(0, 22 * 60, 30):
        night.tick(at(made) + dt.timedelta(minutes=minute))

    assert night.nights() == [(date, "job", None)]
    assert night.run().begun_at == at(begins)


def test_the_29th_of_february_is_a_night_as_any_other(night: Night) -> None:
    night.practice.claims(1)
    night.schedule(now=at("2028-02-28 12:00"))

    for day in (29, 30, 31):
        night.tick(at("2028-02-01 07:30") + dt.timedelta(days=day - 1))

    assert [date for date, *_ in night.nights()] == ["2028-02-29", "2028-03-01", "2028-03-02"]


# The practice moves to another time zone


def test_a_practice_that_moves_west_after_its_night_does_not_have_it_twice(night: Night) -> None:
    night.practice.claims(1)
    night.schedule()
    night.tick(FIRST_NIGHT)
    night.move_to("Pacific/Honolulu", now=FIRST_NIGHT + dt.timedelta(hours=1))

    for hour in range(1, 40):
        night.tick(FIRST_NIGHT + dt.timedelta(hours=hour))

    assert [date for date, *_ in night.nights()] == ["2026-11-24", "2026-11-25"]
    assert night.runs()[1].due_at == at("2026-11-25 12:30")


def test_a_practice_that_moves_east_past_its_night_is_told_that_it_was_missed_for_that(night: Night) -> None:
    night.practice.claims(1)
    night.schedule()
    night.tick(FIRST_NIGHT)
    night.move_to("Asia/Tokyo", now=at("2026-11-25 00:00"))  # nine in the morning of the 25th there

    night.tick(at("2026-11-25 00:00"))
    night.tick(at("2026-11-25 17:30"))

    assert night.nights() == [
        ("2026-11-24", "job", None),
        ("2026-11-25", "missed", descriptions.TIME_ZONE_CHANGED),
        ("2026-11-26", "job", None),
    ]


def test_a_practice_that_moves_east_a_little_past_its_night_has_it_late(night: Night) -> None:
    night.practice.claims(1)
    night.schedule()
    night.move_to("Atlantic/Reykjavik", now=at("2026-11-24 05:00"))  # five in the morning there

    night.tick(at("2026-11-24 05:00"))

    assert night.nights() == [("2026-11-24", "job", None)]
    assert night.run().due_at == at("2026-11-24 02:30")
