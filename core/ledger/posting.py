"""The only writer of the ledger and of what claims and lines cache of it, in sets.

The caller holds the claims' locks, taken in id order before anything is written.
"""

import datetime as dt
from typing import NamedTuple

from sqlalchemy import (
    BigInteger,
    Boolean,
    String,
    Subquery,
    and_,
    case,
    column,
    func,
    insert,
    literal,
    or_,
    select,
    update,
    values,
)
from sqlalchemy.orm import Session

from core.claims.models import Claim, LineItem
from core.ledger.models import Posting, PostingKind, Responsibility, WriteOffReason


class WrittenOff(NamedTuple):
    """What was taken off the dues, in positive cents."""

    insurance_cents: int
    patient_cents: int


def write_off(
    session: Session,
    decided: Subquery,
    *,
    practice_id: int,
    reason: WriteOffReason,
    posted_on: dt.date,
    job_id: int,
    by: int | None,
    now: dt.datetime,
) -> WrittenOff:
    """Post a write-off for each positive due of each line, in the responsibilities that were decided on.

    `decided` has a row for each claim: claim_id, claim_version, settles_insurance, settles_patient.
    """
    due = _open_dues(decided, practice_id)
    entries = select(
        literal(practice_id), due.c.claim_id, due.c.line, due.c.responsibility, literal(PostingKind.WRITE_OFF.value),
        -due.c.due, literal(reason.value), literal(posted_on), literal(now), literal(by, BigInteger),
        literal(job_id), due.c.claim_version,
    )  # fmt: skip
    names = [
        "practice_id", "claim_id", "line", "responsibility", "kind", "amount_cents", "write_off_reason", "posted_on",
        "created_at", "user_id", "job_id", "claim_version",
    ]  # fmt: skip
    posted = insert(Posting).from_select(names, entries).returning(Posting.responsibility, Posting.amount_cents)
    rows = posted.cte("posted")
    sums = [
        func.coalesce(
            func.sum(-rows.c.amount_cents).filter(rows.c.responsibility == side.value),
            0,
        )
        for side in (Responsibility.INSURANCE, Responsibility.PATIENT)
    ]
    insurance_cents, patient_cents = session.execute(select(*sums)).one()
    return WrittenOff(int(insurance_cents), int(patient_cents))


def _open_dues(decided: Subquery, practice_id: int) -> Subquery:
    """claim_id, line, responsibility, due (positive cents), claim_version."""
    sides = (
        values(
            column("responsibility", String),
            column("chosen", Boolean),
            column("due", BigInteger),
            name="side",
        )
        .data(
            [
                (
                    Responsibility.INSURANCE.value,
                    decided.c.settles_insurance,
                    LineItem.insurance_due,
                ),
                (
                    Responsibility.PATIENT.value,
                    decided.c.settles_patient,
                    LineItem.patient_due,
                ),
            ]
        )
        .lateral()
    )
    return (
        select(
            LineItem.claim_id,
            LineItem.number.label("line"),
            sides.c.responsibility,
            sides.c.due,
            decided.c.claim_version,
        )
        .join_from(decided, LineItem, LineItem.claim_id == decided.c.claim_id)
        .join(sides, and_(sides.c.chosen, sides.c.due > 0))
        .where(LineItem.practice_id == practice_id)
        .subquery("due")
    )


def clear_lines(session: Session, decided: Subquery, *, practice_id: int) -> None:
    """Set to zero the line dues that `write_off` has just posted away."""
    insurance, patient = decided.c.settles_insurance, decided.c.settles_patient
    cleared = (
        update(LineItem)
        .where(
            LineItem.practice_id == practice_id,
            LineItem.claim_id == decided.c.claim_id,
            or_(
                and_(insurance, LineItem.insurance_due != 0),
                and_(patient, LineItem.patient_due != 0),
            ),
        )
        .values(
            insurance_due=case((insurance, 0), else_=LineItem.insurance_due),
            patient_due=case((patient, 0), else_=LineItem.patient_due),
        )
    )
    session.execute(cleared, execution_options={"synchronize_session": False})


def move_claims(session: Session, decided: Subquery, *, practice_id: int, billing_status: str) -> None:
    """Move the claims to `billing_status`, clear what was written off of their dues, raise their versions."""
    insurance, patient = decided.c.settles_insurance, decided.c.settles_patient
    moved = (
        update(Claim)
        .where(Claim.practice_id == practice_id, Claim.id == decided.c.claim_id)
        .values(
            billing_status=billing_status,
            version=Claim.version + 1,
            insurance_due=case((insurance, 0), else_=Claim.insurance_due),
            patient_due=case((patient, 0), else_=Claim.patient_due),
        )
    )
    session.execute(moved, execution_options={"synchronize_session": False})
