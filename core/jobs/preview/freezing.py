"""Create the job's row and freeze its items: the part of a preview that all kinds of jobs share."""

import datetime as dt
from collections.abc import Callable
from http import HTTPStatus
from typing import Any, ClassVar, Final

from sqlalchemy import and_, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from core.access import audit, authorize
from core.access.permissions import Action, Actor
from core.access.users import actor_for
from core.enums.jobs import DiscardedBecause, JobStatus, NextStep
from core.errors import BadInput
from core.jobs import frozen, lifecycle, posting_month, requesters
from core.jobs.approval import decide, limits
from core.jobs.keys import JobKey
from core.jobs.preview import cost_share, preview_items, totals
from core.models.claims import Claim
from core.models.job_items import JobItem
from core.models.jobs import SettleJob
from core.models.practices import Practice, Provider
from core.policy import terms
from core.settings import load_settings

PREVIEW_EXPIRES_AFTER: Final = dt.timedelta(hours=1)  # long enough to read it, short enough that it is still up to date


NOT_FOUND: Final = "not_found"  # a key of a job's selection
NOT_FOUND_MAX: Final = 1_000  # every page that shows the job reads them


class IdempotencyMismatch(BadInput):
    """This idempotency key was already used for a different request. Use a new key."""


class BadIdempotencyKey(BadInput):
    """An Idempotency-Key must be 1 to 200 printable characters."""

    http_status: ClassVar[HTTPStatus] = HTTPStatus.BAD_REQUEST


def lock_practice_settings(session: Session, practice_id: int) -> Practice:
    """Lock and return the practice, so that its settings cannot change while items are frozen."""
    return session.scalars(select(Practice).where(Practice.id == practice_id).with_for_update(read=True)).one()


def provider_settings(session: Session, practice_id: int) -> dict[str, Any]:
    """Return the Balance Writeoff settings of providers that have their own, by provider id."""
    own = select(Provider.external_id, Provider.write_off).where(
        Provider.practice_id == practice_id, Provider.write_off.is_not(None)
    )
    return {provider: setting.value for provider, setting in session.execute(own) if setting}


def insert_job_once(
    session: Session,
    practice: Practice,
    *,
    by: Actor,
    idempotency_key: str,
    request_hash: str,
    today: dt.date,
    now: dt.datetime,
    **columns: Any,
) -> tuple[SettleJob, bool]:
    """Insert the job's row, or find the job that the same key created before. Return the job and whether it is new.

    Raise `IdempotencyMismatch` if the key was used for a different request, and `BadIdempotencyKey` if a user's key has
    a character that only keys of scheduled runs may have.
    """
    if columns.get("schedule_id") is None and not idempotency_key.isprintable():
        raise BadIdempotencyKey
    values = {
        "practice_id": practice.id,
        "status": JobStatus.PREPARING,
        "setting": practice.write_off,
        "provider_settings": provider_settings(session, practice.id),
        "rule_values": terms.numbers_of(practice),
        "limits": limits.for_users(session, practice, {by.user_id, columns.get("confirmed_by", by.user_id)}, now=now),
        "as_of": today,
        "posting_date": today,
        "requested_by": by.user_id,
        "requested_at": now,
        "idempotency_key": idempotency_key,
        "request_hash": request_hash,
        **columns,
    }
    # If two requests arrive at once, the second waits here and then finds the first one's job.
    made = insert(SettleJob).values(values).on_conflict_do_nothing(constraint="one_job_for_each_idempotency_key")
    new_id = session.scalar(made.returning(SettleJob.id))
    of_key = (
        SettleJob.practice_id == practice.id,
        SettleJob.requested_by == by.user_id,
        SettleJob.idempotency_key == idempotency_key,
    )
    job = session.scalars(select(SettleJob).where(*of_key)).one()
    if job.request_hash != request_hash:
        raise IdempotencyMismatch
    if new_id is not None:
        _record_request(session, job, by=by, now=now)
    return job, new_id is not None


def _record_request(session: Session, job: SettleJob, *, by: Actor, now: dt.datetime) -> None:
    audit.record(
        session, "job.requested", job, by=by, now=now,
        kind=job.kind.value, reason=job.reason, include=list(job.overridden_rules), reverses=job.reverses_job_id,
        **lifecycle.by_schedule(job),
    )  # fmt: skip


def freeze(
    session: Session, job: SettleJob, items: Callable[[], int], *, chunk_claims: int | None, now: dt.datetime
) -> None:
    """Insert the job's items with `items`, cut them into chunks and add them up, so that the job is previewed.

    A job without items is discarded.
    """
    key = JobKey(job.practice_id, job.id)
    with session.no_autoflush:  # write the row once, with all of this
        job.claims_total = items()
        preview_items.make_chunks(
            session, key, claims=job.claims_total, chunk_claims=chunk_claims or load_settings().chunk_claims
        )
        job.items_sha256 = frozen.items_sha256(session, key)
        job.preview = totals.for_job(session, job).model_dump(mode="json")
        cost_share.use_schedule_note(job)
        job.selection = _summary(job.selection) | _not_found(session, job)
        job.previewed_at = now
    session.flush()
    moved = lifecycle.transition(session, key, source=JobStatus.PREPARING, target=_after_freezing(job), now=now)
    assert moved, "the row is locked"
    session.refresh(job)
    if job.status in (JobStatus.PREVIEWED, JobStatus.REPORTED):  # a report also says what would need approval
        job.limits_exceeded = [
            dict(one) for one in limits.exceeded(session, job, by=requesters.accountable_user(job), now=now)
        ]
        session.flush()
        if job.status is JobStatus.PREVIEWED and job.next_step is NextStep.CONFIRM:
            _confirm_scheduled_job(session, job, now=now)


def _confirm_scheduled_job(session: Session, job: SettleJob, *, now: dt.datetime) -> None:
    """Confirm a scheduled run's job. Discard it with a reason if a precondition failed while it was prepared."""
    because = _discard_cause(session, job)
    if because is None:
        decide.confirm_or_request_approval(session, job, now=now)
        return
    key = JobKey(job.practice_id, job.id)
    moved = lifecycle.transition(
        session,
        key,
        source=JobStatus.PREVIEWED,
        target=JobStatus.DISCARDED,
        now=now,
        discarded_because=because,
        finished_at=now,
    )
    assert moved, "the row is locked"
    audit.record(session, "job.discarded", job, by=None, now=now, because=because.value)
    session.refresh(job)


def _discard_cause(session: Session, job: SettleJob) -> DiscardedBecause | None:
    people = authorize.lock_users(session, requesters.requester_ids(job))
    owner, requester = people[job.confirmed_by or job.requested_by], people[job.requested_by]
    if not owner.active:
        return DiscardedBecause.OWNER_LEFT
    if not actor_for(owner).may(Action.CONFIRM_JOB):
        return DiscardedBecause.OWNER_MAY_NOT
    if not (requester.active and actor_for(requester).may(Action.CONFIRM_JOB)):
        return DiscardedBecause.REQUESTER_MAY_NOT
    # No user is present to choose a different date.
    return DiscardedBecause.PERIOD_CLOSED if posting_month.is_closed(session, job) else None


def _after_freezing(job: SettleJob) -> JobStatus:
    if not job.claims_total:
        return JobStatus.DISCARDED
    # A run that finds nothing to settle is only a report: no job starts or needs approval for nothing.
    nothing = job.schedule_id is not None and not (job.preview or {})["will_settle"]
    return JobStatus.REPORTED if nothing or job.next_step is NextStep.REPORT else JobStatus.PREVIEWED


def _not_found(session: Session, job: SettleJob) -> dict[str, Any]:
    """Return the first numbers of a list that select nothing, so that a user who cancels gets the whole list back."""
    numbers = job.selection.get("claim_numbers")
    if not isinstance(numbers, list) or len(numbers) == job.claims_total:
        return {}
    of_item = and_(Claim.practice_id == JobItem.practice_id, Claim.id == JobItem.claim_id)
    of_job = JobKey(job.practice_id, job.id).of(JobItem)
    found = set(session.scalars(select(Claim.external_id).join(JobItem, of_item).where(*of_job)))
    return {NOT_FOUND: [number for number in numbers if number not in found][:NOT_FOUND_MAX]}


def _summary(selection: dict[str, Any]) -> dict[str, Any]:
    """Return the selection without its list of up to 200,000 ids, which the items replace."""
    given = {key: value for key, value in selection.items() if value is not None}
    return {key: len(value) if isinstance(value, list) else value for key, value in given.items()}


def is_expired(job: SettleJob, *, now: dt.datetime) -> bool:
    """Return whether the preview is too old to be confirmed."""
    return job.previewed_at is not None and now - job.previewed_at >= PREVIEW_EXPIRES_AFTER
