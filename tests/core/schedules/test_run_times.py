"""When a run starts: gaps and repeats at clock changes, changes at midnight, leap days, missed runs."""

import datetime as dt
from dataclasses import dataclass, field
from zoneinfo import ZoneInfo

import pytest

from core.schedules import run_times
from tests.core.schedules.conftest import EVERY_DAY, at

NEW_YORK = ZoneInfo("America/New_York")


@dataclass
class Timed:
    """The fields of a schedule that determine its run times."""

    local_time: dt.time = dt.time(2, 30)
    weekdays: list[str] = field(default_factory=lambda: list(EVERY_DAY))
    grace_minutes: int = 240
    active_since: dt.datetime = field(default_factory=lambda: at("2026-11-20 15:00"))


@pytest.mark.parametrize(
    ("zone", "date", "time", "begins", "shows"),
    [
        ("America/New_York", "2026-03-08", "02:30", "2026-03-08 07:00", "03:00"),  # the clock jumps from 2:00 to 3:00
        # the time occurs twice; the first counts
        ("America/New_York", "2026-11-01", "01:30", "2026-11-01 05:30", "01:30"),
        ("America/New_York", "2026-11-24", "02:30", "2026-11-24 07:30", "02:30"),
        ("America/Havana", "2026-03-08", "00:30", "2026-03-08 05:00", "01:00"),  # the clock jumps at midnight
        ("America/Havana", "2026-03-08", "00:00", "2026-03-08 05:00", "01:00"),
        ("Africa/Cairo", "2026-04-24", "00:00", "2026-04-23 22:00", "01:00"),
        ("Asia/Beirut", "2026-03-29", "00:15", "2026-03-28 22:00", "01:00"),
        ("America/Santiago", "2026-09-06", "00:30", "2026-09-06 04:00", "01:00"),
        # the clock falls back at midnight; the first counts
        ("America/Santiago", "2026-04-04", "23:30", "2026-04-05 02:30", "23:30"),
        ("America/Havana", "2026-11-01", "00:30", "2026-11-01 04:30", "00:30"),
        ("Australia/Lord_Howe", "2026-10-04", "02:15", "2026-10-03 15:30", "02:30"),  # a half-hour change
        ("America/New_York", "2028-02-29", "02:30", "2028-02-29 07:30", "02:30"),
    ],
)
def test_a_run_starts_when_the_clock_first_shows_or_has_just_passed_its_time(
    zone: str, date: str, time: str, begins: str, shows: str
) -> None:
    found = run_times.instant(dt.date.fromisoformat(date), dt.time.fromisoformat(time), ZoneInfo(zone))

    assert found == at(begins)
    local = found.astimezone(ZoneInfo(zone))
    assert (local.date().isoformat(), local.time().isoformat("minutes")) == (date, shows)


@pytest.mark.parametrize("zone", ["America/New_York", "America/Havana", "Africa/Cairo", "Asia/Beirut", "Asia/Kolkata"])
@pytest.mark.parametrize("time", ["00:00", "00:30", "01:30", "02:30", "23:59"])
def test_every_date_of_two_years_has_one_run_and_runs_are_in_order(zone: str, time: str) -> None:
    schedule = Timed(dt.time.fromisoformat(time), grace_minutes=1, active_since=at("2027-01-01 00:00"))

    found = run_times.pending_runs(schedule, ZoneInfo(zone), at("2028-12-31 00:00"), ())

    dates = [run_time.date for run_time in (*found.missed, *filter(None, [found.due]))]
    assert dates == [dates[0] + dt.timedelta(days=n) for n in range(len(dates))]
    assert len(dates) in (729, 730, 731)
    instants = [run_time.instant for run_time in found.missed]
    assert instants == sorted(set(instants))
    assert dt.date(2028, 2, 29) in dates


def test_a_date_that_the_time_zone_skips_has_no_run() -> None:
    schedule = Timed(active_since=at("2011-12-28 00:00"), grace_minutes=1)

    found = run_times.pending_runs(schedule, ZoneInfo("Pacific/Apia"), at("2012-01-01 00:00"), ())

    assert [run_time.date.day for run_time in found.missed] == [28, 29, 31, 1]


def test_a_run_is_due_from_its_start_time_to_the_end_of_its_grace_period() -> None:
    schedule = Timed(grace_minutes=60, active_since=at("2026-11-24 00:00"))
    begins = at("2026-11-24 07:30")

    assert run_times.pending_runs(schedule, NEW_YORK, begins - dt.timedelta(seconds=1), ()) == (None, [])
    only = run_times.RunTime(dt.date(2026, 11, 24), begins)
    assert run_times.pending_runs(schedule, NEW_YORK, begins, ()) == (only, [])
    assert run_times.pending_runs(schedule, NEW_YORK, begins + dt.timedelta(minutes=60), ()) == (only, [])
    assert run_times.pending_runs(schedule, NEW_YORK, begins + dt.timedelta(minutes=60, seconds=1), ()) == (
        None,
        [only],
    )
    assert run_times.pending_runs(schedule, NEW_YORK, begins, {only.date}) == (None, [])


def test_after_three_days_without_ticks_only_the_newest_run_starts_and_only_in_time() -> None:
    schedule = Timed()

    early, late = (
        run_times.pending_runs(schedule, NEW_YORK, at(now), ()) for now in ("2026-11-24 08:00", "2026-11-24 15:00")
    )

    assert early.due is not None
    assert [early.due.date.day, *(run_time.date.day for run_time in early.missed)] == [24, 21, 22, 23]
    assert late.due is None
    assert [run_time.date.day for run_time in late.missed] == [21, 22, 23, 24]


def test_only_the_chosen_weekdays_have_runs() -> None:
    schedule = Timed(weekdays=["mon", "thu"])

    assert run_times.next_due(schedule, NEW_YORK, at("2026-11-24 12:00")) == (
        dt.date(2026, 11, 26),
        at("2026-11-26 07:30"),
    )
    assert run_times.next_due(Timed(weekdays=[]), NEW_YORK, at("2026-11-24 12:00")) is None


def test_a_weekday_is_that_of_the_practices_date_not_of_utc() -> None:
    schedule = Timed(dt.time(23, 30), weekdays=["mon"])

    assert run_times.next_due(schedule, NEW_YORK, at("2026-11-23 12:00")) == (
        dt.date(2026, 11, 23),
        at("2026-11-24 04:30"),
    )


def test_no_run_is_due_before_the_schedule_was_active() -> None:
    schedule = Timed(active_since=at("2026-11-24 07:31"))

    assert run_times.pending_runs(schedule, NEW_YORK, at("2026-11-24 12:00"), ()) == (None, [])
    assert run_times.next_due(schedule, NEW_YORK, at("2026-11-24 05:00")) == (
        dt.date(2026, 11, 25),
        at("2026-11-25 07:30"),
    )


def test_a_date_already_decided_is_not_the_next_run() -> None:
    schedule, now = Timed(dt.time(23, 0)), at("2026-11-24 12:00")

    found = run_times.next_due(schedule, NEW_YORK, now, decided={dt.date(2026, 11, 24)})

    assert found == (dt.date(2026, 11, 25), at("2026-11-26 04:00"))
