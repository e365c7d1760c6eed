"""Prepare a preview that was too large for a request: a worker freezes its items."""

import datetime as dt

from sqlalchemy import select
from sqlalchemy.orm import Session

from core.access import authorize
from core.db import timeouts
from core.enums.jobs import JobKind, JobStatus
from core.jobs import requesters
from core.jobs.approval import limits
from core.jobs.keys import JobKey
from core.jobs.preview import create_preview, freezing, schedule_lock, selections
from core.jobs.preview.job_request import JobRequest
from core.jobs.reversal import create_reversal
from core.models.jobs import SettleJob
from core.policy import terms
from core.practices import practice_days


def prepare(session: Session, key: JobKey, *, now: dt.datetime, chunk_claims: int | None = None) -> bool:
    """Freeze the items of a preparing job unless another worker is doing so. Return whether this call did.

    A scheduled run waits while another run of the practice is prepared, so that they never take the same claims. After
    a crash, the next call starts over.
    """
    timeouts.set_timeouts(session, statement_seconds=timeouts.PREPARE_SECONDS)
    mine = select(SettleJob).where(*key.of(SettleJob), SettleJob.status == JobStatus.PREPARING)
    job = session.scalars(mine.with_for_update(key_share=True, skip_locked=True)).one_or_none()
    if job is None:
        return False
    # Lock users first, in the same order as a tick and a change of limits, to avoid a deadlock.
    authorize.lock_users(session, requesters.requester_ids(job))
    if job.schedule_id is not None and not schedule_lock.try_lock(session, job):
        return False
    practice = freezing.lock_practice_settings(session, key.practice_id)
    job.setting = practice.write_off
    job.provider_settings = freezing.provider_settings(session, key.practice_id)
    job.rule_values = terms.numbers_of(practice)
    job.limits = {**job.limits, **limits.for_users(session, practice, requesters.requester_ids(job), now=now)}
    # The posting date stays as requested. The rules apply as of the preview date.
    job.as_of = practice_days.today(practice, now=now)
    if job.kind is JobKind.REVERSE:
        create_reversal.freeze(session, job, chunk_claims=chunk_claims, now=now)
        return True
    asked = {key: value for key, value in job.selection.items() if key != selections.ORIGIN}
    request = {"selection": asked, "target_status": job.target_status, "reason": job.reason}
    selected, rules = JobRequest.of(request).selection, create_preview.rule_terms(session, job)
    create_preview.freeze_selected(session, job, selected, terms=rules, chunk_claims=chunk_claims, now=now)
    return True
