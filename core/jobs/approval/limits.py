"""What a job may write off without approval: the limits frozen into it, and the limits that it exceeds.

A limit is in cents. A schedule's cap may be a number of claims. `core.money.UNLIMITED` stands for the word "unlimited".
A job keeps the limits that were in effect at its preview.
"""

import datetime as dt
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Final, Literal, NotRequired, TypedDict

from pydantic import BaseModel, computed_field
from sqlalchemy import ColumnElement, and_, func, or_, select
from sqlalchemy.orm import Session

from core.jobs import codes, requesters, reversed_totals
from core.jobs.keys import JobKey
from core.models.job_items import JobChunk, JobItem, Verdict
from core.models.jobs import FINAL_STATUSES, JobKind, JobStatus, SettleJob
from core.models.people import User
from core.models.practices import Practice
from core.money import UNLIMITED, format_cents
from core.practices import practice_days

# The name of the limit on one claim, by code.
PER_CLAIM_LIMITS: Final = {"over_claim_limit": "practice_claim_cents", "over_user_claim_limit": "user_claim_cents"}
LIMITS_IN_CLAIMS: Final = frozenset({"over_cap_claims"})  # every other limit is in cents

# Jobs that do not count against their requester's daily limit.
_NOT_COUNTED: Final = (
    JobStatus.PREPARING,
    JobStatus.PREVIEWED,
    *(status for status in FINAL_STATUSES if status not in (JobStatus.COMPLETED, JobStatus.CANCELLED)),
)


# Keys: practice_claim_cents, practice_job_cents, user_claim_cents, user_job_cents, and for a schedule cap_claims and
# cap_cents. A missing key means no limit.
Limits = dict[str, int]


class LimitExceeded(TypedDict):
    """One limit that a job exceeds. `found` is in the same unit as `limit`."""

    code: str
    limit: int
    found: int  # the largest claim in cents, the sum in cents, or the number of claims
    claims: int  # how many claims exceed it; all claims of the job if the sum does
    jobs: list[int]  # for the daily limit: the user's other jobs
    reversed_jobs: NotRequired[list[int]]  # the other jobs that were reversed later, in whole or in part


class OverLimit(BaseModel):
    """A limit that a job exceeds, as pages and the API show it."""

    code: str
    words: str
    unit: Literal["cents", "claims"]  # of both `limit` and `found`
    limit: int
    found: int
    claims: int
    jobs: list[str]

    @property
    def is_per_claim(self) -> bool:
        """Return whether the limit applies to one claim, so that `found` is the largest claim."""
        return self.code in PER_CLAIM_LIMITS

    @computed_field  # type: ignore[prop-decorator]  # mypy rejects a decorator above @property
    @property
    def sentence(self) -> str:
        """Return a sentence that names the limit and the amount."""
        write: Callable[[int], str] = format_cents if self.unit == "cents" else "{:,}".format
        by_how_much = write(self.found - self.limit)
        return f"{self.words}: {write(self.found)} (limit {write(self.limit)}, over by {by_how_much})"


def describe(over: Iterable[LimitExceeded], *, whose: str = codes.ANY_USER) -> list[OverLimit]:
    """Describe the exceeded limits. For a limit on one claim, the amount is the largest claim's.

    `whose` says whose own limits they are, such as "your".
    """
    return [
        OverLimit(
            code=one["code"],
            words=_words(one).replace(codes.ANY_USER, whose),
            unit="claims" if one["code"] in LIMITS_IN_CLAIMS else "cents",
            limit=one["limit"],
            found=one["found"],
            claims=one["claims"],
            jobs=[str(job_id) for job_id in one["jobs"]],
        )
        for one in over
    ]


def _words(one: LimitExceeded) -> str:
    words, jobs = codes.LIMIT_SENTENCES[one["code"]], one.get("reversed_jobs", [])
    if not jobs:
        return words
    named = f"job{'s' * (len(jobs) > 1)} {', '.join(f'{job_id:,}' for job_id in jobs)}"
    count = "counts even though it was" if len(jobs) == 1 else "count even though they were"
    return f"{words} (including {named}, which still {count} reversed later)"


def for_users(session: Session, practice: Practice, user_ids: Collection[int]) -> Limits:
    """Return the limits for a job that these users request today. The stricter of their own limits applies."""
    people = session.scalars(select(User).where(User.id.in_(user_ids))).all()
    return Limits(
        practice_claim_cents=practice.claim_limit_cents,
        practice_job_cents=practice.job_limit_cents,
        user_claim_cents=min(user.claim_limit_cents for user in people),
        user_job_cents=min(user.job_limit_cents for user in people),
    )


def for_confirmer(session: Session, job: SettleJob, user_id: int) -> Limits:
    """Return the job's limits. If another user confirms than previewed, the stricter of both users' limits applies."""
    limits: Limits = dict(job.limits)
    if user_id != job.requested_by:
        user = session.get_one(User, user_id)
        for name, own in (("user_claim_cents", user.claim_limit_cents), ("user_job_cents", user.job_limit_cents)):
            limits[name] = min(own, limits.get(name, UNLIMITED))
    return limits


def if_confirmed_by(session: Session, job: SettleJob, *, by: int, now: dt.datetime) -> list[LimitExceeded]:
    """Return the limits that the previewed job would exceed if user `by` confirmed it now."""
    return exceeded(session, job, by=by, now=now, limits=for_confirmer(session, job, by))


def exceeded(
    session: Session, job: SettleJob, *, by: int, now: dt.datetime, limits: Limits | None = None
) -> list[LimitExceeded]:
    """Return the limits that the previewed job exceeds together with user `by`'s other jobs that day.

    `now` is the time of the confirmation.
    """
    if job.kind is not JobKind.SETTLE:
        return []
    limits = job.limits if limits is None else limits
    found: list[LimitExceeded] = []
    for code, name in PER_CLAIM_LIMITS.items():
        found += _claims_over(session, job, code, limits.get(name, UNLIMITED))
    total, settles = write_off_total(job), (job.preview or {})["will_settle"]
    sums = (
        ("over_job_limit", limits.get("practice_job_cents", UNLIMITED), total),
        ("over_user_job_limit", limits.get("user_job_cents", UNLIMITED), total),
        ("over_cap_claims", limits.get("cap_claims", UNLIMITED), settles),
        ("over_cap_amount", limits.get("cap_cents", UNLIMITED), total),
    )
    found += [_exceeded_limit(code, limit, sum_, claims=settles) for code, limit, sum_ in sums if sum_ > limit]
    of_one_job = min(limits.get("practice_job_cents", UNLIMITED), limits.get("user_job_cents", UNLIMITED))
    if total and total <= of_one_job < UNLIMITED:
        others = _unapproved_same_day_cents(session, job, by, now)
        sum_ = total + sum(others.values())
        if sum_ > of_one_job:
            day = _exceeded_limit("over_day_limit", of_one_job, sum_, claims=settles, jobs=list(others))
            if reversed_jobs := sorted(reversed_totals.for_jobs(session, job.practice_id, others)):
                day["reversed_jobs"] = reversed_jobs
            found.append(day)
    return found


def _exceeded_limit(code: str, limit: int, found: int, *, claims: int, jobs: list[int] | None = None) -> LimitExceeded:
    return LimitExceeded(code=code, limit=limit, found=found, claims=claims, jobs=jobs or [])


def per_claim_cents(limits: Limits) -> int:
    """Return the strictest limit for one claim, in cents."""
    return min(limits.get("practice_claim_cents", UNLIMITED), limits.get("user_claim_cents", UNLIMITED))


def is_over_claim_limit(limit: int) -> ColumnElement[bool]:
    """Return, as SQL, whether an item alone exceeds the limit for one claim."""
    return and_(JobItem.verdict == Verdict.SETTLE, JobItem.insurance_cents + JobItem.patient_cents > limit)


def _claims_over(session: Session, job: SettleJob, code: str, limit: int) -> list[LimitExceeded]:
    if limit >= UNLIMITED:
        return []
    of_claim = JobItem.insurance_cents + JobItem.patient_cents
    of_job = (*JobKey(job.practice_id, job.id).of(JobItem), JobItem.verdict == Verdict.SETTLE, of_claim > limit)
    largest, claims = session.execute(select(func.max(of_claim), func.count()).where(*of_job)).one()
    return [_exceeded_limit(code, limit, largest, claims=claims)] if claims else []


def _unapproved_same_day_cents(session: Session, job: SettleJob, by: int, now: dt.datetime) -> dict[int, int]:
    """Return what the user's other settle jobs on the same day write off without approval, in cents by job.

    A job that was approved or still needs approval does not count, because it did not slip under the limit.
    """
    others = [other for other in same_day_jobs(session, job, by=by, at=now) if other.approval_requested_at is None]
    found = dict(
        zip((other.id for other in others), _max_write_off_cents(session, job.practice_id, others), strict=True)
    )
    return {job_id: sum_ for job_id, sum_ in found.items() if sum_}


def same_day_jobs(session: Session, job: SettleJob, *, by: int, at: dt.datetime) -> list[SettleJob]:
    """Return the other settle jobs that the user confirmed on the same day, oldest first.

    Counts jobs previewed or confirmed on the same day, so that two previews made around midnight share one daily limit.
    """
    practice = session.get_one(Practice, job.practice_id)
    begins, ends = practice_days.day_bounds(practice, practice_days.today(practice, now=at))
    let_run_at = func.coalesce(SettleJob.approval_requested_at, SettleJob.confirmed_at)
    of_day = (
        SettleJob.practice_id == job.practice_id,
        SettleJob.id != job.id,
        requesters.accountable_to(by),
        SettleJob.kind == JobKind.SETTLE,
        # Scheduled runs have their own caps, so they do not count against their owner's daily limit.
        SettleJob.run_date.is_(None) if job.run_date is None else SettleJob.run_date.is_not(None),
        or_(SettleJob.as_of == job.as_of, and_(let_run_at >= begins, let_run_at < ends)),
        SettleJob.status.not_in(_NOT_COUNTED),
    )
    return list(session.scalars(select(SettleJob).where(*of_day).order_by(SettleJob.id)))


def _max_write_off_cents(session: Session, practice_id: int, jobs: Sequence[SettleJob]) -> list[int]:
    """Return the most that each job can write off, in cents. A canceled job counts only what it did."""
    canceled = [job.id for job in jobs if job.status is JobStatus.CANCELLED]
    done = func.sum(JobChunk.insurance_cents + JobChunk.patient_cents)
    of_jobs = (JobChunk.practice_id == practice_id, JobChunk.job_id.in_(canceled))
    rows = session.execute(select(JobChunk.job_id, done).where(*of_jobs).group_by(JobChunk.job_id))
    did = {job_id: int(sum_) for job_id, sum_ in rows}
    return [did.get(job.id, 0) if job.status is JobStatus.CANCELLED else write_off_total(job) for job in jobs]


def write_off_total(job: SettleJob) -> int:
    """Return what the previewed job writes off, in cents."""
    frozen = job.preview or {}
    return int(frozen.get("insurance_cents", 0)) + int(frozen.get("patient_cents", 0))
