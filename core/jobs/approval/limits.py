"""What a job may write off without approval: the limits frozen into it, and the limits that it exceeds.

A limit is in cents. A schedule's cap may be a number of claims. `core.money.UNLIMITED` stands for the word "unlimited".
A job keeps the limits that were in effect at its preview.
"""

import datetime as dt
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Final, Literal, NotRequired, TypedDict

from pydantic import BaseModel, computed_field
from sqlalchemy import ColumnElement, and_, func, select
from sqlalchemy.orm import Session

from core.access import recent_changes
from core.access.ties import Ties
from core.enums.job_items import Verdict
from core.enums.jobs import JobKind
from core.jobs import codes, requesters, reversed_totals
from core.jobs.approval import day_sum
from core.jobs.keys import JobKey
from core.models.job_items import JobItem
from core.models.jobs import SettleJob
from core.models.people import User
from core.models.practices import Practice
from core.money import UNLIMITED, format_cents

_AMOUNTS: Final = ("practice_claim_cents", "practice_job_cents", "user_claim_cents", "user_job_cents")
# The name of the limit on one claim, by code.
PER_CLAIM_LIMITS: Final = {"over_claim_limit": "practice_claim_cents", "over_user_claim_limit": "user_claim_cents"}
_UNITS: Final[Mapping[str, Literal["claims", "none"]]] = {
    "over_cap_claims": "claims",
    "loosened_rule": "none",
    "reverses_approved_job": "none",
}

# Keys: practice_claim_cents, practice_job_cents, user_claim_cents, user_job_cents, and for a schedule cap_claims and
# cap_cents. A missing key means no limit. sum_hours is the time over which the per-job limits add up a user's jobs.
Limits = dict[str, int]


class LimitExceeded(TypedDict):
    """One limit that a job exceeds. `found` is in the same unit as `limit`."""

    code: str
    limit: int
    found: int  # the largest claim in cents, the sum in cents, or the number of claims
    claims: int  # how many claims exceed it; all claims of the job if the sum does
    jobs: list[int]  # for the 24-hour sum: the user's other jobs; for a reversal: the approved job
    reversed_jobs: NotRequired[list[int]]  # the other jobs that were reversed later, in whole or in part
    by_hand_cents: NotRequired[int]  # for the 24-hour sum: the user's adjustments by hand
    acts: NotRequired[list[str]]  # for a loosened rule: the acts, as in the audit


class OverLimit(BaseModel):
    """A limit that a job exceeds, as pages and the API show it."""

    code: str
    words: str
    unit: Literal["cents", "claims", "none"]  # of both `limit` and `found`; "none": they say nothing
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
        if self.unit == "none":
            return self.words
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
            unit=_UNITS.get(one["code"], "cents"),
            limit=one["limit"],
            found=one["found"],
            claims=one["claims"],
            jobs=[str(job_id) for job_id in one["jobs"]],
        )
        for one in over
    ]


def _words(one: LimitExceeded) -> str:
    words, jobs = codes.LIMIT_SENTENCES[one["code"]], one.get("reversed_jobs", [])
    if by_hand := one.get("by_hand_cents"):
        words += f", {format_cents(by_hand)} of them adjustments by hand"
    if acts := one.get("acts"):
        words += f" ({', '.join(codes.LOOSENED_WORDS.get(act, act) for act in acts)})"
    if not jobs:
        return words
    named = f"job{'s' * (len(jobs) > 1)} {', '.join(f'{job_id:,}' for job_id in jobs)}"
    count = "counts even though it was" if len(jobs) == 1 else "count even though they were"
    return f"{words} (including {named}, which still {count} reversed later)"


def for_users(session: Session, practice: Practice, user_ids: Collection[int], *, now: dt.datetime) -> Limits:
    """Return the limits for a job that these users request now. The stricter of their own limits applies."""
    of_practice = recent_changes.limits_in_effect(session, practice, now=now)
    people = session.scalars(select(User).where(User.id.in_(user_ids))).all()
    own = [recent_changes.limits_in_effect(session, user, now=now) for user in people]
    return Limits(
        practice_claim_cents=of_practice.claim_cents,
        practice_job_cents=of_practice.job_cents,
        user_claim_cents=min(limits.claim_cents for limits in own),
        user_job_cents=min(limits.job_cents for limits in own),
        sum_hours=int(recent_changes.WINDOW.total_seconds() // 3_600),
    )


def for_confirmer(session: Session, job: SettleJob, user_id: int, *, now: dt.datetime) -> Limits:
    """Return the job's limits. If another user confirms than previewed, the stricter of both users' limits applies."""
    limits: Limits = dict(job.limits)
    if user_id != job.requested_by:
        own = recent_changes.limits_in_effect(session, session.get_one(User, user_id), now=now)
        for name, cents in (("user_claim_cents", own.claim_cents), ("user_job_cents", own.job_cents)):
            limits[name] = min(cents, limits.get(name, UNLIMITED))
    return limits


def if_confirmed_by(session: Session, job: SettleJob, *, by: int, now: dt.datetime) -> list[LimitExceeded]:
    """Return the limits that the previewed job would exceed if user `by` confirmed it now."""
    return exceeded(session, job, by=by, now=now, limits=for_confirmer(session, job, by, now=now))


def exceeded(
    session: Session, job: SettleJob, *, by: int, now: dt.datetime, limits: Limits | None = None
) -> list[LimitExceeded]:
    """Return the limits that the previewed job exceeds together with what user `by` did in the last 24 hours.

    `now` is the time of the confirmation.
    """
    if job.kind is not JobKind.SETTLE:
        return _reverses_approved(session, job)
    limits = job.limits if limits is None else limits
    found: list[LimitExceeded] = []
    for code, name in PER_CLAIM_LIMITS.items():
        found += _claims_over(session, job, code, limits.get(name, UNLIMITED))
    total, settles = day_sum.write_off_total(job), (job.preview or {})["will_settle"]
    sums = (
        ("over_job_limit", limits.get("practice_job_cents", UNLIMITED), total),
        ("over_user_job_limit", limits.get("user_job_cents", UNLIMITED), total),
        ("over_cap_claims", limits.get("cap_claims", UNLIMITED), settles),
        ("over_cap_amount", limits.get("cap_cents", UNLIMITED), total),
    )
    found += [_exceeded_limit(code, limit, sum_, claims=settles) for code, limit, sum_ in sums if sum_ > limit]
    found += _over_day_limit(session, job, limits, by=by, now=now)
    if total and min(limits.get(name, UNLIMITED) for name in _AMOUNTS) < UNLIMITED:
        found += _after_loosening(session, job, by=by, now=now)
    return found


def _over_day_limit(
    session: Session, job: SettleJob, limits: Limits, *, by: int, now: dt.datetime
) -> list[LimitExceeded]:
    total = day_sum.write_off_total(job)
    of_one_job = min(limits.get("practice_job_cents", UNLIMITED), limits.get("user_job_cents", UNLIMITED))
    if not 0 < total <= of_one_job < UNLIMITED:
        return []
    others = day_sum.without_approval(session, job, by=by, now=now)
    if total + others.cents <= of_one_job:
        return []
    settles = (job.preview or {})["will_settle"]
    day = _exceeded_limit("over_day_limit", of_one_job, total + others.cents, claims=settles, jobs=list(others.jobs))
    if others.by_hand_cents:
        day["by_hand_cents"] = others.by_hand_cents
    if reversed_jobs := sorted(reversed_totals.for_jobs(session, job.practice_id, others.jobs)):
        day["reversed_jobs"] = reversed_jobs
    return [day]


def _after_loosening(session: Session, job: SettleJob, *, by: int, now: dt.datetime) -> list[LimitExceeded]:
    """Return the rules that a requester, or an account tied to one, loosened in the last 24 hours."""
    users = requesters.requester_ids(job) | {by}
    ties = Ties.read(session, job.practice_id)
    users |= set(ties.controlled_by(users)).union(*(ties.controllers_of(user) for user in users))
    loosened = recent_changes.loosened_by(session, job.practice_id, users, now=now)
    if not loosened:
        return []
    one = _exceeded_limit("loosened_rule", 0, 0, claims=(job.preview or {})["will_settle"])
    one["acts"] = sorted({rule.act for rule in loosened})
    return [one]


def _reverses_approved(session: Session, job: SettleJob) -> list[LimitExceeded]:
    """Return that a reversal needs two users if the job that it reverses needed two."""
    if job.reverses_job_id is None:
        return []
    original = session.get_one(SettleJob, JobKey(job.practice_id, job.reverses_job_id))
    if original.approval_requested_at is None:
        return []
    claims = (job.preview or {})["will_settle"]
    return [_exceeded_limit("reverses_approved_job", 0, 0, claims=claims, jobs=[original.id])] if claims else []


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
