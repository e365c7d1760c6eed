"""Create a job from a request. It is previewed at once, or a worker prepares it if it is large."""

import datetime as dt
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from sqlalchemy import select
from sqlalchemy.orm import Session

from core.access.permissions import Action, Actor
from core.enums.jobs import JobKind, NextStep
from core.errors import BadInput
from core.jobs import posting_month
from core.jobs.preview import freezing, preview_items, schedule_lock, selections
from core.jobs.preview.job_request import BadRequest, JobRequest, Listed, Selection
from core.jobs.preview.selections import NO_NUMBER_FOUND, NothingSelected
from core.models.jobs import SettleJob
from core.models.practices import BillingStatus, Practice, PracticeReason
from core.policy import terms
from core.policy.terms import Terms
from core.practices import exclusions, practice_days, reasons, write_off_setting
from core.practices.reasons import UnknownReason
from core.settings import PREVIEW_IN_REQUEST_CLAIMS_MAX


class UnknownStatus(BadInput):
    """This practice has no such billing status."""

    code = "unknown_billing_status"


class ScheduleTerms(NamedTuple):
    """What a schedule adds to a request: its owner's CONFIRM, which starts the job, and its caps."""

    schedule_id: int
    created_by: int  # the user who created the schedule
    owner_id: int
    run_date: dt.date | None  # the run date in the practice's time zone; None for "run now"
    next_step: NextStep  # REPORT or CONFIRM
    claims_max: int
    cents_max: int

    def values(self) -> dict[str, Any]:
        """Return the values of the job's columns."""
        return {
            "schedule_id": self.schedule_id,
            "schedule_created_by": self.created_by,
            "confirmed_by": self.owner_id,
            "run_date": self.run_date,
            "next_step": self.next_step,
        }

    def caps(self) -> dict[str, int]:
        """Return the caps, as they are frozen into the job's limits."""
        return {"cap_claims": self.claims_max, "cap_cents": self.cents_max}


def request_preview(
    session: Session,
    request: JobRequest,
    *,
    by: Actor,
    idempotency_key: str,
    now: dt.datetime,
    chunk_claims: int | None = None,
    schedule_terms: ScheduleTerms | None = None,
) -> SettleJob:
    """Create the requested job: previewed, or preparing if a worker must preview it (over 20,000 claims).

    The same key and request return the same job. Raise `IdempotencyMismatch`, `UnknownClaim`, `NothingSelected`,
    `UnknownStatus`, `BadRequest` for the reason, `NotAllowed`, `PeriodClosed`, `BadPostingDate` or `SettingNotChosen`.
    """
    by.require(Action.PREVIEW_JOB)
    if request.include:
        by.require(Action.OVERRIDE_RULE)
    _check_status(session, by.practice_id, request.target_status)
    practice = freezing.lock_practice_settings(session, by.practice_id)
    reason = _find_reason(session, practice, request.reason) if request.settles else None
    job, is_new = freezing.insert_job_once(
        session,
        practice,
        by=by,
        idempotency_key=idempotency_key,
        request_hash=request.hash(),
        today=practice_days.today(practice, now=now),
        now=now,
        kind=JobKind.SETTLE if request.settles else JobKind.STATUS,
        target_status=request.target_status,
        selection=request.selection.model_dump(mode="json"),
        reason=reason.kind if reason else None,
        practice_reason=reasons.frozen(reason) if reason else {},
        note=request.note,
        name=request.name,
        overridden_rules=list(request.include),
        **(schedule_terms.values() if schedule_terms else {}),
    )
    if not is_new:
        return job
    _require_active(session, reason)
    if schedule_terms is not None:
        job.limits = {**job.limits, **schedule_terms.caps()}
    job.posting_date = posting_month.choose_posting_date(
        session, practice, asked=request.posting_date, moves_money=request.settles, now=now
    )
    _begin(session, job, request.selection, chunk_claims=chunk_claims, now=now)
    return job


def _begin(
    session: Session, job: SettleJob, selected: Selection, *, chunk_claims: int | None, now: dt.datetime
) -> None:
    """Freeze a small selection at once, and leave a large one to a worker."""
    selections.check_claim_ids(session, job.practice_id, selected)
    of_job, few = rule_terms(session, job), PREVIEW_IN_REQUEST_CLAIMS_MAX
    counted = selections.count(session, job.practice_id, selected, terms=of_job, at_most=few)
    if counted == 0:
        raise NothingSelected(NO_NUMBER_FOUND if isinstance(selected, Listed) else None)
    if counted <= few:
        if job.schedule_id is not None:
            schedule_lock.lock(session, job)
            of_job = rule_terms(session, job)  # an exclusion may have begun while it waited
        freeze_selected(session, job, selected, terms=of_job, chunk_claims=chunk_claims, now=now)
    else:
        job.claims_expected = selections.count(session, job.practice_id, selected, terms=of_job)


def _check_status(session: Session, practice_id: int, name: str) -> None:
    known = session.scalars(
        select(BillingStatus.name).where(BillingStatus.practice_id == practice_id).order_by(BillingStatus.position)
    ).all()
    if name not in known:
        raise UnknownStatus(f"This practice has no billing status {name!r}. Its statuses are {', '.join(known)}.")


def _find_reason(session: Session, practice: Practice, code: str | None) -> PracticeReason:
    """Return the reason of a job that settles. The practice must have chosen which balances such a job writes off."""
    write_off_setting.require_chosen(practice)
    with _reason_faults():
        return reasons.find(session, practice.id, code or "")


def _require_active(session: Session, reason: PracticeReason | None) -> None:
    with _reason_faults():
        if reason is not None:
            reasons.require_active(session, reason)


@contextmanager
def _reason_faults() -> Iterator[None]:
    try:
        yield
    except UnknownReason as refusal:
        raise BadRequest(f"reason: {refusal.message}") from None


def rule_terms(session: Session, job: SettleJob) -> Terms:
    """Return what the rules need to know about this job at its preview."""
    return Terms(
        setting=job.setting,
        as_of=job.as_of,
        posting_date=job.posting_date,
        target_status=job.target_status,
        reason=job.reason,
        **terms.frozen_numbers(job.rule_values),
        excluded=exclusions.active_exclusions(session, job.practice_id, on=job.as_of),
    )


def freeze_selected(
    session: Session, job: SettleJob, selected: Selection, *, terms: Terms, chunk_claims: int | None, now: dt.datetime
) -> None:
    """Freeze the items of the selection, with totals and chunks."""

    def insert_items() -> int:
        return preview_items.freeze_items(session, job, selected, terms=terms)

    freezing.freeze(session, job, insert_items, chunk_claims=chunk_claims, now=now)
