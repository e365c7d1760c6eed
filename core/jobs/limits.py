"""What a job may write off without a second person: the limits frozen into it, and what of it is over which.

A limit is in cents, or a number of claims for a schedule's cap; `core.money.UNLIMITED` where somebody chose the word.
Limits that change later change nothing about a job that was previewed before.
"""

from typing import Final, TypedDict

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import Session

from core.access.models import User
from core.jobs.keys import JobKey
from core.jobs.lifecycle import FINAL_STATUSES
from core.jobs.models import JobItem, JobKind, JobStatus, SettleJob, Verdict
from core.money import UNLIMITED
from core.practices.models import Practice

SENTENCES: Final = {
    "over_claim_limit": "Claims above the practice's limit for one claim",
    "over_job_limit": "More than the practice's limit for one job",
    "over_user_claim_limit": "Claims above the requester's own limit for one claim",
    "over_user_job_limit": "More than the requester's own limit for one job",
    "over_day_limit": "With the requester's other jobs of this day, more than the limit for one job",
    "over_cap_claims": "More claims than the schedule's cap",
    "over_cap_amount": "More dollars than the schedule's cap",
}

# Jobs that write nothing off for their requester's day.
_NOT_COUNTED: Final = tuple(
    status for status in FINAL_STATUSES if status not in (JobStatus.COMPLETED, JobStatus.CANCELLED)
)  # fmt: skip
_UNASKED: Final = (JobStatus.PREPARING, JobStatus.PREVIEWED)


# By name: practice_claim_cents, practice_job_cents, user_claim_cents, user_job_cents, and of a schedule cap_claims and
# cap_cents. A name that is missing is no limit of this job's.
Limits = dict[str, int]


class Over(TypedDict):
    """One limit that a job is over: `found` is in the unit of `limit`."""

    code: str
    limit: int
    found: int  # the largest claim's cents, the sum of cents, or the number of claims
    claims: int  # how many claims are over it; all of the job's where the sum is
    jobs: list[int]  # of the day's sum: the other jobs


def of_requester(session: Session, practice: Practice, user_id: int) -> Limits:
    """The limits under which this user asks for a job today."""
    user = session.get_one(User, user_id)
    return Limits(
        practice_claim_cents=practice.claim_limit_cents,
        practice_job_cents=practice.job_limit_cents,
        user_claim_cents=user.claim_limit_cents,
        user_job_cents=user.job_limit_cents,
    )


def of_confirmer(session: Session, job: SettleJob, user_id: int) -> Limits:
    """The job's limits, where another confirms than previewed the stricter of both persons'."""
    limits: Limits = dict(job.limits)
    if user_id != job.requested_by:
        user = session.get_one(User, user_id)
        for name, own in (("user_claim_cents", user.claim_limit_cents), ("user_job_cents", user.job_limit_cents)):
            limits[name] = min(own, limits.get(name, UNLIMITED))
    return limits


def over(session: Session, job: SettleJob, *, by: int) -> list[Over]:
    """What of the previewed job is over which limit, with what user `by` confirmed before on the same day."""
    if job.kind is not JobKind.SETTLE:
        return []
    limits: Limits = job.limits
    found = [
        *_claims_over(session, job, "over_claim_limit", limits.get("practice_claim_cents", UNLIMITED)),
        *_claims_over(session, job, "over_user_claim_limit", limits.get("user_claim_cents", UNLIMITED)),
    ]
    total, settles = _cents(job), (job.preview or {})["will_settle"]
    sums = (
        ("over_job_limit", limits.get("practice_job_cents", UNLIMITED), total),
        ("over_user_job_limit", limits.get("user_job_cents", UNLIMITED), total),
        ("over_cap_claims", limits.get("cap_claims", UNLIMITED), settles),
        ("over_cap_amount", limits.get("cap_cents", UNLIMITED), total),
    )
    found += [_over(code, limit, sum_, claims=settles) for code, limit, sum_ in sums if sum_ > limit]
    of_one_job = min(limits.get("practice_job_cents", UNLIMITED), limits.get("user_job_cents", UNLIMITED))
    if total and total <= of_one_job < UNLIMITED:
        others, jobs = _others_of_the_day(session, job, by)
        if total + others > of_one_job:
            found.append(_over("over_day_limit", of_one_job, total + others, claims=settles, jobs=jobs))
    return found


def _over(code: str, limit: int, found: int, *, claims: int, jobs: list[int] | None = None) -> Over:
    return Over(code=code, limit=limit, found=found, claims=claims, jobs=jobs or [])


def is_over_claim_limit(job: SettleJob) -> ColumnElement[bool]:
    """The condition on an item that it alone is more than one claim may be."""
    limits: Limits = job.limits
    least = min(limits.get("practice_claim_cents", UNLIMITED), limits.get("user_claim_cents", UNLIMITED))
    return JobItem.insurance_cents + JobItem.patient_cents > least


def _claims_over(session: Session, job: SettleJob, code: str, limit: int) -> list[Over]:
    if limit >= UNLIMITED:
        return []
    cents = JobItem.insurance_cents + JobItem.patient_cents
    of_job = (*JobKey(job.practice_id, job.id).of(JobItem), JobItem.verdict == Verdict.SETTLE, cents > limit)
    largest, claims = session.execute(select(func.max(cents), func.count()).where(*of_job)).one()
    return [_over(code, limit, largest, claims=claims)] if claims else []


def _others_of_the_day(session: Session, job: SettleJob, by: int) -> tuple[int, list[int]]:
    """What the user's other settle jobs of the same posting day write off, and which jobs they are."""
    others = session.scalars(
        select(SettleJob)
        .where(
            SettleJob.practice_id == job.practice_id,
            SettleJob.id != job.id,
            SettleJob.confirmed_by == by,
            SettleJob.kind == JobKind.SETTLE,
            # Nights are added up among themselves: they have caps, and must not use up their owner's day.
            SettleJob.schedule_id.is_(None) if job.schedule_id is None else SettleJob.schedule_id.is_not(None),
            SettleJob.as_of == job.as_of,
            SettleJob.status.not_in((*_NOT_COUNTED, *_UNASKED)),
        )
        .order_by(SettleJob.id)
    ).all()
    cents = [_cents(other) for other in others]
    return sum(cents), [other.id for other, own in zip(others, cents, strict=True) if own]


def _cents(job: SettleJob) -> int:
    """What the previewed job will write off."""
    frozen = job.preview or {}
    return int(frozen.get("insurance_cents", 0)) + int(frozen.get("patient_cents", 0))
