"""Insert the postings of one manual entry, once, with their effects on write-offs, balances and billing statuses."""

import datetime as dt
import hashlib
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, Final, NamedTuple

from sqlalchemy import ColumnElement, and_, exists, func, insert, select
from sqlalchemy.orm import Session

from core.access.permissions import Actor
from core.enums.ledger import PaidBy, Responsibility
from core.enums.notices import EventKind
from core.enums.posting_requests import RequestState
from core.enums.practices import PayerClass
from core.errors import BadInput
from core.ledger import balances, late_payments, recoveries
from core.ledger.entries import bad_entry
from core.ledger.late_payments import WriteOffChanges
from core.models.claims import Claim, LineItem
from core.models.ledger import Posting
from core.models.posting_requests import PostingRequest
from core.models.practices import Payer, Practice
from core.notices.record import tell_webhooks
from core.practices import periods

SOURCE: Final = "entry"  # for single postings by users and programs
PAYER_LABELS: Final = {PaidBy.PRIMARY: "Ins 1", PaidBy.SECONDARY: "Ins 2", PaidBy.PATIENT: "patient"}
_LEGS_MAX: Final = 2  # postings of one entry: a transfer has two

Row = Mapping[str, Any]  # the columns of one posting, with `claim_id`


class EntryMismatch(BadInput):
    """This idempotency key was used for a different posting. Use a new key for a new posting."""

    code = "idempotency_mismatch"


class Inserted(NamedTuple):
    """The ids of an entry's postings, and what they did to earlier write-offs."""

    ids: list[int]
    changes: WriteOffChanges


class WriteOffEffects(NamedTuple):
    """What an entry did to earlier write-offs."""

    reversed_cents: int
    restored_cents: int


def source_id(by: Actor, idempotency_key: str) -> str:
    """Return the source id that the postings of one user and key share. Each posting adds its own index."""
    return hashlib.sha256(f"{by.user_id}:{idempotency_key}".encode()).hexdigest()


def leg_ids(source_id: str) -> list[str]:
    """Return the possible source ids of one entry's postings."""
    return [f"{source_id}:{index}" for index in range(_LEGS_MAX)]


def find_legs(session: Session, practice_id: int, source_id: str) -> list[Posting]:
    """Return the postings of the entry with this source id, in order."""
    of_entry = (
        Posting.practice_id == practice_id, Posting.source == SOURCE, Posting.source_id.in_(leg_ids(source_id))
    )  # fmt: skip
    return list(session.scalars(select(Posting).where(*of_entry).order_by(Posting.id)))


def is_of_entry() -> ColumnElement[bool]:
    """Return, as SQL, whether a posting belongs to the entry of a posting request."""
    return and_(
        PostingRequest.practice_id == Posting.practice_id,
        PostingRequest.source_id == func.split_part(Posting.source_id, ":", 1),
        Posting.source == SOURCE,
    )


def was_approved() -> ColumnElement[bool]:
    """Return, as SQL, whether another user approved the entry of this posting."""
    return exists().where(is_of_entry(), PostingRequest.state == RequestState.POSTED)


def find_repeated(
    session: Session,
    practice_id: int,
    source_id: str,
    rows: Sequence[Row],
    *,
    note: str | None,
    dated: Callable[[dt.datetime], dt.date | None],
) -> list[int]:
    """Return the ids of the postings with this key, or none. Raise `EntryMismatch` if they belong to a different entry.

    `dated` returns the posting date of an entry sent at a given time, or None to accept any date.
    """
    found = find_legs(session, practice_id, source_id)
    if not found:
        return []
    common = {"note": note, "posted_on": dated(found[0].created_at) or found[0].posted_on}
    same = len(found) == len(rows) and all(
        getattr(posting, name) == value
        for posting, row in zip(found, rows, strict=True)
        for name, value in {**common, **row}.items()
    )
    if not same:
        raise EntryMismatch
    return [posting.id for posting in found]


def insert_rows(
    session: Session,
    practice: Practice,
    rows: Sequence[Row],
    source_id: str,
    *,
    note: str | None,
    posted_on: dt.date,
    entry: str,
    by: Actor,
    now: dt.datetime,
    today: dt.date,
) -> Inserted:
    """Post the rows of one entry on locked claims, and update write-offs, balances and statuses to match.

    `entry` is a word for webhooks, such as "refund".

    The caller has locked the month of `posted_on`, which is open. Raise `PeriodBusy`.
    """
    common = {
        "practice_id": practice.id, "note": note, "posted_on": posted_on, "created_at": now, "user_id": by.user_id,
        "source": SOURCE,
    }  # fmt: skip
    ids = [
        session.scalars(
            insert(Posting).values(**common, **row, source_id=f"{source_id}:{index}").returning(Posting.id)
        ).one()
        for index, row in enumerate(rows)
    ]
    claim_ids = {row["claim_id"] for row in rows}
    changes = late_payments.match_write_offs(
        session, practice.id, ids, claim_ids=claim_ids, user_id=by.user_id, now=now, today=today
    )
    session.flush()
    of_claims = select(Claim.id).where(Claim.practice_id == practice.id, Claim.id.in_(claim_ids))
    balances.refresh(session, practice.id, of_claims)
    posted = Inserted(ids, changes)
    _tell_webhooks(session, practice, rows, posted, entry=entry, posted_on=posted_on, now=now)
    return posted


def _tell_webhooks(
    session: Session,
    practice: Practice,
    rows: Sequence[Row],
    posted: Inserted,
    *,
    entry: str,
    posted_on: dt.date,
    now: dt.datetime,
) -> None:
    of_rows = Claim.id.in_({row["claim_id"] for row in rows})
    numbers = select(Claim.external_id).where(Claim.practice_id == practice.id, of_rows).order_by(Claim.id)
    cents = {
        f"{side}_change_cents": sum(row["amount_cents"] for row in rows if row["responsibility"] is side)
        for side in Responsibility
    }
    facts = {
        "entry": entry, "posting_id": posted.ids[0], "postings": len(posted.ids),
        "claim_ids": list(session.scalars(numbers)), "posting_date": posted_on.isoformat(), **cents,
        **posted.changes.facts(),
    }  # fmt: skip
    tell_webhooks(session, EventKind.POSTINGS_ENTERED, facts, practice_id=practice.id, now=now)


def effects(session: Session, practice_id: int, claim_ids: Collection[int], ids: Collection[int]) -> WriteOffEffects:
    """Return what the postings with these ids did to write-offs."""
    found = [one for claim_id in claim_ids for one in recoveries.list_for_claim(session, practice_id, claim_id)]
    cents = [one.recovered_cents for one in found if one.posting_id in ids]
    return WriteOffEffects(sum(one for one in cents if one > 0), -sum(one for one in cents if one < 0))


def lock_posting_date(session: Session, practice: Practice, day: dt.date, *, today: dt.date) -> dt.date:
    """Lock the open month of the entry's date, and return the date. Raise `BadEntry`, `PeriodClosed`, `PeriodBusy`."""
    if day > today and day != (latest := periods.latest_posting_date(session, practice.id, today=today)):
        refusal = bad_entry(posted_on=f"{day} is in the future; the latest date is {latest}")
        refusal.facts["days"] = [str(day), str(latest)]
        raise refusal
    periods.lock_open(session, practice.id, [day])
    return day


def lock_date_after(
    session: Session, practice: Practice, asked: dt.date | None, *, earliest: dt.date, today: dt.date
) -> dt.date:
    """Lock the open month of the requested date, or of today, but not before `earliest`. Return the date.

    Raise `BadEntry`, `PeriodClosed` and `PeriodBusy`.
    """
    if asked is not None and asked < earliest:
        refusal = bad_entry(posted_on=f"{asked} is too early; the earliest date is {earliest}")
        refusal.facts["days"] = [str(asked), str(earliest)]
        raise refusal
    latest = max(earliest, today)
    return lock_posting_date(session, practice, asked or latest, today=latest)


def find_line(session: Session, claim: Claim, number: int, *, field: str = "line") -> LineItem:
    """Return the claim's current line. Raise `BadEntry` naming the field."""
    line = session.get(LineItem, (claim.practice_id, claim.id, number), populate_existing=True)
    if line is None:
        raise bad_entry(**{field: f"claim {claim.external_id} has no line {number}"})
    return line


def due_cents(line: LineItem, side: Responsibility) -> int:
    """Return the line's balance for this responsibility."""
    return line.insurance_due if side is Responsibility.INSURANCE else line.patient_due


def check_payer(session: Session, claim: Claim, payer: PaidBy, *, field: str, cure: str) -> None:
    """Raise `BadEntry` unless the claim has this payer."""
    if payer not in possible_payers(session, claim):
        raise bad_entry(**{field: f"claim {claim.external_id} has no {PAYER_LABELS[payer]}; {cure}"})


def possible_payers(session: Session, claim: Claim) -> tuple[PaidBy, ...]:
    """Return who may have paid on the claim. "Self Pay" does not count as insurance."""
    ids = {PaidBy.PRIMARY: claim.primary_payer_id, PaidBy.SECONDARY: claim.secondary_payer_id}
    of_claim = (Payer.practice_id == claim.practice_id, Payer.id.in_([one for one in ids.values() if one is not None]))
    insurers = set(session.scalars(select(Payer.id).where(*of_claim, Payer.payer_class != PayerClass.SELF_PAY)))
    return tuple(payer for payer in PaidBy if payer not in ids or ids[payer] in insurers)
