"""Make a practice with the statuses that every practice starts with."""

import datetime as dt
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from sqlalchemy import insert, select
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.orm import Session

from core.errors import BadInput, Refusal
from core.models.claims import BILLING_STATUSES
from core.models.practices import BillingStatus, Practice, WriteOffSetting

DEFAULT_TIME_ZONE: Final = "America/New_York"
NAME_CHARACTERS_MAX: Final = 200


class PracticeExists(Refusal):
    """There already is a practice of this name."""

    code = "practice_exists"


class BadTimeZone(BadInput):
    """A time zone is named as in the IANA list, such as America/Chicago."""

    code = "bad_time_zone"


class BadPracticeName(BadInput):
    """A practice needs a name: some letters, and no more than 200 of them."""

    code = "bad_practice_name"


class OtherTimeZone(Refusal):
    """The practice already has another time zone; its posting dates were made in it."""

    code = "other_time_zone"


def create_practice(
    session: Session,
    *,
    name: str,
    time_zone: str = DEFAULT_TIME_ZONE,
    write_off: WriteOffSetting = WriteOffSetting.NEITHER,
    now: dt.datetime,
) -> int:
    """Make the practice and its standard billing statuses; give its id.

    Raises `BadPracticeName`, `BadTimeZone`, and `PracticeExists` where the name is taken.
    """
    name = name.strip()
    if not 1 <= len(name) <= NAME_CHARACTERS_MAX or not name.isprintable():
        raise BadPracticeName
    new = {"name": name, "time_zone": known_zone(time_zone), "write_off": write_off, "created_at": now}
    # ON CONFLICT waits for whoever is making the same practice, where a SELECT first would not see them.
    insertion = upsert(Practice).values(recent_payment_days=0, **new).on_conflict_do_nothing(index_elements=["name"])
    practice_id: int | None = session.scalar(insertion.returning(Practice.id))
    if practice_id is None:
        raise PracticeExists
    statuses = [
        {"practice_id": practice_id, "name": status, "position": position}
        for position, status in enumerate(BILLING_STATUSES)
    ]
    session.execute(insert(BillingStatus), statuses)
    return practice_id


def find_or_create_practice(session: Session, *, name: str, time_zone: str | None, now: dt.datetime) -> int:
    """Give the id of the practice called `name`; make it (New York unless `time_zone` is told) where there is none.

    Raises `OtherTimeZone` where the practice is there and has another zone than the one told.
    """
    try:
        return create_practice(session, name=name, time_zone=time_zone or DEFAULT_TIME_ZONE, now=now)
    except PracticeExists:
        there = select(Practice.id, Practice.time_zone).where(Practice.name == name.strip())
        practice_id, zone_there = session.execute(there).one()
    if time_zone is not None and time_zone != zone_there:
        raise OtherTimeZone
    return practice_id


def known_zone(time_zone: str) -> str:
    """The name of a zone as it was given; raises `BadTimeZone` where there is none."""
    try:
        ZoneInfo(time_zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise BadTimeZone from None
    return time_zone
