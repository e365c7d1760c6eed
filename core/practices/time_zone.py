"""The practice's time zone: by it nights begin, and days are counted."""

import datetime as dt

from sqlalchemy.orm import Session

from core.access import audit
from core.access.permissions import Action, Actor
from core.practices import queries
from core.practices.create import known_zone
from core.practices.models import Practice
from core.schedules import zones


def set_time_zone(session: Session, name: str, *, by: Actor, now: dt.datetime) -> Practice:
    """Let the practice's days and nights go by this zone from now on. Raises `BadTimeZone` and `NotAllowed`.

    What was posted keeps its date, a job its day. No night comes twice; one whose deadline has passed by the new clock
    is written down as missed, for that reason.
    """
    by.require(Action.CHANGE_SETTING)
    zone = known_zone(name)
    schedules = zones.hold(session, by.practice_id)
    practice = queries.locked(session, by.practice_id)
    if practice.time_zone == zone:
        return practice
    was, practice.time_zone = practice.time_zone, zone
    subject = f"practice:{practice.id}"
    facts = {"from": was, "to": zone, "nights_missed": zones.changed(session, schedules, was=was, zone=zone, now=now)}
    audit.record(
        session, "time_zone.changed", practice_id=practice.id, subject=subject, by=by.user_id, now=now, **facts
    )
    return practice
