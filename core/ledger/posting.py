"""Post write-offs and update lines and claims, each step for a set of claims.

The caller has locked the claims in id order before anything is written. Each statement is built once for a caller's
rows, with named parameters.
"""

import datetime as dt
from functools import cache
from typing import Any, Final, NamedTuple

from sqlalchemy import (
    CTE,
    ColumnElement,
    Date,
    DateTime,
    Select,
    String,
    Subquery,
    Update,
    and_,
    bindparam,
    case,
    func,
    insert,
    literal,
    or_,
    select,
    true,
    union_all,
    update,
)
from sqlalchemy.orm import Session

from core.db.sums import sum_cents
from core.enums.ledger import PostingKind, Responsibility
from core.enums.ledger_sums import SumKind
from core.models.claims import Claim, LineItem
from core.models.jobs import SettleJob
from core.models.ledger import Posting
from core.models.ledger_sums import LedgerSum


class SplitAmount(NamedTuple):
    """Insurance cents and patient cents."""

    insurance: int
    patient: int

    def less(self, other: "SplitAmount", sign: int = 1) -> "SplitAmount":
        """Return this minus (sign 1) or plus (sign -1) the other."""
        return SplitAmount(self.insurance - sign * other.insurance, self.patient - sign * other.patient)


class Decided(NamedTuple):
    """The claims of one job to change.

    `rows` has a row for each claim, with claim_id, claim_version, settles_insurance, settles_patient, insurance_cents
    and patient_cents. It is the same object for every chunk. `named` holds its parameters: those of `Chunk.named`,
    and settled, the claims' ids as in `ClaimIds.array`.
    """

    rows: Subquery
    named: dict[str, Any]


OF_PRACTICE: Final = bindparam("of_practice", type_=Claim.practice_id.type)


def write_off(session: Session, decided: Decided, job: SettleJob, *, now: dt.datetime) -> SplitAmount:
    """Post a write-off for each positive balance on each line, for the chosen responsibilities."""
    assert job.reason is not None
    return post(session, _write_offs(decided.rows), decided, job, now=now)


@cache
def _write_offs(decided: Subquery) -> Select[Any]:
    due = _open_balances(decided)
    posted = insert_postings(
        due,
        claim_id=due.c.claim_id,
        line=due.c.line,
        responsibility=due.c.responsibility,
        kind=literal(PostingKind.WRITE_OFF.value),
        amount_cents=-due.c.due,
        write_off_reason=bindparam("reason", type_=String()),
        claim_version=due.c.claim_version,
    )
    return posted_sums(posted)


def insert_postings(source: Subquery, **columns: ColumnElement[Any]) -> CTE:
    """Return the insert of a posting for each row of `source`, for a statement that `post` runs.

    It returns claim_id, line, responsibility and amount_cents.
    """
    common: dict[str, ColumnElement[Any]] = {
        "practice_id": OF_PRACTICE,
        "job_id": bindparam("of_job", type_=Posting.job_id.type),
        "posted_on": bindparam("posting_date", type_=Date()),
        "created_at": bindparam("now", type_=DateTime(timezone=True)),
        "user_id": bindparam("confirmed_by", type_=Posting.user_id.type),
    }
    entries = select(*common.values(), *columns.values()).select_from(source)
    posted = insert(Posting).from_select([*common, *columns], entries)
    return posted.returning(
        Posting.claim_id, Posting.line, Posting.responsibility, Posting.amount_cents
    ).cte("posted")  # fmt: skip


def posted_sums(posted: CTE) -> Select[Any]:
    """Return the statement for `post`, which reads the absolute sums of an `insert_postings`."""
    sums: list[Any] = [
        sum_cents(func.abs(posted.c.amount_cents), posted.c.responsibility == side.value)
        for side in (Responsibility.INSURANCE, Responsibility.PATIENT)
    ]
    return select(*sums)


def post(
    session: Session, statement: Select[Any], decided: Decided, job: SettleJob, *, now: dt.datetime
) -> SplitAmount:
    """Run a statement of `posted_sums`. Return the posted sums as absolute amounts."""
    of_job = {"reason": job.reason and job.reason.value, "reversed_job": job.reverses_job_id}
    dated = {"posting_date": job.posting_date, "now": now, "confirmed_by": job.confirmed_by}
    return SplitAmount(*map(int, session.execute(statement, {**decided.named, **of_job, **dated}).one()))


def _open_balances(decided: Subquery) -> Subquery:
    """Return claim_id, line, responsibility, due (positive cents), claim_version."""
    # Two selects and no VALUES, because a statement with VALUES is compiled again for each chunk.
    rows = [
        select(literal(side.value).label("responsibility"), due.label("due"))
        .where(chosen, due > 0)
        .correlate(decided, LineItem)
        for side, chosen, due in (
            (Responsibility.INSURANCE, decided.c.settles_insurance, LineItem.insurance_due),
            (Responsibility.PATIENT, decided.c.settles_patient, LineItem.patient_due),
        )
    ]
    sides = union_all(*rows).lateral("side")
    return (
        select(
            LineItem.claim_id,
            LineItem.number.label("line"),
            sides.c.responsibility,
            sides.c.due,
            decided.c.claim_version,
        )
        .join_from(decided, LineItem, LineItem.claim_id == decided.c.claim_id)
        .join(sides, true())
        .where(LineItem.practice_id == OF_PRACTICE)
        .subquery("due")
    )


def clear_lines(session: Session, decided: Decided) -> None:
    """Set to zero the line balances that `write_off` has just written off."""
    session.execute(_cleared(decided.rows), decided.named)


@cache
def _cleared(decided: Subquery) -> Update:
    insurance, patient = decided.c.settles_insurance, decided.c.settles_patient
    return (
        update(LineItem)
        .where(
            LineItem.practice_id == OF_PRACTICE,
            LineItem.claim_id == decided.c.claim_id,
            or_(and_(insurance, LineItem.insurance_due != 0), and_(patient, LineItem.patient_due != 0)),
        )
        .values(
            insurance_due=case((insurance, 0), else_=LineItem.insurance_due),
            patient_due=case((patient, 0), else_=LineItem.patient_due),
        )
        .execution_options(synchronize_session=False)
    )


def move_claims(session: Session, decided: Decided, job: SettleJob) -> SplitAmount:
    """Move the claims to the job's target status and subtract the write-offs. Return the resulting balances."""
    named = {"target_status": job.target_status, **named_sums(SumKind.WRITE_OFF, job.id, job.posting_date)}
    return SplitAmount(*map(int, session.execute(_moved(decided.rows), {**decided.named, **named}).one()))


@cache
def _moved(decided: Subquery) -> Select[Any]:
    changes: dict[str, Any] = {
        "billing_status": bindparam("target_status", type_=String()),
        "insurance_due": Claim.insurance_due - decided.c.insurance_cents,
        "patient_due": Claim.patient_due - decided.c.patient_cents,
    }
    return update_claims(decided, true(), changes)


def update_claims(decided: Subquery, picked: ColumnElement[bool], changes: dict[str, Any]) -> Select[Any]:
    """Return a statement that changes the decided claims that are picked, and gives the resulting balances.

    It also raises their versions, and adds what the job posted to the ledger's sums, with the parameters of
    `named_sums`.
    """
    moved = update(Claim).where(Claim.practice_id == OF_PRACTICE, Claim.id == decided.c.claim_id, picked)
    # The job sets the status, so no later posting may restore the earlier status.
    owing = moved.values(**changes, reopened=False, version=Claim.version + 1).returning(
        Claim.insurance_due, Claim.patient_due, Claim.primary_payer_id, Claim.billing_provider_id,
        decided.c.insurance_cents, decided.c.patient_cents,
    )  # fmt: skip
    rows = owing.cte("moved")
    left = (func.coalesce(func.sum(cents), 0) for cents in (rows.c.insurance_due, rows.c.patient_due))
    return select(*left).add_cte(_summed(rows))


def _summed(moved: CTE) -> CTE:
    """Return the insert of what was posted, by payer and provider, as one row."""
    key = (moved.c.primary_payer_id, moved.c.billing_provider_id)
    cents = [sum_cents(moved.c[name]).label(name) for name in ("insurance_cents", "patient_cents")]
    sums = select(*key, *cents).group_by(*key).having(or_(*(one > 0 for one in cents))).subquery("sums")
    columns: dict[str, Any] = {
        "practice_id": OF_PRACTICE,
        "month": bindparam("sum_month", type_=Date()),
        "kind": bindparam("sum_kind", type_=String()),
        "job_id": bindparam("sum_job", type_=Posting.job_id.type),
        "payer_ids": func.array_agg(sums.c.primary_payer_id),
        "provider_ids": func.array_agg(sums.c.billing_provider_id),
        "insurance_cents": func.array_agg(sums.c.insurance_cents),
        "patient_cents": func.array_agg(sums.c.patient_cents),
    }
    row = select(*columns.values()).having(func.count() > 0)
    return insert(LedgerSum).from_select([*columns], row).cte("summed")


def named_sums(kind: SumKind, job_id: int | None, posting_date: dt.date) -> dict[str, Any]:
    """Return the parameters of `update_claims`: the kind, and the job that posted the write-offs."""
    return {"sum_kind": kind.value, "sum_job": job_id, "sum_month": posting_date.replace(day=1)}
