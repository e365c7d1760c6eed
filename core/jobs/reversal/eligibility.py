"""Decide whether a job's write-offs on a claim can be reversed without touching later changes.

A claim that was changed and changed back counts as unchanged: held and released, settled again and reversed, paid and
the payment reversed. What counts is the current state: billing status, hold, and postings that are not reversed. A late
payment that reversed part of the write-off changes nothing else, so the rest can still be reversed.
"""

from typing import Any, Final

from sqlalchemy import BigInteger, ColumnElement, and_, cast, exists, func, literal, or_, select
from sqlalchemy.orm import aliased

from core.enums.claims import BALANCE_DUE, SETTLED
from core.enums.job_items import Outcome
from core.enums.ledger import PostingKind, Responsibility
from core.ledger import write_offs
from core.models.claims import Claim
from core.models.job_items import JobItem
from core.models.jobs import SettleJob
from core.models.ledger import Posting
from core.policy import facts

_JOB_POSTING: Final = aliased(Posting, name="mine")
_LATER: Final = aliased(Posting, name="later")
_REVERSAL: Final = aliased(Posting, name="answer")


def reversing_job_id(job: SettleJob) -> ColumnElement[int | None]:
    """Return the job that already reversed this claim of the original, or NULL."""
    again = aliased(JobItem, name="again")
    of_claim = (again.practice_id == job.practice_id, again.claim_id == Claim.id, again.outcome == Outcome.SETTLED)
    reversals = select(SettleJob.id).where(
        SettleJob.practice_id == job.practice_id, SettleJob.reverses_job_id == job.reverses_job_id
    )
    taken = select(func.max(again.job_id)).where(*of_claim, again.job_id.in_(reversals))
    return taken.correlate(Claim).scalar_subquery()


def changed_since_settled(job: SettleJob, was: Any) -> ColumnElement[bool]:
    """Return, as SQL, whether the claim was changed after the original job and that the change is still in effect."""
    changed = Claim.version != was.version_after
    last_of_mine = _last_posting(job)
    # A late payment reopens a claim if the other responsibility still has a balance.
    as_left = or_(
        Claim.billing_status == literal(SETTLED),
        and_(Claim.billing_status == literal(BALANCE_DUE), _has_late_payment(job)),
    )
    stands = or_(
        ~as_left,
        facts.is_held(job.as_of),
        last_of_mine.is_(
            None
        ),  # the job posted nothing here, so later postings cannot be distinguished from earlier ones
        _has_later_unreversed_posting(job, last_of_mine),
    )
    return and_(changed, stands)


def fully_reversed_by_late_payments(job: SettleJob) -> ColumnElement[bool]:
    """Return, as SQL, whether late payments reversed everything that the job wrote off on the claim."""
    return and_(
        _has_late_payment(job),
        ~exists().where(*_on_claim(_JOB_POSTING, job), reversible_write_off(_JOB_POSTING, job)).correlate(Claim),
    )


def reversible_write_off(posting: Any, job: SettleJob) -> ColumnElement[bool]:
    """Return, as SQL, whether a posting is an unreversed write-off of the original, or its re-posted remainder."""
    return and_(write_offs.owning_job(posting) == job.reverses_job_id, write_offs.is_unreversed(posting))


def reversible_cents(job: SettleJob, side: Responsibility) -> ColumnElement[int]:
    """Return the unreversed amount of the original's write-offs on the claim, in positive cents."""
    cents = select(func.coalesce(-func.sum(_JOB_POSTING.amount_cents), 0))
    of_side = cents.where(
        *_on_claim(_JOB_POSTING, job), _JOB_POSTING.responsibility == side, reversible_write_off(_JOB_POSTING, job)
    )
    return cast(of_side.correlate(Claim).scalar_subquery(), BigInteger)


def has_write_off_after(job: SettleJob) -> ColumnElement[bool]:
    """Return, as SQL, whether a write-off to reverse is dated after the reversal, as a re-posted remainder may be."""
    after = (reversible_write_off(_JOB_POSTING, job), _JOB_POSTING.posted_on > job.posting_date)
    return exists().where(*_on_claim(_JOB_POSTING, job), *after).correlate(Claim)


def _has_late_payment(job: SettleJob) -> ColumnElement[bool]:
    return exists().where(*_on_claim(_REVERSAL, job), _caused_by_late_payment(_REVERSAL, job)).correlate(Claim)


def _caused_by_late_payment(posting: Any, job: SettleJob) -> ColumnElement[bool]:
    """Return, as SQL, whether a late payment reversed or re-posted part of the original's write-off."""
    return and_(posting.caused_by_id.is_not(None), posting.origin_job_id == job.reverses_job_id)


def _on_claim(posting: Any, job: SettleJob) -> tuple[ColumnElement[bool], ...]:
    return (posting.practice_id == job.practice_id, posting.claim_id == Claim.id)


def _of_job(job: SettleJob) -> tuple[ColumnElement[bool], ...]:
    return (
        *_on_claim(_JOB_POSTING, job),
        _JOB_POSTING.job_id == job.reverses_job_id,
        _JOB_POSTING.kind == PostingKind.WRITE_OFF,
    )


def _last_posting(job: SettleJob) -> ColumnElement[int | None]:
    return select(func.max(_JOB_POSTING.id)).where(*_of_job(job)).correlate(Claim).scalar_subquery()


def _has_later_unreversed_posting(job: SettleJob, last_of_mine: ColumnElement[int | None]) -> ColumnElement[bool]:
    """Return, as SQL, whether a later posting is not reversed, or that a later reversal reverses an earlier one."""
    is_answered = exists().where(*_on_claim(_REVERSAL, job), _REVERSAL.reverses_id == _LATER.id)
    stands = and_(_LATER.kind != PostingKind.REVERSAL, ~is_answered)
    reaches_back = and_(_LATER.kind == PostingKind.REVERSAL, _LATER.reverses_id <= last_of_mine)
    # A late payment stays, with the part that it reversed. The reversal covers the rest of the write-off.
    reverses_late = and_(_caused_by_late_payment(_REVERSAL, job), _REVERSAL.caused_by_id == _LATER.id)
    is_late = or_(_caused_by_late_payment(_LATER, job), exists().where(*_on_claim(_REVERSAL, job), reverses_late))
    later = (*_on_claim(_LATER, job), _LATER.id > last_of_mine, or_(stands, reaches_back), ~is_late)
    return exists().where(*later).correlate(Claim)
