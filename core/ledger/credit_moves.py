"""Refund a credit, or transfer it to a line and responsibility that owes. Credits are never netted by a job."""

import datetime as dt
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final, NamedTuple

from sqlalchemy import and_, func, literal, select, type_coerce, union_all
from sqlalchemy.orm import Session

from core.access import audit
from core.access.permissions import Action, Actor
from core.claims import locks
from core.enums.ledger import PaidBy, PostingKind, Responsibility
from core.errors import Refusal
from core.ledger import entry_postings
from core.ledger.entries import CreditTransfer, Refund, bad_entry
from core.ledger.entry_postings import Row
from core.models.claims import Claim, LineItem
from core.models.ledger import Posting
from core.models.practices import Practice
from core.money import format_cents
from core.practices import practice_days

_ENTRIES: Final = {"claim.refunded": "refund", "claim.credit_transferred": "credit_transfer"}  # by act
TARGETS_MAX: Final = 200  # balances that a page offers; a patient with more open lines is rare


class MoreThanPaid(Refusal):
    """This refund is more than its receiver paid on this claim."""

    http_status = HTTPStatus.UNPROCESSABLE_ENTITY


class CreditMoved(NamedTuple):
    """The claim after its credit was refunded or transferred, the new postings, and the credit that is left."""

    claim: Claim
    posting_ids: list[int]
    credit_cents: int


@dataclass(frozen=True)
class OpenBalance:
    """A line and responsibility with a balance."""

    claim_id: str
    service_date: dt.date
    line: int
    procedure_code: str
    responsibility: Responsibility
    due_cents: int


def refund(
    session: Session,
    claim_id: str,
    asked: Refund,
    *,
    accept_more: bool = True,
    by: Actor,
    idempotency_key: str,
    now: dt.datetime,
) -> CreditMoved:
    """Refund a credit on the claim (by its number), up to its amount. Repeating the key does not refund it again.

    Raise `NotFound`, `NotAllowed`, `BadEntry`, `EntryMismatch`, `PeriodClosed`, `ClaimBusy` and `PeriodBusy`. Without
    `accept_more`, raise `MoreThanPaid` for more than the receiver paid.
    """
    by.require(Action.POST)
    claim = locks.lock_claim(session, by.practice_id, claim_id)
    row = {**_row(claim, asked, PostingKind.PAYMENT), "amount_cents": asked.amount_cents, "paid_by": asked.paid_to}

    def check() -> None:
        _check_credit(session, claim, asked)
        entry_postings.check_payer(session, claim, asked.paid_to, field="paid_to", cure="choose who gets the refund")
        paid = _paid_cents(session, claim, asked.paid_to)
        if asked.amount_cents > paid and not accept_more:
            raise MoreThanPaid(paid_cents=max(0, paid))

    ids = _post_once(session, [claim], asked, [row], check, "claim.refunded", by=by, key=idempotency_key, now=now)
    return CreditMoved(claim, ids, _credit_cents(session, claim, asked))


def transfer(
    session: Session, claim_id: str, asked: CreditTransfer, *, by: Actor, idempotency_key: str, now: dt.datetime
) -> CreditMoved:
    """Move a credit on the claim (by its number) to a balance of the same patient. Repeating the key changes nothing.

    Never more than the credit, and never more than is owed there. Raise as `refund` does.
    """
    by.require(Action.POST)
    to_claim_id = asked.to.claim_id or claim_id
    claims = locks.lock_claims(session, by.practice_id, {claim_id, to_claim_id})
    claim, target = claims[claim_id], claims[to_claim_id]
    rows = [
        {**_row(claim, asked, PostingKind.TRANSFER), "amount_cents": asked.amount_cents},
        {**_row(target, asked.to, PostingKind.TRANSFER), "amount_cents": -asked.amount_cents},
    ]

    def check() -> None:
        _check_credit(session, claim, asked)
        _check_target(session, claim, target, asked)

    changed = list(claims.values())
    ids = _post_once(
        session, changed, asked, rows, check, "claim.credit_transferred", by=by, key=idempotency_key, now=now
    )
    return CreditMoved(claim, ids, _credit_cents(session, claim, asked))


def list_open_balances(session: Session, claim: Claim) -> list[OpenBalance]:
    """Return what the claim's patient owes, by line: first on this claim, then on other claims, oldest first."""
    sides = union_all(
        *(
            select(literal(side.value).label("responsibility"), due.label("due_cents"))
            .where(due > 0)
            .correlate(LineItem)
            for side, due in (
                (Responsibility.INSURANCE, LineItem.insurance_due),
                (Responsibility.PATIENT, LineItem.patient_due),
            )
        )
    ).lateral("side")
    found = (
        select(
            Claim.external_id.label("claim_id"),
            Claim.service_date,
            LineItem.number.label("line"),
            LineItem.procedure_code,
            type_coerce(sides.c.responsibility, Posting.responsibility.type).label("responsibility"),
            sides.c.due_cents,
        )
        .join_from(Claim, LineItem, and_(LineItem.practice_id == Claim.practice_id, LineItem.claim_id == Claim.id))
        .join(sides, literal(True))
        .where(Claim.practice_id == claim.practice_id, Claim.patient_id == claim.patient_id)
        .order_by(Claim.id != claim.id, Claim.service_date, Claim.id, LineItem.number, sides.c.responsibility)
        .limit(TARGETS_MAX)
    )
    return [OpenBalance(**row._mapping) for row in session.execute(found)]


def _post_once(
    session: Session,
    claims: list[Claim],
    asked: Refund | CreditTransfer,
    rows: Sequence[Row],
    check: Callable[[], None],
    act: str,
    *,
    by: Actor,
    key: str,
    now: dt.datetime,
) -> list[int]:
    practice = session.get_one(Practice, by.practice_id)
    source_id = entry_postings.source_id(by, key)
    ids = entry_postings.find_repeated(
        session, practice.id, source_id, rows, note=asked.note, dated=lambda _: asked.posted_on
    )
    if ids:
        return ids
    check()
    today = practice_days.today(practice, now=now)
    earliest = max(filter(None, (_last_posted_on(session, practice.id, row) for row in rows)), default=today)
    day = entry_postings.lock_date_after(session, practice, asked.posted_on, earliest=earliest, today=today)
    ids = entry_postings.insert_rows(
        session, practice, rows, source_id, note=asked.note, posted_on=day, entry=_ENTRIES[act], by=by, now=now,
        today=today,
    ).ids  # fmt: skip
    for claim in claims:
        audit.record(session, act, claim, by=by, now=now, posting_id=ids[0], amount_cents=asked.amount_cents)
        session.refresh(claim)
    return ids


def _row(claim: Claim, place: Any, kind: PostingKind) -> dict[str, Any]:
    return {"claim_id": claim.id, "line": place.line, "kind": kind, "responsibility": place.responsibility}


def _last_posted_on(session: Session, practice_id: int, row: Row) -> dt.date | None:
    """Return the latest posting date on the row's line and responsibility. A credit does not move before it exists."""
    place = (Posting.claim_id == row["claim_id"], Posting.line == row["line"])
    of_place = (Posting.practice_id == practice_id, *place, Posting.responsibility == row["responsibility"])
    return session.scalars(select(func.max(Posting.posted_on)).where(*of_place)).one()


def _paid_cents(session: Session, claim: Claim, by: PaidBy) -> int:
    """Return what this payer or the patient paid on the claim, less refunds and voids."""
    of_claim = (Posting.practice_id == claim.practice_id, Posting.claim_id == claim.id)
    paid = select(func.sum(-Posting.amount_cents)).where(*of_claim, Posting.paid_by == by)
    return int(session.scalar(paid) or 0)


def _credit_cents(session: Session, claim: Claim, asked: Refund | CreditTransfer) -> int:
    return max(0, -entry_postings.due_cents(entry_postings.find_line(session, claim, asked.line), asked.responsibility))


def _check_credit(session: Session, claim: Claim, asked: Refund | CreditTransfer) -> None:
    credit = _credit_cents(session, claim, asked)
    if credit == 0:
        raise bad_entry(line=f"line {asked.line} has no {asked.responsibility} credit; choose a line that has one")
    if asked.amount_cents > credit:
        raise bad_entry(amount_cents=f"more than the {format_cents(credit)} credit; enter that amount or less")


def _check_target(session: Session, claim: Claim, target: Claim, asked: CreditTransfer) -> None:
    if target.patient_id != claim.patient_id:
        raise bad_entry(
            **{"to.claim_id": f"claim {target.external_id} is for a different patient; choose one for the same patient"}
        )
    line = entry_postings.find_line(session, target, asked.to.line, field="to.line")
    owed = entry_postings.due_cents(line, asked.to.responsibility)
    if owed <= 0:
        raise bad_entry(
            **{"to.line": f"line {line.number} has no {asked.to.responsibility} balance; choose a line that has one"}
        )
    if asked.amount_cents > owed:
        raise bad_entry(amount_cents=f"more than the {format_cents(owed)} owed on that line; enter that amount or less")
