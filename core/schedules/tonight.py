"""What a schedule would settle tonight: the preview's own rules, added up, with nothing written."""

import datetime as dt
from dataclasses import dataclass

from sqlalchemy.orm import Session

from core.access.permissions import Actor
from core.schedules.models import Schedule
from core.schedules.requests import ScheduleRequest


@dataclass(frozen=True)
class Tonight:
    """What would come of the next night as things stand. Cents are positive."""

    claims: int
    will_settle: int
    insurance_cents: int
    patient_cents: int
    by_code: list[tuple[str, int]]  # skipped, or settled by status alone: code and how many, the most first
    over: list[str]  # codes of caps and limits: any, and the job would wait for another person
    as_of: dt.date  # the night's date


def tonight(session: Session, schedule: Schedule, *, now: dt.datetime) -> Tonight:
    """What this schedule would settle in its next night."""
    raise NotImplementedError


def tonight_of(session: Session, request: ScheduleRequest, *, by: Actor, now: dt.datetime) -> Tonight:
    """What a schedule like this would settle, were it `by`'s."""
    raise NotImplementedError
