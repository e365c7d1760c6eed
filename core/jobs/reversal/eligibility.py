"""Decide whether a job's write-offs on a claim can be reversed without touching later changes.

A claim that was changed and changed back counts as unchanged: held and released, settled again and reversed, paid and
the payment reversed. What counts is the current state: billing status, hold, and postings that are not reversed. A late
payment that reversed part of the write-off changes nothing else, so the rest can still be reversed.
"""

from typing import Any, Final

from sqlalchemy import BigInteger, ColumnElement, and_, cast, exists, func, literal, or_, select
from sqlalchemy.orm import aliased

from core.ledger import write_offs
from core.models.claims import BALANCE_DUE, SETTLED, Claim
from core.models.job_items import JobItem, Outcome
from core.models.jobs import SettleJob
from core.models.ledger import Posting, PostingKind, Responsibility
from core.policy import facts

_MINE: Final = aliased(Posting, name="mine")
_LATER: Final = aliased(Posting, name="later")
_ANSWER: Final = aliased(Posting, name="answer")


def taken_back_by(job: SettleJob) -> ColumnElement[int | None]:
    """Return the job that already reversed this claim of the original, or NULL."""
    again = aliased(JobItem, name="again")
    of_claim = (again.practice_id == job.practice_id, again.claim_id == Claim.id, again.outcome == Outcome.SETTLED)
    reversals = select(SettleJob.id).where(
        SettleJob.practice_id == job.practice_id, SettleJob.reverses_job_id == job.reverses_job_id
    )
    taken = select(func.max(again.job_id)).where(*of_claim, again.job_id.in_(reversals))
    return taken.correlate(Claim).scalar_subquery()


def is_touched(job: SettleJob, was: Any) -> ColumnElement[bool]:
    """Return the condition that the claim was changed after the original job and that the change is still in effect."""
    changed = Claim.version != was.version_after
    last_of_mine = _last_posting(job)
    # A late payment reopens a claim if the other responsibility still has a balance.
    as_left = or_(
        Claim.billing_status == literal(SETTLED),
        and_(Claim.billing_status == literal(BALANCE_DUE), _late_payment_came(job)),
    )
    stands = or_(
        ~as_left,
        facts.is_held(job.as_of),
        last_of_mine.is_(None),  # the job posted nothing here, so later postings cannot be told from earlier ones
        _unanswered_since(job, last_of_mine),
    )
    return and_(changed, stands)


def late_payment_took_all(job: SettleJob) -> ColumnElement[bool]:
    """Return the condition that late payments reversed everything that the job wrote off on the claim."""
    return and_(
        _late_payment_came(job), ~exists().where(*_on_claim(_MINE, job), still_stands(_MINE, job)).correlate(Claim)
    )


def still_stands(posting: Any, job: SettleJob) -> ColumnElement[bool]:
    """Return the condition that a posting is an unreversed write-off of the original, or its re-posted remainder."""
    return and_(write_offs.job_of(posting) == job.reverses_job_id, write_offs.standing(posting))


def stands_cents(job: SettleJob, side: Responsibility) -> ColumnElement[int]:
    """Return the unreversed amount of the original's write-offs on the claim, in positive cents."""
    cents = select(func.coalesce(-func.sum(_MINE.amount_cents), 0))
    of_side = cents.where(*_on_claim(_MINE, job), _MINE.responsibility == side, still_stands(_MINE, job))
    return cast(of_side.correlate(Claim).scalar_subquery(), BigInteger)


def _late_payment_came(job: SettleJob) -> ColumnElement[bool]:
    return exists().where(*_on_claim(_ANSWER, job), _came_late(_ANSWER, job)).correlate(Claim)


def _came_late(posting: Any, job: SettleJob) -> ColumnElement[bool]:
    """Return the condition that a late payment reversed or re-posted part of the original's write-off."""
    return and_(posting.caused_by_id.is_not(None), posting.origin_job_id == job.reverses_job_id)


def _on_claim(posting: Any, job: SettleJob) -> tuple[ColumnElement[bool], ...]:
    return (posting.practice_id == job.practice_id, posting.claim_id == Claim.id)


def _of_job(job: SettleJob) -> tuple[ColumnElement[bool], ...]:
    return (*_on_claim(_MINE, job), _MINE.job_id == job.reverses_job_id, _MINE.kind == PostingKind.WRITE_OFF)


def _last_posting(job: SettleJob) -> ColumnElement[int | None]:
    return select(func.max(_MINE.id)).where(*_of_job(job)).correlate(Claim).scalar_subquery()


def _unanswered_since(job: SettleJob, last_of_mine: ColumnElement[int | None]) -> ColumnElement[bool]:
    """Return the condition that a later posting stands unreversed, or that a later reversal reverses an earlier one."""
    is_answered = exists().where(*_on_claim(_ANSWER, job), _ANSWER.reverses_id == _LATER.id)
    stands = and_(_LATER.kind != PostingKind.REVERSAL, ~is_answered)
    reaches_back = and_(_LATER.kind == PostingKind.REVERSAL, _LATER.reverses_id <= last_of_mine)
    # A late payment stays, with the part that it reversed. The reversal covers what it left of the write-off.
    took_back = and_(_came_late(_ANSWER, job), _ANSWER.caused_by_id == _LATER.id)
    is_late = or_(_came_late(_LATER, job), exists().where(*_on_claim(_ANSWER, job), took_back))
    later = (*_on_claim(_LATER, job), _LATER.id > last_of_mine, or_(stands, reaches_back), ~is_late)
    return exists().where(*later).correlate(Claim)
