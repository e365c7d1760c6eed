"""A practice is created once, with a name, a time zone and the standard statuses."""

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from core.enums.claims import BILLING_STATUSES
from core.enums.practices import WriteOffSetting
from core.models.practices import BillingStatus, Practice
from core.practices.create import (
    BadPracticeName,
    BadTimeZone,
    PracticeExists,
    TimeZoneMismatch,
    create_practice,
    find_or_create_practice,
)
from tests.factories import NOW


def test_a_new_practice_writes_nothing_off_and_has_the_standard_statuses(session: Session) -> None:
    practice_id = create_practice(session, name=" Lakeside ", now=NOW)

    practice = session.get_one(Practice, practice_id)
    assert (practice.name, practice.time_zone, practice.write_off, practice.recent_payment_days) == (
        "Lakeside",
        "America/New_York",
        WriteOffSetting.NEITHER,
        0,
    )
    statuses = select(BillingStatus.name).where(BillingStatus.practice_id == practice_id)
    assert tuple(session.scalars(statuses.order_by(BillingStatus.position))) == BILLING_STATUSES


@pytest.mark.parametrize("zone", ["", "EST5", "America/Nowhere", "../../etc/passwd", "/etc/localtime", "America"])
def test_an_unknown_time_zone_is_refused(session: Session, zone: str) -> None:
    with pytest.raises(BadTimeZone):
        create_practice(session, name="Lakeside", time_zone=zone, now=NOW)


@pytest.mark.parametrize("name", ["", "   ", "x" * 201, "two\nlines"])
def test_an_invalid_practice_name_is_refused(session: Session, name: str) -> None:
    with pytest.raises(BadPracticeName):
        create_practice(session, name=name, now=NOW)


def test_a_practice_name_is_unique(session: Session) -> None:
    create_practice(session, name="Lakeside", now=NOW)

    with pytest.raises(PracticeExists):
        create_practice(session, name="Lakeside", now=NOW)


def test_an_import_finds_the_practice_that_it_created(session: Session) -> None:
    made = find_or_create_practice(session, name="Lakeside", time_zone="America/Chicago", now=NOW)

    assert find_or_create_practice(session, name="Lakeside", time_zone=None, now=NOW) == made
    assert find_or_create_practice(session, name="Lakeside", time_zone="America/Chicago", now=NOW) == made


def test_an_import_does_not_change_a_practices_time_zone(session: Session) -> None:
    find_or_create_practice(session, name="Lakeside", time_zone=None, now=NOW)

    with pytest.raises(TimeZoneMismatch):
        find_or_create_practice(session, name="Lakeside", time_zone="America/Chicago", now=NOW)


def test_a_new_practice_has_not_chosen_its_setting_unless_one_is_given(session: Session) -> None:
    unasked = create_practice(session, name="Lakeside", now=NOW)
    neither = create_practice(session, name="Hill", write_off=WriteOffSetting.NEITHER, now=NOW)

    assert not session.get_one(Practice, unasked).write_off_chosen
    assert session.get_one(Practice, neither).write_off_chosen
