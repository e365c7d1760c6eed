"""The events of a job: which moves are events, what they tell, and which users get a notice."""

import datetime as dt
from collections.abc import Collection, Sequence
from typing import Any, Final

from sqlalchemy import and_, exists, func, or_, select
from sqlalchemy.orm import Session

from core.db import scope
from core.enums.jobs import JobKind, JobStatus, NextStep
from core.enums.notices import EventKind, NoticeKind
from core.jobs import requesters
from core.jobs.keys import JobKey
from core.models.job_items import JobChunk
from core.models.jobs import SettleJob
from core.models.notices import Event, Notice
from core.models.schedules import ScheduleRun
from core.notices.record import notify, record_events, resolve

PREVIEW_WARNING: Final = dt.timedelta(minutes=15)  # before a preview expires
APPROVAL_WARNING: Final = dt.timedelta(days=1)  # before a job that needs approval expires
WARNINGS_PER_SWEEP_MAX: Final = 100

S = JobStatus
_UNDECIDED: Final = (S.PREVIEWED, S.AWAITING_APPROVAL)
_EVENTS: Final = {
    S.AWAITING_APPROVAL: EventKind.APPROVAL_REQUESTED,
    S.CONFIRMED: EventKind.CONFIRMED,
    S.COMPLETED: EventKind.COMPLETED,
    S.HALTED: EventKind.HALTED,
    S.CANCELLED: EventKind.CANCELLED,
    S.REJECTED: EventKind.REJECTED,
    S.EXPIRED: EventKind.EXPIRED,
    S.DISCARDED: EventKind.DISCARDED,
}
_NOTICES: Final = {
    EventKind.APPROVAL_REQUESTED: NoticeKind.APPROVAL,
    EventKind.HALTED: NoticeKind.HALTED,
    EventKind.PREVIEW_EXPIRES: NoticeKind.EXPIRES,
    EventKind.APPROVAL_EXPIRES: NoticeKind.EXPIRES,
    **dict.fromkeys(
        (
            EventKind.COMPLETED, EventKind.CANCELLED, EventKind.REJECTED, EventKind.EXPIRED, EventKind.DISCARDED,
        ),
        NoticeKind.ENDED,
    ),
}  # fmt: skip
_STOPPED: Final = (S.COMPLETED, S.HALTED, S.CANCELLED)
_SUMMED: Final = ("settled", "skipped", "failed", "insurance_cents", "patient_cents")
_SUMS: Final = select(*(func.coalesce(func.sum(getattr(JobChunk, name)), 0).label(name) for name in _SUMMED)).where(
    *JobKey.of_named(JobChunk)
)


def record_move(session: Session, key: JobKey, source: JobStatus, target: JobStatus, *, now: dt.datetime) -> None:
    """Record the events of a move, once it is made and in its transaction."""
    if source in _UNDECIDED:
        resolve(session, key.practice_id, Notice.job_id == key.job_id, now=now)
    kind = _event_of(source, target)
    if kind is None:
        return
    job = session.get_one(SettleJob, key)  # the move has updated it
    if kind is EventKind.DISCARDED and job.decided_by is None:
        return  # its requester did it
    facts = _facts(session, key, job)
    _record(session, [kind], job, facts, now=now)
    if target in _STOPPED:
        _record_postings(session, job, facts, now=now)
    if target in _STOPPED and job.kind is JobKind.REVERSE and facts["settled"]:
        told = {**facts, "reversal_job_id": job.id}
        practice_id, original = key.practice_id, job.reverses_job_id
        record_events(session, [EventKind.REVERSED], told, practice_id=practice_id, job_id=original, now=now)


def warn_of_deadlines(
    session: Session, *, preview_life: dt.timedelta, approval_life: dt.timedelta, now: dt.datetime
) -> None:
    """Notify the users who can still act of each job that expires soon, once for each deadline."""
    unconfirmed = and_(
        SettleJob.status == S.PREVIEWED,
        SettleJob.next_step == NextStep.ASK,
        SettleJob.previewed_at <= now - preview_life + PREVIEW_WARNING,
        ~_is_warned(EventKind.PREVIEW_EXPIRES),
    )
    unapproved = and_(
        SettleJob.status == S.AWAITING_APPROVAL,
        SettleJob.approval_requested_at <= now - approval_life + APPROVAL_WARNING,
        ~_is_warned(EventKind.APPROVAL_EXPIRES),
    )
    near = select(SettleJob).where(or_(unconfirmed, unapproved)).order_by(SettleJob.id).limit(WARNINGS_PER_SWEEP_MAX)
    for job in session.scalars(near.with_for_update(key_share=True, skip_locked=True)).all():
        scope.set_practice(session, job.practice_id)
        kind = EventKind.PREVIEW_EXPIRES if job.status is S.PREVIEWED else EventKind.APPROVAL_EXPIRES
        _record(session, [kind], job, _facts(session, JobKey(job.practice_id, job.id), job), now=now)


def _event_of(source: JobStatus, target: JobStatus) -> EventKind | None:
    is_first = source in _UNDECIDED  # not a resumed or retried job, and not a preview that its requester discarded
    return _EVENTS.get(target) if is_first or target not in (S.CONFIRMED, S.DISCARDED) else None


def _is_warned(kind: EventKind) -> Any:
    return exists().where(Event.practice_id == SettleJob.practice_id, Event.job_id == SettleJob.id, Event.kind == kind)


def _facts(session: Session, key: JobKey, job: SettleJob) -> dict[str, Any]:
    counts = dict.fromkeys(_SUMMED, 0)
    if job.started_at is not None:
        row = session.execute(_SUMS, key.named()).one()._mapping
        counts = {name: int(row[name]) for name in _SUMMED}
    claims = job.claims_total or 0
    return {
        "kind": job.kind.value,
        "status": job.status.value,
        "claims": claims,
        **counts,
        "remaining": claims - counts["settled"] - counts["skipped"] - counts["failed"],
        "will_settle": (job.preview or {}).get("will_settle", 0),
        "posting_date": job.posting_date.isoformat(),
        "halted_because": job.halted_because,
        "schedule_id": job.schedule_id,
    }


def _record_postings(session: Session, job: SettleJob, facts: dict[str, Any], *, now: dt.datetime) -> None:
    """Record what the job posted since its last such event, if it posted anything."""
    of_job = (Event.practice_id == job.practice_id, Event.job_id == job.id, Event.kind == EventKind.POSTINGS_WRITTEN)
    told = session.scalar(select(Event.facts).where(*of_job).order_by(Event.id.desc()).limit(1)) or {}
    new = {f"new_{name}": facts[name] - told.get(name, 0) for name in ("settled", "insurance_cents", "patient_cents")}
    if new["new_insurance_cents"] or new["new_patient_cents"]:
        _record(session, [EventKind.POSTINGS_WRITTEN], job, {**facts, **new}, now=now)


def _record(
    session: Session, kinds: Sequence[EventKind], job: SettleJob, facts: dict[str, Any], *, now: dt.datetime
) -> None:
    made = record_events(session, kinds, facts, practice_id=job.practice_id, job_id=job.id, now=now)
    for kind, event_id in made.items():
        about = _NOTICES.get(kind)
        if about is not None:
            # The schedule's own report goes out by e-mail when its job ends or halts.
            by_mail = about in (NoticeKind.APPROVAL, NoticeKind.EXPIRES) or not _has_report(session, job)
            to, job_id = _readers(session, kind, job, now=now), job.id
            notify(session, event_id, about, to, practice_id=job.practice_id, job_id=job_id, now=now, by_mail=by_mail)


def _has_report(session: Session, job: SettleJob) -> bool:
    of_job = (ScheduleRun.practice_id == job.practice_id, ScheduleRun.job_id == job.id)
    runs = select(ScheduleRun.schedule_snapshot["mail_to"]).where(*of_job)
    return job.schedule_id is not None and bool(session.scalars(runs.limit(1)).first())


def _readers(session: Session, kind: EventKind, job: SettleJob, *, now: dt.datetime) -> Collection[int]:
    readers: set[int] = set()
    if kind in (EventKind.APPROVAL_REQUESTED, EventKind.APPROVAL_EXPIRES):
        readers |= {user.id for user in requesters.approvers(session, job, now=now)}
    if kind is not EventKind.APPROVAL_REQUESTED:
        readers |= requesters.requester_ids(job)
    return readers
