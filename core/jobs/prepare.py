"""From a request to a previewed job: what is asked is written down, then its items are frozen."""

import datetime as dt
from typing import Any

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from core.access import audit
from core.access.permissions import Action, Actor
from core.errors import BadInput
from core.jobs import lifecycle, preview, selection as selections
from core.jobs.keys import JobKey
from core.jobs.models import JobKind, JobStatus, SettleJob
from core.jobs.requests import JobRequest, Selection
from core.jobs.selection import NothingSelected
from core.policy.facts import Terms
from core.practices import calendar
from core.practices.models import BillingStatus, Practice, Provider
from core.settings import PREVIEW_IN_REQUEST_CLAIMS_MAX, settings


class IdempotencyMismatch(BadInput):
    """This idempotency key was used for another request; use a new key for a new request."""

    code = "idempotency_mismatch"


class UnknownStatus(BadInput):
    """This practice has no such billing status."""

    code = "unknown_billing_status"


def request_job(
    session: Session,
    request: JobRequest,
    *,
    by: Actor,
    idempotency_key: str,
    now: dt.datetime,
    chunk_claims: int | None = None,
) -> SettleJob:
    """Make the job that `request` asks for, previewed, or preparing where a worker must do it (over 20,000 claims).

    The same key with the same request gives the same job, whoever asks how often. Raises
    `IdempotencyMismatch`, `UnknownClaim`, `NothingSelected`, `UnknownStatus` or `NotAllowed`.
    """
    by.require(Action.PREVIEW_JOB)
    if request.include:
        by.require(Action.OVERRIDE_RULE)
    practice = _practice(session, by.practice_id)
    _check_status(session, by.practice_id, request.target_status)
    job, is_new = _write_down(session, request, practice, by=by, idempotency_key=idempotency_key, now=now)
    if not is_new:
        return job
    selections.check_named(session, by.practice_id, request.selection)
    terms = _terms(practice, job)
    few = PREVIEW_IN_REQUEST_CLAIMS_MAX
    counted = selections.count(session, by.practice_id, request.selection, terms=terms, at_most=few)
    if counted == 0:
        raise NothingSelected
    if counted <= few:
        _freeze(session, job, request.selection, terms, chunk_claims=chunk_claims, now=now)
    else:
        job.claims_expected = selections.count(session, by.practice_id, request.selection, terms=terms)
    _audit_request(session, job, by=by, now=now)
    return job


def prepare(session: Session, key: JobKey, *, now: dt.datetime, chunk_claims: int | None = None) -> bool:
    """Freeze the items of a job that is still preparing, if no other worker is at it; tell whether this call did.

    A crash leaves nothing behind, so that the next call starts from nothing.
    """
    mine = select(SettleJob).where(*key.of(SettleJob), SettleJob.status == JobStatus.PREPARING)
    job = session.scalars(mine.with_for_update(key_share=True, skip_locked=True)).one_or_none()
    if job is None:
        return False
    practice = _practice(session, key.practice_id)
    job.setting = practice.write_off
    job.provider_settings = _provider_settings(session, key.practice_id)
    job.as_of = job.posting_date = calendar.today(practice, now=now)
    selected = JobRequest.of(
        {
            "selection": job.selection,
            "target_status": job.target_status,
            "reason": job.reason,
        }
    )
    _freeze(
        session,
        job,
        selected.selection,
        _terms(practice, job),
        chunk_claims=chunk_claims,
        now=now,
    )
    if job.claims_total == 0:
        job.status = JobStatus.DISCARDED
    return True


def _practice(session: Session, practice_id: int) -> Practice:
    # Shared, so that the setting (whose change updates this row) stays as it is while items are frozen under it.
    return session.scalars(select(Practice).where(Practice.id == practice_id).with_for_update(read=True)).one()


def _check_status(session: Session, practice_id: int, name: str) -> None:
    known = session.scalars(
        select(BillingStatus.name).where(BillingStatus.practice_id == practice_id).order_by(BillingStatus.position)
    ).all()
    if name not in known:
        raise UnknownStatus(f"This practice has no billing status {name!r}; it has {', '.join(known)}.")


def _provider_settings(session: Session, practice_id: int) -> dict[str, Any]:
    own = select(Provider.external_id, Provider.write_off).where(
        Provider.practice_id == practice_id, Provider.write_off.is_not(None)
    )
    return {provider: setting.value for provider, setting in session.execute(own) if setting}


def _write_down(
    session: Session,
    request: JobRequest,
    practice: Practice,
    *,
    by: Actor,
    idempotency_key: str,
    now: dt.datetime,
) -> tuple[SettleJob, bool]:
    today = calendar.today(practice, now=now)
    values = {
        "practice_id": by.practice_id,
        "kind": JobKind.SETTLE if request.settles else JobKind.STATUS,
        "status": JobStatus.PREPARING,
        "target_status": request.target_status,
        "selection": request.selection.model_dump(mode="json"),
        "reason": request.reason if request.settles else None,
        "note": request.note,
        "include": list(request.include),
        "setting": practice.write_off,
        "provider_settings": _provider_settings(session, by.practice_id),
        "rule_values": {"recent_payment_days": practice.recent_payment_days},
        "as_of": today,
        "posting_date": today,
        "requested_by": by.user_id,
        "requested_at": now,
        "idempotency_key": idempotency_key,
        "request_hash": request.hash(),
    }
    # Two that come at once: the second waits here for the first, then finds its job.
    made = insert(SettleJob).values(values).on_conflict_do_nothing(constraint="one_job_for_each_idempotency_key")
    job_id = session.scalar(made.returning(SettleJob.id))
    of_key = (
        SettleJob.practice_id == by.practice_id,
        SettleJob.requested_by == by.user_id,
        SettleJob.idempotency_key == idempotency_key,
    )
    job = session.scalars(select(SettleJob).where(*of_key)).one()
    if job.request_hash != request.hash():
        raise IdempotencyMismatch
    return job, job_id is not None


def _terms(practice: Practice, job: SettleJob) -> Terms:
    return Terms(
        setting=job.setting,
        as_of=job.as_of,
        target_status=job.target_status,
        reason=job.reason,
        recent_payment_days=practice.recent_payment_days,
    )


def _freeze(
    session: Session,
    job: SettleJob,
    selected: Selection,
    terms: Terms,
    *,
    chunk_claims: int | None,
    now: dt.datetime,
) -> None:
    key = JobKey(job.practice_id, job.id)
    job.claims_total = preview.freeze_items(session, job, selected, terms=terms)
    preview.make_chunks(session, key, claims=job.claims_total, chunk_claims=chunk_claims or settings().chunk_claims)
    job.preview = preview.totals(session, key).model_dump(mode="json")
    job.selection = _summary(job.selection)
    job.previewed_at = now
    session.flush()
    moved = lifecycle.move(session, key, source=JobStatus.PREPARING, target=JobStatus.PREVIEWED)
    assert moved, "the row is locked"
    session.refresh(job)


def _summary(selection: dict[str, Any]) -> dict[str, Any]:
    """What was selected, without a list of 200,000 ids: from here on the items are the selection."""
    counted = {key: len(value) for key, value in selection.items() if key.endswith("claim_ids")}
    kept = {key: value for key, value in selection.items() if not key.endswith("claim_ids")}
    return {**kept, **counted}


def _audit_request(session: Session, job: SettleJob, *, by: Actor, now: dt.datetime) -> None:
    audit.record(
        session,
        "job.requested",
        practice_id=job.practice_id,
        subject=f"job:{job.id}",
        by=by.user_id,
        now=now,
        kind=job.kind,
        reason=job.reason,
        include=list(job.include),
        claims=job.claims_total or job.claims_expected,
    )
