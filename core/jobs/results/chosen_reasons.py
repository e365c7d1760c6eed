"""Try claims of a job again by reason: a retry of the job takes some of them, and a new job takes the rest."""

from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import BigInteger, ColumnElement, and_, any_, func, literal, or_, select
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Session

from core.counting import counted
from core.enums.job_items import Outcome
from core.enums.jobs import JobStatus
from core.jobs import codes, posting_month
from core.jobs.execution import retry
from core.jobs.execution.retry import RetryOffer
from core.jobs.keys import JobKey
from core.jobs.results.outcomes import CodeGroup
from core.jobs.results.try_again import TryAgain, Way
from core.models.job_items import JobItem
from core.models.jobs import SettleJob
from core.policy.overridable import OVERRIDABLE_CODES
from core.policy.rule import Moment
from core.policy.rules import RULES_BY_CODE


class ChosenReasons(NamedTuple):
    """The codes of failures and of skip rules that a user chose."""

    failed: tuple[str, ...] = ()
    skipped: tuple[str, ...] = ()


class ReasonRow(NamedTuple):
    """Claims with one outcome and code, and how they can be tried again. None if they changed in status only."""

    group: CodeGroup
    again: TryAgain | None


def rows(groups: Sequence[CodeGroup], offer: RetryOffer | None) -> list[ReasonRow]:
    """Return how the claims of each group can be tried again. `offer` is what a retry of the job would try now."""
    return [ReasonRow(group, _of_group(group, offer)) for group in groups]


def _of_group(group: CodeGroup, offer: RetryOffer | None) -> TryAgain | None:
    if group.outcome is Outcome.FAILED:
        return _of_failures(group, offer)
    if group.outcome is not Outcome.SKIPPED:
        return None
    rule = RULES_BY_CODE.get(group.code)
    if rule and Moment.PREVIEW not in rule.at:  # a new job has a new preview
        return TryAgain(Way.NEW_JOB, "Yes, in a new job")
    change = codes.change_needed(group.code)
    if not change:
        return TryAgain(Way.NO, "No")
    either = ", or ask an administrator to override the rule" if group.code in OVERRIDABLE_CODES else ""
    return TryAgain(Way.AFTER_CHANGE, f"After a change: {change}{either}")


def _of_failures(group: CodeGroup, offer: RetryOffer | None) -> TryAgain:
    found = next((one for one in offer.groups if one.code == group.code), None) if offer else None
    if offer and offer.obstacle:
        return TryAgain(Way.NEW_JOB, f"Yes, in a new job. A retry is not possible: {offer.obstacle}")
    if found is None or not found.blocked:
        return TryAgain(Way.RETRY, "Yes, retry this job")
    why = "; ".join(map(codes.describe, found.blocked))
    if not found.claims:
        return TryAgain(Way.NEW_JOB, f"Yes, in a new job. A retry is not possible: {why}")
    rest = counted(group.claims - found.claims, "claim needs", "claims need")
    return TryAgain(Way.RETRY, f"Yes, retry this job. {rest} a new job: {why}")


def retryable(session: Session, job: SettleJob, chosen: ChosenReasons) -> int:
    """Return how many of the chosen failed claims a retry would try now."""
    if not chosen.failed:
        return 0
    offer = retry.offer(session, job)
    return 0 if offer.obstacle else sum(group.claims for group in offer.groups if group.code in chosen.failed)


def for_new_job(session: Session, job: SettleJob, chosen: ChosenReasons) -> ColumnElement[bool]:
    """Return the condition on the job's items for the chosen claims that a retry of this job does not try."""
    failed = and_(JobItem.outcome == Outcome.FAILED, JobItem.code.in_(chosen.failed))
    if job.status is not JobStatus.CANCELLED and not posting_month.is_closed(session, job):
        blocked = retry.blocked_claims(session, job, within=failed) if chosen.failed else {}
        failed = and_(failed, JobItem.position == any_(literal(list(blocked), ARRAY(BigInteger))))
    return or_(failed, and_(JobItem.outcome == Outcome.SKIPPED, JobItem.code.in_(chosen.skipped)))


def count_for_new_job(session: Session, job: SettleJob, chosen: ChosenReasons) -> int:
    """Count the claims of `for_new_job`."""
    of_job = JobKey(job.practice_id, job.id).of(JobItem)
    wanted = (*of_job, for_new_job(session, job, chosen))
    return session.scalars(select(func.count()).select_from(JobItem).where(*wanted)).one()
