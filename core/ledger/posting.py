"""Post write-offs and update lines and claims, each step for a set of claims.

The caller has locked the claims in id order before anything is written, and passes `decided`: a row for each claim with
claim_id, claim_version, settles_insurance, settles_patient, insurance_cents and patient_cents.
"""

import datetime as dt
from typing import Any, NamedTuple

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Subquery,
    and_,
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

from core.models.claims import Claim, LineItem
from core.models.jobs import SettleJob
from core.models.ledger import Posting, PostingKind, Responsibility


class SplitAmount(NamedTuple):
    """Insurance cents and patient cents."""

    insurance: int
    patient: int

    def less(self, other: "SplitAmount", sign: int = 1) -> "SplitAmount":
        """Return this minus (sign 1) or plus (sign -1) the other."""
        return SplitAmount(self.insurance - sign * other.insurance, self.patient - sign * other.patient)


def write_off(session: Session, decided: Subquery, job: SettleJob, *, now: dt.datetime) -> SplitAmount:
    """Post a write-off for each positive balance on each line, for the chosen responsibilities."""
    assert job.reason is not None
    due = _open_balances(decided, job.practice_id)
    return insert_postings(
        session,
        due,
        practice_id=literal(job.practice_id),
        claim_id=due.c.claim_id,
        line=due.c.line,
        responsibility=due.c.responsibility,
        kind=literal(PostingKind.WRITE_OFF.value),
        amount_cents=-due.c.due,
        write_off_reason=literal(job.reason.value),
        posted_on=literal(job.posting_date),
        created_at=literal(now),
        user_id=literal(job.confirmed_by, BigInteger),
        job_id=literal(job.id),
        claim_version=due.c.claim_version,
    )


def insert_postings(session: Session, source: Subquery, **columns: ColumnElement[Any]) -> SplitAmount:
    """Insert a posting for each row of `source`. Return the posted sums as absolute amounts."""
    entries = select(*columns.values()).select_from(source)
    posted = insert(Posting).from_select(list(columns), entries)
    rows = posted.returning(Posting.responsibility, Posting.amount_cents).cte("posted")
    sums = [
        func.coalesce(func.sum(func.abs(rows.c.amount_cents)).filter(rows.c.responsibility == side.value), 0)
        for side in (Responsibility.INSURANCE, Responsibility.PATIENT)
    ]
    return SplitAmount(*map(int, session.execute(select(*sums)).one()))


def _open_balances(decided: Subquery, practice_id: int) -> Subquery:
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
        .where(LineItem.practice_id == practice_id)
        .subquery("due")
    )


def clear_lines(session: Session, decided: Subquery, *, practice_id: int) -> None:
    """Set to zero the line balances that `write_off` has just written off."""
    insurance, patient = decided.c.settles_insurance, decided.c.settles_patient
    cleared = (
        update(LineItem)
        .where(
            LineItem.practice_id == practice_id,
            LineItem.claim_id == decided.c.claim_id,
            or_(and_(insurance, LineItem.insurance_due != 0), and_(patient, LineItem.patient_due != 0)),
        )
        .values(
            insurance_due=case((insurance, 0), else_=LineItem.insurance_due),
            patient_due=case((patient, 0), else_=LineItem.patient_due),
        )
    )
    session.execute(cleared, execution_options={"synchronize_session": False})


def move_claims(session: Session, decided: Subquery, job: SettleJob) -> SplitAmount:
    """Move the claims to the job's target status and subtract the write-offs. Return the resulting balances."""
    changes: dict[str, Any] = {
        "billing_status": literal(job.target_status),
        "insurance_due": Claim.insurance_due - decided.c.insurance_cents,
        "patient_due": Claim.patient_due - decided.c.patient_cents,
    }
    return update_claims(session, Claim.id == decided.c.claim_id, job.practice_id, changes)


def update_claims(
    session: Session, picked: ColumnElement[bool], practice_id: int, changes: dict[str, Any]
) -> SplitAmount:
    """Change the selected claims and raise their versions. Return the resulting balances."""
    moved = update(Claim).where(Claim.practice_id == practice_id, picked)
    # The job sets the status, so no later posting may restore the earlier status.
    owing = moved.values(**changes, reopened=False, version=Claim.version + 1).returning(
        Claim.insurance_due, Claim.patient_due
    )
    rows = owing.cte("moved")
    sums = [func.coalesce(func.sum(cents), 0) for cents in (rows.c.insurance_due, rows.c.patient_due)]
    return SplitAmount(*map(int, session.execute(select(*sums)).one()))
