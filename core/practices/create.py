"""Create a practice with the standard billing statuses."""

import datetime as dt
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from sqlalchemy import insert, select
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.orm import Session

from core.access import audit
from core.access.audit import Subject
from core.enums.claims import BILLING_STATUSES
from core.enums.practices import WriteOffSetting
from core.errors import BadInput, Refusal
from core.models.practices import BillingStatus, Practice
from core.reading import checked_name

DEFAULT_TIME_ZONE: Final = "America/New_York"
NAME_CHARACTERS_MAX: Final = 200


class PracticeExists(Refusal):
    """There is already a practice with this name."""


class BadTimeZone(BadInput):
    """Use a time zone name from the IANA list, such as America/Chicago."""


class BadPracticeName(BadInput):
    """A practice needs a name of 1 to 200 characters."""


class TimeZoneMismatch(Refusal):
    """The practice already exists with a different time zone.

    Leave out --time-zone, or change the zone first with settle time-zone.
    """

    code = "other_time_zone"


def create_practice(
    session: Session,
    *,
    name: str,
    time_zone: str = DEFAULT_TIME_ZONE,
    write_off: WriteOffSetting | None = None,
    second_factor_required: bool = True,
    now: dt.datetime,
) -> int:
    """Create the practice with its standard billing statuses, and say so in the other practices' logs. Return its id.

    Without `write_off` nothing is written off until an administrator chooses the setting. `second_factor_required` is
    for approvers and administrators.

    Raise `BadPracticeName`, `BadTimeZone`, and `PracticeExists` if the name is taken.
    """
    name = checked_name(name.strip(), BadPracticeName, most=NAME_CHARACTERS_MAX)
    new = {"name": name, "time_zone": checked_time_zone(time_zone), "created_at": now}
    new |= {"second_factor_required": second_factor_required}
    new |= {"write_off": write_off or WriteOffSetting.NEITHER, "write_off_chosen": write_off is not None}
    # ON CONFLICT waits for a transaction that creates the same practice. A SELECT first would not see it.
    insertion = upsert(Practice).values(recent_payment_days=0, **new).on_conflict_do_nothing(index_elements=["name"])
    practice_id: int | None = session.scalar(insertion.returning(Practice.id))
    if practice_id is None:
        raise PracticeExists
    statuses = [
        {"practice_id": practice_id, "name": status, "position": position}
        for position, status in enumerate(BILLING_STATUSES)
    ]
    session.execute(insert(BillingStatus), statuses)
    # Without the new one's name, because the practices of a server need not know each other.
    others = session.scalars(select(Practice.id).where(Practice.id != practice_id).order_by(Practice.id))
    audit.record_all(
        session, "practice.other_created", [(Subject.practice(one), {}) for one in others], by=None, now=now
    )
    return practice_id


def find_or_create_practice(session: Session, *, name: str, time_zone: str | None, now: dt.datetime) -> int:
    """Return the id of the practice called `name`. Create it if needed, in New York time unless `time_zone` is given.

    Raise `TimeZoneMismatch` if the practice exists with a different time zone.
    """
    there = select(Practice.id, Practice.time_zone).where(Practice.name == name.strip())
    found = session.execute(there).one_or_none()  # first, because only the owner of the tables may create one
    if found is None:
        try:
            return create_practice(session, name=name, time_zone=time_zone or DEFAULT_TIME_ZONE, now=now)
        except PracticeExists:
            found = session.execute(there).one()
    practice_id, zone_there = found
    if time_zone is not None and time_zone != zone_there:
        raise TimeZoneMismatch
    return practice_id


def checked_time_zone(time_zone: str) -> str:
    """Return the zone's name. Raise `BadTimeZone` for an unknown zone."""
    try:
        ZoneInfo(time_zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise BadTimeZone from None
    return time_zone
