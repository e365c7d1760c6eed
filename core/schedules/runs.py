"""One run: the schedule's selection as a job, created in the run's own transaction."""

import datetime as dt
from typing import Any, Final

from sqlalchemy import insert
from sqlalchemy.orm import Session

from core.access import audit
from core.access.permissions import Actor
from core.access.users import actor_for
from core.enums.jobs import NextStep
from core.enums.schedules import RunOutcome, ScheduleMode
from core.errors import Refusal
from core.jobs.preview.create_preview import ScheduleTerms, request_preview
from core.jobs.preview.job_request import JobRequest
from core.jobs.preview.schedule_lock import ScheduleRunBusy
from core.jobs.preview.selections import NothingSelected
from core.models.jobs import SettleJob
from core.models.people import User
from core.models.schedules import Schedule, ScheduleRun
from core.practices import reasons
from core.practices.periods import PeriodBusy
from core.schedules import run_mail

BUSY_REFUSALS: Final = (PeriodBusy, ScheduleRunBusy)  # temporary refusals; the next tick tries again
_SCHEDULED_KEY_PREFIX: Final = "\x1f"  # first character of a run's job key; a user's key cannot contain it


def start_run(
    session: Session, schedule: Schedule, owner: User, *, local_date: dt.date, due_at: dt.datetime, now: dt.datetime
) -> ScheduleRun:
    """Start a run of the locked schedule. A refusal is recorded with its code."""
    job, reason_code = None, None
    try:
        key = f"{_SCHEDULED_KEY_PREFIX}schedule {schedule.id} night {local_date}"
        job = _create_job(session, schedule, actor_for(owner), key=key, run_date=local_date, now=now)
        outcome = RunOutcome.JOB if job else RunOutcome.NOTHING
    except BUSY_REFUSALS:
        raise
    except Refusal as refusal:
        outcome, reason_code = RunOutcome.FAILED, refusal.code
    return record_run(
        session, schedule, outcome, reason_code=reason_code, job=job, local_date=local_date, due_at=due_at, now=now
    )


def start_run_now(session: Session, schedule: Schedule, *, key: str, by: Actor, now: dt.datetime) -> ScheduleRun:
    """Run the locked schedule now for `by`, in addition to its scheduled runs. Raise what a preview raises."""
    job = _create_job(session, schedule, by, key=f"{_SCHEDULED_KEY_PREFIX}schedule {schedule.id} now {key}", now=now)
    outcome = RunOutcome.JOB if job else RunOutcome.NOTHING
    return record_run(
        session, schedule, outcome, reason_code=None, job=job, by=by.user_id, now=now, run_key=key, due_at=now
    )


def record_run(
    session: Session,
    schedule: Schedule,
    outcome: RunOutcome,
    *,
    reason_code: str | None,
    due_at: dt.datetime,
    now: dt.datetime,
    job: SettleJob | None = None,
    by: int | None = None,
    local_date: dt.date | None = None,
    run_key: str | None = None,
) -> ScheduleRun:
    """Record the result of a run.

    A second run with the same date or key violates a constraint, and its job is rolled back too.
    """
    values = {
        "practice_id": schedule.practice_id,
        "schedule_id": schedule.id,
        "local_date": local_date,
        "run_key": run_key,
        "requested_by": by,
        "due_at": due_at,
        "created_at": now,
        "mode": schedule.mode,
        "schedule_snapshot": schedule_snapshot(session, schedule),
        "outcome": outcome,
        "reason_code": reason_code,
        "job_id": job.id if job else None,
    }
    run = session.scalars(insert(ScheduleRun).values(values).returning(ScheduleRun)).one()
    run_mail.queue(session, run, now=now)
    audit.record(
        session, "schedule.ran", schedule, by=by, now=now, run=run.id, outcome=outcome.value, because=reason_code,
        night=local_date.isoformat() if local_date else None, job=run.job_id,
    )  # fmt: skip
    return run


def schedule_snapshot(session: Session, schedule: Schedule) -> dict[str, Any]:
    """Return the schedule as JSON. A run keeps this snapshot whatever happens to the schedule."""
    same = ("name", "filter", "weekdays", "note", "claims_max", "cents_max", "mail_to", "owner_id", "version")
    return {
        **{name: getattr(schedule, name) for name in same},
        "local_time": schedule.local_time.isoformat("minutes"),
        "reason": schedule.reason_code,
        "reason_name": reasons.name(session, schedule.practice_id, schedule.reason_code),
        "mode": schedule.mode.value,
        "late_minutes": schedule.grace_minutes,
    }


def _create_job(
    session: Session, schedule: Schedule, by: Actor, *, key: str, now: dt.datetime, run_date: dt.date | None = None
) -> SettleJob | None:
    """Return the job of a run for `by`, previewed or preparing, or None if no claim matches."""
    request = JobRequest.of(
        {"selection": {"filter": schedule.filter}, "reason": schedule.reason_code, "note": schedule.note}
    )
    settles = schedule.mode is ScheduleMode.SETTLE
    of_schedule = ScheduleTerms(
        schedule_id=schedule.id,
        created_by=schedule.created_by,
        owner_id=schedule.owner_id,
        run_date=run_date,
        next_step=NextStep.CONFIRM if settles else NextStep.REPORT,
        claims_max=schedule.claims_max,
        cents_max=schedule.cents_max,
    )
    try:
        with session.begin_nested():  # a job without claims is rolled back
            return request_preview(session, request, by=by, idempotency_key=key, now=now, schedule_terms=of_schedule)
    except NothingSelected:
        return None
