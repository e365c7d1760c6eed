"""Whether what a job did to a claim still stands alone, so that it can be taken back without undoing another's work.

A claim that was touched and put back is as good as untouched: held and released, settled once more and reversed,
paid and the payment reversed. What counts is what stands: its billing status, a hold, a posting without an answer.
"""

from typing import Any, Final

from sqlalchemy import ColumnElement, and_, exists, func, literal, or_, select
from sqlalchemy.orm import aliased

from core.claims.models import SETTLED, Claim
from core.jobs.models import JobItem, Outcome, SettleJob
from core.ledger.models import Posting, PostingKind

_MINE: Final = aliased(Posting, name="mine")
_LATER: Final = aliased(Posting, name="later")
_ANSWER: Final = aliased(Posting, name="answer")


def taken_back_by(job: SettleJob) -> ColumnElement[int | None]:
    """The job that has taken back this claim from the reversed one of `job` already; NULL where none has."""
    again = aliased(JobItem, name="again")
    of_claim = (again.practice_id == job.practice_id, again.claim_id == Claim.id, again.outcome == Outcome.SETTLED)
    reversals = select(SettleJob.id).where(
        SettleJob.practice_id == job.practice_id, SettleJob.reverses_job_id == job.reverses_job_id
    )
    taken = select(func.max(again.job_id)).where(*of_claim, again.job_id.in_(reversals))
    return taken.correlate(Claim).scalar_subquery()


def is_touched(job: SettleJob, was: Any) -> ColumnElement[bool]:
    """Something came after the reversed job of `job`, whose item is `was`, and still stands."""
    changed = Claim.version != was.version_after
    last_of_mine = _last_posting(job)
    stands = or_(
        Claim.billing_status != literal(SETTLED),
        Claim.hold.is_not(None),
        last_of_mine.is_(None),  # the job posted nothing here: what came after cannot be told from what was before
        _unanswered_since(job, last_of_mine),
    )
    return and_(changed, stands)


def late_payment_came(job: SettleJob) -> ColumnElement[bool]:
    """A payment that arrived later took back what the job had written off on the claim."""
    took_back = and_(*_on_claim(_ANSWER, job), _ANSWER.caused_by_id.is_not(None), _ANSWER.reverses_id == _MINE.id)
    return exists().where(*_of_job(job), exists().where(took_back)).correlate(Claim)


def _on_claim(posting: Any, job: SettleJob) -> tuple[ColumnElement[bool], ...]:
    return (posting.practice_id == job.practice_id, posting.claim_id == Claim.id)


def _of_job(job: SettleJob) -> tuple[ColumnElement[bool], ...]:
    return (*_on_claim(_MINE, job), _MINE.job_id == job.reverses_job_id, _MINE.kind == PostingKind.WRITE_OFF)


def _last_posting(job: SettleJob) -> ColumnElement[int | None]:
    return select(func.max(_MINE.id)).where(*_of_job(job)).correlate(Claim).scalar_subquery()


def _unanswered_since(job: SettleJob, last_of_mine: ColumnElement[int | None]) -> ColumnElement[bool]:
    """A later posting that nothing answers, or a later answer to what is not later."""
    is_answered = exists().where(*_on_claim(_ANSWER, job), _ANSWER.reverses_id == _LATER.id)
    stands = and_(_LATER.kind != PostingKind.REVERSAL, ~is_answered)
    reaches_back = and_(_LATER.kind == PostingKind.REVERSAL, _LATER.reverses_id <= last_of_mine)
    return exists().where(*_on_claim(_LATER, job), _LATER.id > last_of_mine, or_(stands, reaches_back)).correlate(Claim)
