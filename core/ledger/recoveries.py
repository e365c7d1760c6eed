"""How much payments after a write-off reversed, and how much of that was re-posted: by month, by claim, by job.

A takeback or a void that restores a write-off counts as a negative recovery. A late adjustment or transfer recovers no
money, so only the claim and the job show it.
"""

import datetime as dt
import re
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from sqlalchemy import ColumnElement, Select, and_, func, select, tuple_
from sqlalchemy.orm import Session, aliased

from core import calendar_months
from core.db.sums import sum_cents
from core.enums.ledger import PaidBy, PostingKind, Responsibility
from core.models.claims import Claim
from core.models.ledger import Posting
from core.models.people import User
from core.paging import BadCursor
from core.practices import periods

_CURSOR: Final = re.compile(r"(\d{4}-\d\d-\d\d)\.(\d{1,18})", re.ASCII)


_CAUSE: Final = aliased(Posting, name="cause")
_CAUSED: Final = aliased(Posting, name="made")  # the reversals and re-posted remainders
_VOIDED: Final = aliased(Posting, name="voided")  # if the late posting is a void: what it reverses
_KIND: Final = func.coalesce(_VOIDED.kind, _CAUSE.kind)
_IS_PAYMENT: Final = _KIND == PostingKind.PAYMENT


@dataclass(frozen=True)
class Recovery:
    """One late posting, and its effect on write-offs."""

    posting_id: int
    kind: PostingKind  # payment, adjustment or transfer; for a void, the kind that it reverses
    is_void: bool
    claim_id: str  # the practice's own number
    line: int
    responsibility: Responsibility
    paid_by: PaidBy | None
    amount_cents: int  # negative if it raised the balance
    posted_on: dt.date  # date of the reversal or re-posting
    reversed_cents: int
    posted_again_cents: int
    job_ids: list[int]  # jobs that posted the write-offs
    user_name: str | None  # None: an import

    @property
    def recovered_cents(self) -> int:
        """Return the net reversed write-off. It is negative if a write-off was restored."""
        return self.reversed_cents - self.posted_again_cents


@dataclass(frozen=True)
class MonthRecoveries:
    """What payments after a write-off reversed in one month."""

    month: dt.date
    payments: int
    reversed_cents: int
    posted_again_cents: int
    insurance_cents: int  # recovered
    patient_cents: int

    @property
    def recovered_cents(self) -> int:
        """Return the sum of insurance and patient cents."""
        return self.insurance_cents + self.patient_cents


class JobRecoveries(NamedTuple):
    """The late postings on all claims of a job, and how much of its write-offs they reversed."""

    payments: int
    recovered_cents: int
    replaced_cents: int  # by adjustments and transfers: a different party owed it, or it was never owed


def totals_by_month(session: Session, practice_id: int) -> list[MonthRecoveries]:
    """Return each month in which a payment reversed a write-off, newest first."""
    late = _late_postings(practice_id, _IS_PAYMENT).subquery("late")
    month = periods.month_of_column(late.c.posted_on).label("month")
    recovered = late.c.reversed_cents - late.c.posted_again_cents

    def of(side: Responsibility) -> Any:
        return func.coalesce(func.sum(recovered).filter(late.c.responsibility == side), 0)

    sums = select(
        month,
        func.count().filter(late.c.amount_cents > 0),
        func.sum(late.c.reversed_cents),
        func.sum(late.c.posted_again_cents),
        of(Responsibility.INSURANCE),
        of(Responsibility.PATIENT),
    )
    rows = session.execute(sums.group_by(month).order_by(month.desc()))
    return [MonthRecoveries(row[0], *map(int, row[1:])) for row in rows]


def page(
    session: Session,
    practice_id: int,
    *,
    month: dt.date | None = None,
    after: tuple[dt.date, int] | None = None,
    limit: int,
) -> list[Recovery]:
    """Return late payments, newest first, for one month or all, after the date and posting in `after`."""
    late = _late_postings(practice_id, _IS_PAYMENT).subquery("late")
    rows = _rows(practice_id, late).order_by(late.c.posted_on.desc(), late.c.posting_id.desc()).limit(limit)
    if month is not None:
        rows = rows.where(late.c.posted_on >= month, late.c.posted_on < calendar_months.next_month(month))
    if after is not None:
        rows = rows.where(tuple_(late.c.posted_on, late.c.posting_id) < tuple_(*after))
    return _read(session, rows)


def list_for_claim(session: Session, practice_id: int, claim_id: int) -> list[Recovery]:
    """Return the late postings on a claim (internal id), in order of posting."""
    late = _late_postings(practice_id, _CAUSED.claim_id == claim_id).subquery("late")
    return _read(session, _rows(practice_id, late).order_by(late.c.posting_id))


def list_for_job(session: Session, practice_id: int, job_id: int, *, limit: int) -> list[Recovery]:
    """Return the late postings on the job's write-offs, in order of posting, each with the job's own share."""
    late = _late_postings(practice_id, _CAUSED.origin_job_id == job_id).subquery("late")
    return _read(session, _rows(practice_id, late).order_by(late.c.posting_id).limit(limit))


def recoveries_of_job(session: Session, practice_id: int, job_id: int) -> JobRecoveries:
    """Return the totals of all late postings on the job's write-offs."""
    late = _late_postings(practice_id, _CAUSED.origin_job_id == job_id).subquery("late")
    is_payment = late.c.kind == PostingKind.PAYMENT
    cents = func.sum(late.c.reversed_cents - late.c.posted_again_cents)
    came = and_(is_payment, late.c.amount_cents > 0)
    sums = select(func.count().filter(came), cents.filter(is_payment), cents.filter(~is_payment))
    return JobRecoveries(*(int(value or 0) for value in session.execute(sums).one()))


def cursor(recovery: Recovery) -> str:
    """Return the cursor of the page after this one."""
    return f"{recovery.posted_on}.{recovery.posting_id}"


def parse_cursor(text: str) -> tuple[dt.date, int]:
    """Read a cursor. Raise `BadCursor`."""
    written = _CURSOR.fullmatch(text)
    try:
        return dt.date.fromisoformat(written[1]), int(written[2])  # type: ignore[index]  # None is a TypeError
    except (TypeError, ValueError):
        raise BadCursor from None


def _read(session: Session, rows: Select[Any]) -> list[Recovery]:
    return [Recovery(**row._mapping) for row in session.execute(rows)]


def _rows(practice_id: int, late: Any) -> Select[Any]:
    who = and_(User.practice_id == practice_id, User.id == late.c.user_id)
    return (
        select(
            late.c.posting_id, late.c.kind, late.c.is_void, Claim.external_id.label("claim_id"), late.c.line,
            late.c.responsibility, late.c.paid_by, late.c.amount_cents, late.c.posted_on, late.c.reversed_cents,
            late.c.posted_again_cents,
            func.coalesce(late.c.job_ids, []).label("job_ids"), User.name.label("user_name"),
        )
        .join_from(late, Claim, and_(Claim.practice_id == practice_id, Claim.id == late.c.claim_id))
        .outerjoin(User, who)
    )  # fmt: skip


def _late_postings(practice_id: int, *picked: ColumnElement[bool]) -> Select[Any]:
    """Return a row for each posting that reversed something, summed from the postings that it caused."""
    of_cause = and_(
        _CAUSE.practice_id == _CAUSED.practice_id,
        _CAUSE.claim_id == _CAUSED.claim_id,
        _CAUSE.line == _CAUSED.line,
        _CAUSE.id == _CAUSED.caused_by_id,
    )
    of_void = and_(
        _VOIDED.practice_id == _CAUSE.practice_id,
        _VOIDED.claim_id == _CAUSE.claim_id,
        _VOIDED.line == _CAUSE.line,
        _VOIDED.id == _CAUSE.reverses_id,
    )
    is_reversal = _CAUSED.kind == PostingKind.REVERSAL
    cents = sum_cents(_CAUSED.amount_cents, is_reversal)
    again = sum_cents(-_CAUSED.amount_cents, ~is_reversal)
    job_ids: Any = func.array_agg(_CAUSED.origin_job_id.distinct()).filter(_CAUSED.origin_job_id.is_not(None))
    cause: tuple[Any, ...] = (
        _CAUSE.id.label("posting_id"), _CAUSE.claim_id, _CAUSE.line, _KIND.label("kind"),
        _CAUSE.reverses_id.is_not(None).label("is_void"), _CAUSE.responsibility, _CAUSE.paid_by,
        (-_CAUSE.amount_cents).label("amount_cents"), _CAUSE.user_id,
    )  # fmt: skip
    return (
        select(
            *cause,
            func.max(_CAUSED.posted_on).label("posted_on"),
            cents.label("reversed_cents"),
            again.label("posted_again_cents"),
            job_ids.label("job_ids"),
        )
        .join_from(_CAUSED, _CAUSE, of_cause)
        .outerjoin(_VOIDED, of_void)
        .where(_CAUSED.practice_id == practice_id, _CAUSED.caused_by_id.is_not(None), *picked)
        .group_by(_CAUSE.practice_id, _CAUSE.claim_id, _CAUSE.line, _CAUSE.id, _VOIDED.kind)
    )
