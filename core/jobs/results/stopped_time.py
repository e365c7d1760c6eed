"""A job's stopped periods, from its audit entries: from a pause, halt or end until it was resumed or retried."""

import datetime as dt
from typing import Any, Final

from sqlalchemy import Interval, Select, String, cast, func, literal, select
from sqlalchemy.orm import Session
from sqlalchemy.sql.selectable import LateralFromClause

from core.jobs.keys import JobKey
from core.models.jobs import SettleJob
from core.models.people import AuditEntry

_STOP_ACTS: Final = ("job.paused", "job.halted", "job.completed")
_RESUME_ACTS: Final = ("job.resumed", "job.retried")
_STOP_END_ACTS: Final = (*_RESUME_ACTS, "job.cancel_asked")

StoppedInterval = tuple[dt.datetime, dt.datetime | None]  # start and end; None while it lasts


def for_job(session: Session, key: JobKey) -> list[StoppedInterval]:
    """Return the periods in which the job was stopped, oldest first."""
    acts = _acts(key.practice_id, literal(key.subject().name)).subquery()
    rests = select(acts.c.at, acts.c.next_at).where(acts.c.act.in_(_STOP_ACTS)).order_by(acts.c.at)
    return [(at, next_at) for at, next_at in session.execute(rests)]


def for_each_job() -> LateralFromClause:
    """Return, for each row of `settle_job`, its stopped time, when it last resumed, and when the current stop began."""
    acts = _acts(SettleJob.practice_id, literal("job:").concat(cast(SettleJob.id, String))).correlate(SettleJob)
    act = acts.subquery().c
    rests = act.act.in_(_STOP_ACTS)
    nothing = cast(dt.timedelta(0), Interval)
    return select(
        func.coalesce(func.sum(act.next_at - act.at).filter(rests), nothing).label("rested"),
        func.max(act.at).filter(act.act.in_(_RESUME_ACTS)).label("woke_at"),
        func.max(act.at).filter(rests, act.next_at.is_(None)).label("rests_since"),
    ).lateral("rests")


def _acts(practice_id: Any, subject: Any) -> Select[Any]:
    following = func.lead(AuditEntry.at).over(order_by=AuditEntry.id)
    found = select(AuditEntry.act, AuditEntry.at, following.label("next_at"))
    return found.where(
        AuditEntry.practice_id == practice_id,
        AuditEntry.subject == subject,
        AuditEntry.act.in_((*_STOP_ACTS, *_STOP_END_ACTS)),
    )
