"""What late payments took back of write-offs, and what of it was posted again: by month, by claim, by job."""

import datetime as dt
import re
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import CTE, BigInteger, Date, Select, and_, any_, cast, func, literal, select, tuple_
from sqlalchemy.dialects.postgresql import aggregate_order_by
from sqlalchemy.orm import Session, aliased

from core.access.models import User
from core.claims.models import Claim
from core.errors import BadInput
from core.ledger.models import PaidBy, Posting, PostingKind, Responsibility
from core.practices import periods

_CURSOR: Final = re.compile(r"(\d{4}-\d\d-\d\d)\.(\d{1,18})", re.ASCII)


class BadCursor(BadInput):
    """This is no place in the list of late payments; begin again at the first page."""

    code = "bad_cursor"


@dataclass(frozen=True)
class Recovery:
    """One late payment: what it was, and what it did to the write-off that stood there. Cents above zero."""

    payment_id: int
    claim_id: str  # the practice's own number
    line: int
    responsibility: Responsibility
    paid_by: PaidBy
    payment_cents: int
    posted_on: dt.date  # when the write-off was taken back
    taken_back_cents: int
    posted_again_cents: int
    job_ids: list[int]  # whose write-offs they were
    user_name: str | None  # None: an import

    @property
    def recovered_cents(self) -> int:
        """By how much less is written off since."""
        return self.taken_back_cents - self.posted_again_cents


@dataclass(frozen=True)
class RecoveredMonth:
    """What late payments took back in a month."""

    month: dt.date
    payments: int
    taken_back_cents: int
    posted_again_cents: int
    insurance_cents: int  # recovered
    patient_cents: int

    @property
    def recovered_cents(self) -> int:
        """Of both."""
        return self.insurance_cents + self.patient_cents


def by_month(session: Session, practice_id: int) -> list[RecoveredMonth]:
    """Each month in which anything was taken back, the newest first."""
    late = _late(practice_id).subquery("late")
    month = cast(func.date_trunc("month", late.c.posted_on), Date).label("month")
    recovered = late.c.taken_back_cents - late.c.posted_again_cents

    def of(side: Responsibility) -> Any:
        return func.coalesce(func.sum(recovered).filter(late.c.responsibility == side), 0)

    sums = select(
        month,
        func.count(),
        func.sum(late.c.taken_back_cents),
        func.sum(late.c.posted_again_cents),
        of(Responsibility.INSURANCE),
        of(Responsibility.PATIENT),
    )
    rows = session.execute(sums.group_by(month).order_by(month.desc()))
    return [RecoveredMonth(row[0], *map(int, row[1:])) for row in rows]


def page(
    session: Session,
    practice_id: int,
    *,
    month: dt.date | None = None,
    after: tuple[dt.date, int] | None = None,
    limit: int | None,
) -> list[Recovery]:
    """Late payments, the newest first, `after` one of them by its date and payment; of a month or of all."""
    late = _late(practice_id).subquery("late")
    rows = _rows(practice_id, late).order_by(late.c.posted_on.desc(), late.c.payment_id.desc()).limit(limit)
    if month is not None:
        rows = rows.where(late.c.posted_on >= month, late.c.posted_on < periods.after(month))
    if after is not None:
        rows = rows.where(tuple_(late.c.posted_on, late.c.payment_id) < tuple_(*after))
    return _read(session, rows)


def of_claim(session: Session, practice_id: int, claim_id: int) -> list[Recovery]:
    """The late payments on a claim (its internal id), in the order in which they came."""
    late = _late(practice_id, claim_id).subquery("late")
    return _read(session, _rows(practice_id, late).order_by(late.c.payment_id))


def of_job(session: Session, practice_id: int, job_id: int, *, limit: int | None = None) -> list[Recovery]:
    """The late payments that took back anything which the job wrote off, in the order in which they came."""
    late = _late(practice_id).subquery("late")
    rows = _rows(practice_id, late).where(literal(job_id) == any_(late.c.job_ids))
    return _read(session, rows.order_by(late.c.payment_id).limit(limit))


def cursor(recovery: Recovery) -> str:
    """Where the page after this one begins."""
    return f"{recovery.posted_on}.{recovery.payment_id}"


def place(text: str) -> tuple[dt.date, int]:
    """What a cursor says. Raises `BadCursor`."""
    written = _CURSOR.fullmatch(text)
    try:
        return dt.date.fromisoformat(written[1]), int(written[2])  # type: ignore[index]  # None is a TypeError
    except (TypeError, ValueError):
        raise BadCursor from None


def _read(session: Session, rows: Select[Any]) -> list[Recovery]:
    return [Recovery(**row._mapping) for row in session.execute(rows)]


def _rows(practice_id: int, late: Any) -> Select[Any]:
    payment = aliased(Posting, name="payment")
    of_payment = and_(
        payment.practice_id == practice_id,
        payment.claim_id == late.c.claim_id,
        payment.line == late.c.line,
        payment.id == late.c.payment_id,
    )
    who = and_(User.practice_id == practice_id, User.id == payment.user_id)
    return (
        select(
            late.c.payment_id, Claim.external_id.label("claim_id"), late.c.line, late.c.responsibility, payment.paid_by,
            (-payment.amount_cents).label("payment_cents"), late.c.posted_on, late.c.taken_back_cents,
            late.c.posted_again_cents, func.coalesce(late.c.job_ids, []).label("job_ids"), User.name.label("user_name"),
        )
        .join_from(late, payment, of_payment)
        .join(Claim, and_(Claim.practice_id == practice_id, Claim.id == late.c.claim_id))
        .outerjoin(User, who)
    )  # fmt: skip


def _late(practice_id: int, claim_id: int | None = None) -> Select[Any]:
    """A row for each payment that took something back."""
    made = aliased(Posting, name="made")  # the counter-postings and remainders
    jobs = _jobs(practice_id, claim_id)
    is_reversal = made.kind == PostingKind.REVERSAL
    cents = cast(func.coalesce(func.sum(made.amount_cents).filter(is_reversal), 0), BigInteger)  # a sum is numeric
    again = cast(func.coalesce(-func.sum(made.amount_cents).filter(~is_reversal), 0), BigInteger)
    late = (
        select(
            made.caused_by_id.label("payment_id"),
            made.claim_id,
            made.line,
            made.responsibility,
            func.max(made.posted_on).label("posted_on"),
            cents.label("taken_back_cents"),
            again.label("posted_again_cents"),
            jobs.c.job_ids,
        )
        .outerjoin(jobs, jobs.c.payment_id == made.caused_by_id)
        .where(made.practice_id == practice_id, made.caused_by_id.is_not(None))
        .group_by(made.caused_by_id, made.claim_id, made.line, made.responsibility, jobs.c.job_ids)
    )
    return late if claim_id is None else late.where(made.claim_id == claim_id)


def _jobs(practice_id: int, claim_id: int | None) -> CTE:
    """For each late payment the jobs whose write-offs it took back: of a remainder, those of what it remained of."""
    answers = _answers(practice_id, claim_id)
    lineage = select(answers.c.payment_id, answers.c.job_id, answers.c.earlier_payment_id).cte(
        "lineage", recursive=True
    )
    before = answers.alias("before")
    lineage = lineage.union(
        select(lineage.c.payment_id, before.c.job_id, before.c.earlier_payment_id).join(
            before, and_(before.c.payment_id == lineage.c.earlier_payment_id, lineage.c.job_id.is_(None))
        )
    )
    named = aggregate_order_by(lineage.c.job_id, lineage.c.job_id.asc())
    return (
        select(lineage.c.payment_id, func.array_agg(named).label("job_ids"))
        .where(lineage.c.job_id.is_not(None))
        .group_by(lineage.c.payment_id)
        .cte("jobs_of_payments")
    )


def _answers(practice_id: int, claim_id: int | None) -> CTE:
    """Each counter-posting of a late payment with what it answers: a job's write-off, or an earlier remainder."""
    answer, original = aliased(Posting, name="answer"), aliased(Posting, name="original")
    of_original = and_(
        original.practice_id == answer.practice_id,
        original.claim_id == answer.claim_id,
        original.line == answer.line,
        original.id == answer.reverses_id,
    )
    answers = (
        select(
            answer.caused_by_id.label("payment_id"),
            original.job_id,
            original.caused_by_id.label("earlier_payment_id"),
        )
        .join(original, of_original)
        .where(answer.practice_id == practice_id, answer.caused_by_id.is_not(None))
    )
    return (answers if claim_id is None else answers.where(answer.claim_id == claim_id)).cte("answers")
