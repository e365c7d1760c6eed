"""Time zone changes of 2026: a run starts, and a posting is dated, by the newer of two time zone databases."""

import datetime as dt
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import select

from core.enums.ledger import PostingKind
from core.models.ledger import Posting
from tests.core.schedules.conftest import ScheduledPractice, at
from tests.factories import Line
from tests.zone_files import NEW, OLD, a_database, a_wheel, using

CREATED_AT = at("2026-10-30 15:00")
TWO_O_CLOCK = {  # in UTC, on every date below
    "America/Vancouver": "09:00",
    "America/Edmonton": "08:00",
    "America/Winnipeg": "07:00",
    "Africa/Casablanca": "02:00",
}
DATES = ("2026-10-31", "2026-11-01", "2026-11-02", "2027-03-13", "2027-03-14", "2027-03-15")


@pytest.fixture(params=["system", "wheel"])
def one_is_old(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Make the operating system's database old and the wheel's new, or the reverse."""
    if request.param == "system":
        system, package = a_database(tmp_path, OLD, version="2025b"), "tzdata"
    else:
        monkeypatch.syspath_prepend(str(a_wheel(tmp_path / "wheel", OLD, version="2025b", package="old_tzdata")))
        system, package = a_database(tmp_path / "system", NEW, version="2030a"), "old_tzdata"
    with using(system, package=package):
        yield


@pytest.mark.parametrize("zone", TWO_O_CLOCK)
@pytest.mark.usefixtures("one_is_old")
def test_a_run_at_two_in_the_morning_starts_at_the_right_moment(scheduled: ScheduledPractice, zone: str) -> None:
    scheduled.move_to(zone, now=CREATED_AT)
    scheduled.schedule(now=CREATED_AT, local_time="02:00")

    def started() -> dict[str, dt.datetime]:
        return {str(run.local_date): run.due_at for run in scheduled.runs()}

    for date in DATES:
        begins = at(f"{date} {TWO_O_CLOCK[zone]}")
        scheduled.tick(begins - dt.timedelta(seconds=1))
        assert date not in started()
        scheduled.tick(begins)
        assert started()[date] == begins


@pytest.mark.usefixtures("one_is_old")
def test_a_posting_around_midnight_gets_the_practices_date(scheduled: ScheduledPractice) -> None:
    cases = [
        ("America/Vancouver", "2026-11-02 07:30", "2026-11-02"),  # 12:30 AM; 11:30 PM before 2026b
        ("America/Vancouver", "2026-11-02 06:30", "2026-11-01"),
        ("America/Edmonton", "2026-11-02 06:30", "2026-11-02"),
        ("America/Edmonton", "2026-11-02 05:30", "2026-11-01"),
        ("America/Winnipeg", "2026-11-02 05:30", "2026-11-02"),
        ("America/Winnipeg", "2027-03-01 05:30", "2027-03-01"),  # another month as well
        ("Africa/Casablanca", "2026-11-01 23:30", "2026-11-01"),  # 12:30 AM before 2026c
        ("Africa/Casablanca", "2026-11-02 00:30", "2026-11-02"),
    ]
    scheduled.practice.claim("1", Line(0, 100))
    for zone, now, date in cases:
        scheduled.move_to(zone, now=CREATED_AT)

        scheduled.practice.post("1", 1, key=f"{zone} {now}", now=at(now))

        with scheduled.sessions() as session:
            payments = select(Posting.posted_on).where(Posting.kind == PostingKind.PAYMENT)
            assert str(session.scalars(payments.order_by(Posting.id.desc())).first()) == date, (zone, now)
