"""Retry failed claims: which can succeed now, and why the others cannot."""

import datetime as dt
from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

from sqlalchemy import BigInteger, ColumnElement, and_, func, insert, literal, select, update
from sqlalchemy.orm import Session

from core.claims.claim_id_array import ClaimIds
from core.enums.job_items import ChunkState, Outcome
from core.enums.jobs import JobKind, JobStatus
from core.errors import BadInput
from core.jobs import codes, posting_month
from core.jobs.execution import recheck
from core.jobs.keys import JobKey
from core.models.claims import Claim
from core.models.job_items import JobChunk, JobFailure, JobItem
from core.models.jobs import SettleJob
from core.practices import exclusions

RETRYABLE_STATUSES: Final = (JobStatus.COMPLETED, JobStatus.PAUSED, JobStatus.HALTED)


class NoFailureChosen(BadInput):
    """Choose at least one cause. Nothing was retried."""


@dataclass(frozen=True)
class RetryGroup:
    """The failed claims of a job with one code. Cents are what a retry would write off or restore."""

    code: str
    claims: int  # that a retry tries
    insurance_cents: int
    patient_cents: int
    blocked: dict[str, int]  # claims that a retry would only skip, by the code of the rule

    @property
    def words(self) -> str:
        """Return the sentence of the code."""
        return codes.describe(self.code)


@dataclass(frozen=True)
class RetryOffer:
    """What a retry of the job would try now, the largest group first. `obstacle` says why nothing can be retried."""

    obstacle: str  # "" if there is none
    groups: list[RetryGroup]

    @property
    def claims(self) -> int:
        """Return the number of claims that a retry of every group tries."""
        return 0 if self.obstacle else sum(group.claims for group in self.groups)


def obstacle(session: Session, job: SettleJob) -> str:
    """Return why none of the job's failed claims can be retried now, or an empty string."""
    if job.status not in RETRYABLE_STATUSES:
        return f"The job is {codes.status_words(job.status)}"
    return "The month of the posting date is closed" if posting_month.is_closed(session, job) else ""


def offer(session: Session, job: SettleJob) -> RetryOffer:
    """Return what a retry would try, by failure code."""
    key = JobKey(job.practice_id, job.id)
    blocked_by = blocked_claims(session, job)
    failed = (*key.of(JobItem), JobItem.outcome == Outcome.FAILED)
    rows = session.execute(
        select(JobItem.code, JobItem.position, JobItem.insurance_cents, JobItem.patient_cents).where(*failed)
    )
    found: dict[str, RetryGroup] = {}
    for code, position, insurance, patient in rows:
        group = found.get(code or "") or RetryGroup(code or "", 0, 0, 0, {})
        found[group.code] = _with(group, insurance, patient, blocked_by.get(position))
    ordered = sorted(found.values(), key=lambda group: (-group.claims, group.code))
    return RetryOffer(obstacle(session, job), ordered)


def _with(group: RetryGroup, insurance: int, patient: int, blocked_by: str | None) -> RetryGroup:
    if blocked_by is not None:
        blocked = {**group.blocked, blocked_by: group.blocked.get(blocked_by, 0) + 1}
        return RetryGroup(group.code, group.claims, group.insurance_cents, group.patient_cents, blocked)
    cents = group.insurance_cents + insurance, group.patient_cents + patient
    return RetryGroup(group.code, group.claims + 1, *cents, group.blocked)


def blocked_claims(session: Session, job: SettleJob, *, within: ColumnElement[bool] | None = None) -> dict[int, str]:
    """Return, by position, the rule by which a retry would only skip a failed claim, such as a change of the claim."""
    key = JobKey(job.practice_id, job.id)
    failed = [*key.of(JobItem), JobItem.outcome == Outcome.FAILED, *([] if within is None else [within])]
    ids = ClaimIds(*session.execute(select(*ClaimIds.of(JobItem.claim_id)).where(*failed)).one())
    if not ids:
        return {}
    settles = job.kind is JobKind.SETTLE
    excluded = (
        exclusions.active_exclusions(session, job.practice_id, on=job.as_of) if settles else exclusions.NO_EXCLUSIONS
    )
    code = recheck.skip_code(job, excluded)
    of_item = and_(Claim.practice_id == JobItem.practice_id, Claim.id == JobItem.claim_id)
    rows = select(JobItem.position, code).join(Claim, of_item).where(*failed, code.is_not(None))
    named = {"mismatched": recheck.balance_mismatches(session, job.practice_id, ids).array}
    return {position: found for position, found in session.execute(rows, named) if found}


def reopen_failed(session: Session, job: SettleJob, *, chosen: Collection[str] | None, now: dt.datetime) -> int:
    """Copy each failure that can succeed to the job's history, clear its outcome and open its chunk.

    With `chosen`, do so only for failures with these codes. Return the number of claims. The caller has locked the job.
    Raise `NoFailureChosen`.
    """
    if chosen is not None and not chosen:
        raise NoFailureChosen
    key = JobKey(job.practice_id, job.id)
    chunks = session.execute(
        select(JobChunk.first_position, JobChunk.last_position)
        .where(*key.of(JobChunk), JobChunk.failed > 0)
        .order_by(JobChunk.first_position)
        .with_for_update()
    ).all()
    blocked = blocked_claims(session, job)
    reopened = 0
    for first, last in chunks:
        keep = [position for position in blocked if first <= position <= last]
        failed = [JobItem.outcome == Outcome.FAILED, JobItem.position.not_in(keep)]
        if chosen is not None:
            failed.append(JobItem.code.in_(chosen))
        reopened += _reopen_chunk(session, key, first, last, failed, now=now)
    return reopened


def _reopen_chunk(
    session: Session, key: JobKey, first: int, last: int, which: list[ColumnElement[bool]], *, now: dt.datetime
) -> int:
    failed = and_(*key.of(JobItem), JobItem.position.between(first, last), *which)
    before = select(func.count()).where(
        JobFailure.practice_id == JobItem.practice_id,
        JobFailure.job_id == JobItem.job_id,
        JobFailure.position == JobItem.position,
    )
    history = select(
        JobItem.practice_id,
        JobItem.job_id,
        JobItem.position,
        before.scalar_subquery() + literal(1, BigInteger),
        JobItem.code,
        literal(now),
    ).where(failed)
    names = ["practice_id", "job_id", "position", "attempt", "code", "retried_at"]
    session.execute(insert(JobFailure).from_select(names, history))
    reopened = update(JobItem).where(failed).values(outcome=None, code=None).returning(JobItem.position)
    claims = len(session.scalars(reopened).all())
    if claims:
        session.execute(
            update(JobChunk)
            .where(*key.of(JobChunk), JobChunk.first_position == first)
            .values(
                state=ChunkState.OPEN,
                failed=JobChunk.failed - claims,
                attempts=0,
                busy_tries=0,
                not_before=None,
                taken_at=None,
                taken_by=None,
                done_at=None,
            )
        )
    return claims
