"""New lines and postings on existing claims."""

import datetime as dt
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final, NamedTuple

from sqlalchemy import (
    ColumnElement,
    Select,
    and_,
    delete,
    exists,
    false,
    func,
    insert,
    literal,
    select,
    union_all,
    update,
)
from sqlalchemy.orm import Session

from core.access.permissions import Actor
from core.db.sums import sum_cents
from core.enums.claims import SETTLED
from core.intake.loading import stages
from core.intake.loading.balance_reasons import HELD_BACK, mark_claims
from core.intake.loading.checks import Origins
from core.intake.loading.differences import decided_by_job
from core.intake.loading.known_postings import CORRECTION
from core.intake.loading.post_rows import post_staged_rows, report_future_rows, report_rows_over_limit
from core.intake.loading.staged_checks import add_transfers_that_lose_money
from core.intake.parsing.faults import Faults
from core.ledger.late_payments import NO_CHANGES, WriteOffChanges
from core.models.claims import Claim, LineItem
from core.models.practices import Practice

_LINE: Final = stages.LINE
_POSTING: Final = stages.POSTING


@dataclass(frozen=True)
class Additions:
    """What is new on existing claims."""

    claims: int = 0
    lines: int = 0
    postings: int = 0
    moved: WriteOffChanges = NO_CHANGES  # write-offs that the postings reversed or restored

    def facts(self) -> dict[str, int]:
        """Return it as JSON."""
        return {"claims": self.claims, "lines": self.lines, "postings": self.postings, **self.moved._asdict()}


class HoldBack(StrEnum):
    """Which existing claims get no new rows if the file has no posting ids."""

    ALL = "all"  # its lines have no numbers, so rows in a different order would post a payment twice
    TO_CORRECT = "to_correct"  # a posting that moved to the other responsibility would be posted twice


class HeldBack(NamedTuple):
    """New postings that are not imported, and the cents that would come in with the corrections."""

    postings: int = 0
    to_post_cents: int = 0


def hold_back(session: Session, practice_id: int, which: HoldBack) -> HeldBack:
    """Delete the new rows of these claims. Call it before the known rows are deleted."""
    all_claims = select(Claim.external_id).where(Claim.practice_id == practice_id)
    is_all = which is HoldBack.ALL
    to_correct = select(stages.CORRECTION.c.claim)
    claims = all_claims if is_all else to_correct
    is_known = exists().where(stages.KNOWN_POSTING.c.source_id == _POSTING.c.source_id)
    is_new = and_(_POSTING.c.claim.in_(claims), ~is_known, ~_POSTING.c.source_id.contains(CORRECTION))
    if is_all:
        mark_claims(session, practice_id, select(_POSTING.c.claim).where(is_new), HELD_BACK)
    deleted = delete(_POSTING).where(is_new).returning(_POSTING).cte("deleted")
    # None can be posted on a claim with a posting that changed again after a correction.
    to_post = false() if is_all else deleted.c.claim.not_in(to_correct.where(stages.CORRECTION.c.corrected_before))
    kept = insert(stages.TO_POST).from_select([*deleted.c.keys()], select(deleted).where(to_post)).cte("kept")
    counts = select(func.count(), sum_cents(deleted.c.amount_cents, to_post)).add_cte(kept)
    held_back = HeldBack(*session.execute(counts).one())
    of_line = and_(LineItem.practice_id == Claim.practice_id, LineItem.claim_id == Claim.id)
    of_claim = and_(Claim.practice_id == practice_id, Claim.external_id == _LINE.c.claim)
    has_line = exists().where(of_claim, of_line, LineItem.number == _LINE.c.number)
    session.execute(delete(_LINE).where(_LINE.c.claim.in_(claims), ~has_line))
    return held_back


def gaining_claims() -> Select[Any]:
    """Return the IDs of the claims with a new line or posting. Call it after the known rows are deleted."""
    return select(union_all(select(_LINE.c.claim), select(_POSTING.c.claim)).subquery("gaining"))


def count_additions(session: Session, practice_id: int) -> Additions:
    """Count what is staged for existing claims."""

    def on_existing(claim: Any) -> ColumnElement[bool]:
        return exists().where(Claim.practice_id == practice_id, Claim.external_id == claim)

    claims = (
        select(func.count())
        .select_from(Claim)
        .where(Claim.practice_id == practice_id, Claim.external_id.in_(gaining_claims()))
    )
    lines = select(func.count()).select_from(_LINE).where(on_existing(_LINE.c.claim))
    postings = select(func.count()).select_from(_POSTING).where(on_existing(_POSTING.c.claim))
    counts = (one.scalar_subquery() for one in (claims, lines, postings))
    return Additions(*session.execute(select(*counts)).one())


def report_faulty_additions(
    session: Session, practice: Practice, origins: Origins, faults: Faults, *, by: Actor | None, now: dt.datetime
) -> None:
    """Add faults for rows that could not be posted individually on an existing claim. The claims are locked."""
    add_transfers_that_lose_money(session, origins, faults)
    report_future_rows(session, practice, origins, faults, now=now)
    if by is not None:
        report_rows_over_limit(session, practice, origins, faults, by=by, now=now)


def insert_additions(
    session: Session, practice: Practice, *, source: str, by: Actor | None, now: dt.datetime
) -> WriteOffChanges:
    """Insert the new lines and postings of existing claims, before the new claims exist. The claims are locked.

    A claim that the office itself settled stays Settled even if a balance is left. Only claims that a job settled are
    reopened.
    """
    settled_elsewhere = select(Claim.id).where(
        Claim.practice_id == practice.id,
        Claim.external_id.in_(gaining_claims()),
        Claim.billing_status == SETTLED,
        ~decided_by_job(practice.id),
    )
    keep = list(session.scalars(settled_elsewhere))
    columns = {
        "practice_id": literal(practice.id), "claim_id": Claim.id, "number": _LINE.c.number,
        "procedure_code": _LINE.c.procedure_code, "charge": literal(0), "insurance_due": literal(0),
        "patient_due": literal(0),
    }  # fmt: skip
    of_claim = and_(Claim.practice_id == practice.id, Claim.external_id == _LINE.c.claim)
    rows = select(*columns.values()).join_from(_LINE, Claim, of_claim).order_by(Claim.id, _LINE.c.number)
    session.execute(insert(LineItem).from_select(list(columns), rows, include_defaults=False))
    moved = post_staged_rows(session, practice, source=source, by=by, now=now)
    if keep:
        kept = update(Claim).where(Claim.practice_id == practice.id, Claim.id.in_(keep))
        session.execute(
            kept.values(billing_status=SETTLED, reopened=False), execution_options={"synchronize_session": False}
        )
    return moved
