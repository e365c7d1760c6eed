"""Post a payment, an adjustment or a transfer manually, each as an immutable posting on one line.

A posting after a write-off reverses as much of it as needed: `core.ledger.late_payments`.
"""

import datetime as dt
import hashlib
from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal, NamedTuple

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, TypeAdapter, ValidationError
from sqlalchemy import Select, exists, func, insert, or_, select, update
from sqlalchemy.orm import Session

from core import reading
from core.access import audit
from core.access.permissions import Action, Actor
from core.claims import locks
from core.errors import BadInput
from core.ledger import adjustment_limits, balances, late_payments, look_alikes, recoveries, write_offs
from core.ledger.recoveries import Recovery
from core.models.claims import BALANCE_DUE, SETTLED, Claim, LineItem
from core.models.ledger import GroupCode, PaidBy, Posting, PostingKind, Responsibility
from core.models.practices import Payer, PayerClass, Practice
from core.money import CENTS_MAX
from core.practices import periods, practice_days

SOURCE: Final = "entry"  # for single postings by users and programs


class BadEntry(BadInput):
    """The posting is not valid."""

    code = "bad_entry"


class EntryMismatch(BadInput):
    """This idempotency key was used for another posting. Use a new key for a new posting."""

    code = "idempotency_mismatch"


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    line: Annotated[
        int, Field(ge=1, le=32_767), BeforeValidator(reading.whole_number("write a whole number, such as 1"))
    ]
    # For a payment or an adjustment, this lowers the balance.
    amount_cents: Annotated[int, Field(ge=1, le=CENTS_MAX), BeforeValidator(reading.whole_number(reading.WHOLE_CENTS))]
    posted_on: reading.Day | None = None  # default: today in the practice's time zone
    note: Annotated[str, Field(max_length=reading.NOTE_CHARACTERS_MAX)] = ""


class Payment(_Entry):
    """A payment received."""

    kind: Literal["payment"]
    responsibility: Responsibility  # whose balance it lowers
    paid_by: PaidBy


class Adjustment(_Entry):
    """A reduction by contract or rule."""

    kind: Literal["adjustment"]
    responsibility: Responsibility
    group_code: GroupCode
    reason_code: Annotated[str, Field(pattern=r"^[A-Z]{0,2}\d{1,3}$")]  # CARC


class Transfer(_Entry):
    """A move of a balance from one responsibility to the other."""

    kind: Literal["transfer"]
    responsibility: Responsibility  # whose balance it lowers


Entry = Annotated[Payment | Adjustment | Transfer, Field(discriminator="kind")]
_CURES: Final = {"reason_code": "write the CARC, such as 45"}
_ENTRY_ADAPTER: Final[TypeAdapter[Payment | Adjustment | Transfer]] = TypeAdapter(Entry)


def parse_entry(given: Mapping[str, Any]) -> Payment | Adjustment | Transfer:
    """Read an entry from JSON. Raise `BadEntry` naming each bad field and its cure."""
    try:
        return _ENTRY_ADAPTER.validate_python(given)
    except ValidationError as error:
        found = reading.faults_by_path(error, skip=1)  # the first part of a field path is the kind
        raise _bad_entry(**{field or "kind": _CURES.get(field, message) for field, message in found.items()}) from None


def _bad_entry(**faults: str) -> BadEntry:
    return BadEntry(reading.join_faults(faults), faults=faults)


class UnreversedWriteOff(NamedTuple):
    """The unreversed write-offs on a line, for one responsibility."""

    line: int
    responsibility: Responsibility
    cents: int


class PostingResult(NamedTuple):
    """The claim after an entry, and the side effects of the entry."""

    claim: Claim
    recovery: Recovery | None  # how much of a write-off it reversed, if it came late
    restored_cents: int  # of earlier write-offs, re-posted because a transfer raised the other balance
    credit_cents: int  # credit on the entry's line and responsibility now; 0 if none
    # for a payment on a line without write-offs: the write-offs on other lines
    written_off_elsewhere: tuple[UnreversedWriteOff, ...]
    looks_like: look_alikes.PossibleDuplicate | None  # the earlier payment that this one may duplicate


def post(
    session: Session,
    claim_id: str,
    entry: Payment | Adjustment | Transfer,
    *,
    by: Actor,
    idempotency_key: str,
    now: dt.datetime,
) -> PostingResult:
    """Post the entry on the claim (by its number) and return the claim. The same key posts once.

    A Settled claim with a balance afterward goes back to Balance Due. Raise `NotFound`, `NotAllowed`, `BadEntry`,
    `EntryMismatch`, `AdjustmentOverLimit`, `PeriodClosed`, and `ClaimBusy` or `PeriodBusy` if a lock is not released in
    time.
    """
    by.require(Action.POST)
    claim = locks.lock_claim(session, by.practice_id, claim_id)
    source_id = _source_id(by, idempotency_key)
    posting_id = _find_repeated_entry(session, claim, source_id, entry)
    if posting_id is None:
        posting_id = _post(session, claim, entry, source_id, by=by, now=now)
    return _posting_result(session, claim, entry, posting_id, source_id)


def _post(
    session: Session,
    claim: Claim,
    entry: Payment | Adjustment | Transfer,
    source_id: str,
    *,
    by: Actor,
    now: dt.datetime,
) -> int:
    """Post the entry and its side effects. Return the id of its first posting."""
    practice = session.get_one(Practice, by.practice_id)
    today = practice_days.today(practice, now=now)
    posted_on = _posting_date(session, practice, entry, today=today)
    _check_line(session, claim, entry.line)
    _check_payer(session, claim, entry)
    if isinstance(entry, Adjustment):
        adjustment_limits.check(session, practice, claim, entry.amount_cents, by=by, now=now)
    common = {
        "practice_id": by.practice_id, "claim_id": claim.id, "line": entry.line, "kind": PostingKind(entry.kind),
        "note": entry.note or None, "posted_on": posted_on, "created_at": now, "user_id": by.user_id, "source": SOURCE,
    }  # fmt: skip
    ids = [
        session.scalars(
            insert(Posting).values(**common, **columns, source_id=f"{source_id}:{index}").returning(Posting.id)
        ).one()
        for index, columns in enumerate(_postings(entry))
    ]
    moved = late_payments.match_write_offs(
        session, by.practice_id, ids, claim_ids=[claim.id], user_id=by.user_id, now=now, today=today
    )
    session.flush()
    refresh_balances(
        session, by.practice_id, select(Claim.id).where(Claim.practice_id == by.practice_id, Claim.id == claim.id)
    )
    facts = {"kind": entry.kind, "line": entry.line, **({"late": True} if any(moved) else {})}
    audit.record(session, "claim.posted", claim, by=by, now=now, **facts)
    session.refresh(claim)
    return ids[0]


def _posting_result(
    session: Session, claim: Claim, entry: Payment | Adjustment | Transfer, posting_id: int, source_id: str
) -> PostingResult:
    found = recoveries.list_for_claim(session, claim.practice_id, claim.id)
    recovery = next((one for one in found if one.posting_id == posting_id), None)
    own = [f"{source_id}:{index}" for index in range(len(_postings(entry)))]
    of_entry = select(Posting.id).where(
        Posting.practice_id == claim.practice_id, Posting.source == SOURCE, Posting.source_id.in_(own)
    )
    ids = set(session.scalars(of_entry))
    restored = sum(max(0, -one.recovered_cents) for one in found if one.posting_id in ids)
    line = session.get_one(LineItem, (claim.practice_id, claim.id, entry.line), populate_existing=True)
    due = line.insurance_due if entry.responsibility is Responsibility.INSURANCE else line.patient_due
    if not isinstance(entry, Payment):
        return PostingResult(claim, recovery, restored, max(0, -due), (), None)
    elsewhere = [] if recovery else list_unreversed_write_offs(session, claim.practice_id, claim.id)
    here = (entry.line, entry.responsibility)
    others = () if any(one[:2] == here for one in elsewhere) else tuple(elsewhere)
    return PostingResult(
        claim, recovery, restored, max(0, -due), others, look_alikes.find_possible_duplicate(session, posting_id)
    )


def list_unreversed_write_offs(session: Session, practice_id: int, claim_id: int) -> list[UnreversedWriteOff]:
    """Return the unreversed write-offs on the claim (internal id), by line and responsibility."""
    sums = select(Posting.line, Posting.responsibility, -func.sum(Posting.amount_cents)).where(
        Posting.practice_id == practice_id, Posting.claim_id == claim_id, write_offs.is_unreversed()
    )
    by_line = sums.group_by(Posting.line, Posting.responsibility).order_by(Posting.line, Posting.responsibility)
    return [UnreversedWriteOff(line, side, int(cents)) for line, side, cents in session.execute(by_line)]


def _postings(entry: Payment | Adjustment | Transfer) -> list[dict[str, Any]]:
    columns: dict[str, Any] = {"responsibility": entry.responsibility, "amount_cents": -entry.amount_cents}
    match entry:
        case Payment():
            return [{**columns, "paid_by": entry.paid_by}]
        case Adjustment():
            return [{**columns, "group_code": entry.group_code, "reason_code": entry.reason_code}]
        case Transfer():
            other = next(side for side in Responsibility if side is not entry.responsibility)
            return [columns, {"responsibility": other, "amount_cents": entry.amount_cents}]


def _source_id(by: Actor, idempotency_key: str) -> str:
    return hashlib.sha256(f"{by.user_id}:{idempotency_key}".encode()).hexdigest()


def _find_repeated_entry(
    session: Session, claim: Claim, source_id: str, entry: Payment | Adjustment | Transfer
) -> int | None:
    """Return the id of the posting with this key, if it was the same entry. Raise `EntryMismatch` if it was another."""
    same_key = (Posting.practice_id == claim.practice_id, Posting.source == SOURCE)
    found = session.scalars(select(Posting).where(*same_key, Posting.source_id == f"{source_id}:0")).one_or_none()
    if found is None:
        return None
    practice = session.get_one(Practice, claim.practice_id)
    wanted = {
        "claim_id": claim.id, "line": entry.line, "kind": entry.kind, "note": entry.note or None,
        # Without a date, use the date on which the entry was first sent.
        "posted_on": entry.posted_on or practice_days.today(practice, now=found.created_at),
        **_postings(entry)[0],
    }  # fmt: skip
    if any(getattr(found, name) != value for name, value in wanted.items()):
        raise EntryMismatch
    return found.id


def _posting_date(session: Session, practice: Practice, entry: _Entry, *, today: dt.date) -> dt.date:
    """Return the entry's date and lock its month open. Raise `BadEntry`, `PeriodClosed` and `PeriodBusy`."""
    day = entry.posted_on or today
    if day > today and day != (latest := periods.latest_posting_date(session, practice.id, today=today)):
        refusal = _bad_entry(posted_on=f"{day} is in the future; the latest is {latest}")
        refusal.facts["days"] = [str(day), str(latest)]
        raise refusal
    periods.lock_open(session, practice.id, [day], today=today)
    return day


def _check_line(session: Session, claim: Claim, number: int) -> None:
    if session.get(LineItem, (claim.practice_id, claim.id, number)) is None:
        raise _bad_entry(line=f"claim {claim.external_id} has no line {number}")


def _check_payer(session: Session, claim: Claim, entry: Payment | Adjustment | Transfer) -> None:
    if isinstance(entry, Payment) and entry.paid_by not in possible_payers(session, claim):
        which = {PaidBy.PRIMARY: "Ins 1", PaidBy.SECONDARY: "Ins 2"}[entry.paid_by]
        raise _bad_entry(paid_by=f"claim {claim.external_id} has no {which}; say who paid")


def possible_payers(session: Session, claim: Claim) -> tuple[PaidBy, ...]:
    """Return who can have paid on the claim. "Self Pay" is no insurance."""
    ids = {PaidBy.PRIMARY: claim.primary_payer_id, PaidBy.SECONDARY: claim.secondary_payer_id}
    of_claim = (Payer.practice_id == claim.practice_id, Payer.id.in_([one for one in ids.values() if one is not None]))
    insurers = set(session.scalars(select(Payer.id).where(*of_claim, Payer.payer_class != PayerClass.SELF_PAY)))
    return tuple(payer for payer in PaidBy if payer not in ids or ids[payer] in insurers)


def refresh_balances(session: Session, practice_id: int, claim_ids: Select[int]) -> None:
    """Refresh balances, versions and billing statuses of claims after postings.

    A Settled claim with a balance on any line goes back to Balance Due. Without a balance, it is Settled again.
    """
    balances.recompute(session, practice_id, claim_ids)
    of_claims = (Claim.practice_id == practice_id, Claim.id.in_(claim_ids))
    unsynchronized = {"synchronize_session": False}
    raised = update(Claim).where(*of_claims).values(version=Claim.version + 1)
    session.execute(raised, execution_options=unsynchronized)
    # Check each line, because a credit on one line does not pay another line.
    of_claim = (LineItem.practice_id == Claim.practice_id, LineItem.claim_id == Claim.id)
    owes = exists().where(*of_claim, or_(LineItem.insurance_due > 0, LineItem.patient_due > 0)).correlate(Claim)
    reopened = update(Claim).where(*of_claims, Claim.billing_status == SETTLED, owes)
    session.execute(reopened.values(billing_status=BALANCE_DUE, reopened=True), execution_options=unsynchronized)
    paid = update(Claim).where(*of_claims, Claim.billing_status == BALANCE_DUE, Claim.reopened, ~owes)
    session.execute(paid.values(billing_status=SETTLED, reopened=False), execution_options=unsynchronized)
