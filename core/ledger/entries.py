"""Other hands on a claim: a payment, an adjustment or a transfer, each an immutable posting on one line."""

import datetime as dt
import hashlib
from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, TypeAdapter, ValidationError
from sqlalchemy import insert, select, update
from sqlalchemy.orm import Session

from core.access import audit
from core.access.permissions import Action, Actor
from core.claims import locks
from core.claims.models import BALANCE_DUE, SETTLED, Claim, LineItem
from core.errors import BadInput
from core.ledger import caches
from core.ledger.models import GroupCode, PaidBy, Posting, PostingKind, Responsibility
from core.money import CENTS_MAX
from core.practices import calendar
from core.practices.models import Practice

SOURCE: Final = "entry"  # of postings that people and programs make one by one
NOTE_CHARACTERS_MAX: Final = 500


class BadEntry(BadInput):
    """The entry is not as it must be."""

    code = "bad_entry"


class EntryMismatch(BadInput):
    """This idempotency key was used for another entry; use a new key for a new one."""

    code = "idempotency_mismatch"


def _written_as_a_date(given: Any) -> Any:
    """A number is no date, though pydantic would count seconds from 1970."""
    if isinstance(given, int | float):
        raise ValueError("write the date as YYYY-MM-DD")  # noqa: TRY004  pydantic reports ValueError
    return given


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    line: Annotated[int, Field(ge=1, le=32_767, strict=True)]
    amount_cents: Annotated[int, Field(ge=1, le=CENTS_MAX, strict=True)]  # of a payment or adjustment: lowers the due
    posted_on: Annotated[dt.date | None, BeforeValidator(_written_as_a_date)] = None  # today in the practice's zone
    note: Annotated[str, Field(max_length=NOTE_CHARACTERS_MAX)] = ""


class Payment(_Entry):
    """Money came in."""

    kind: Literal["payment"]
    responsibility: Responsibility  # whose due it lowers
    paid_by: PaidBy


class Adjustment(_Entry):
    """A reduction by contract or rule."""

    kind: Literal["adjustment"]
    responsibility: Responsibility
    group_code: GroupCode
    reason_code: Annotated[str, Field(pattern=r"^[A-Z]{0,2}\d{1,3}$")]  # CARC


class Transfer(_Entry):
    """What one owed, the other owes from now on."""

    kind: Literal["transfer"]
    responsibility: Responsibility  # who owes it no longer


Entry = Annotated[Payment | Adjustment | Transfer, Field(discriminator="kind")]
_ENTRY: Final[TypeAdapter[Payment | Adjustment | Transfer]] = TypeAdapter(Entry)


def entry_of(given: Mapping[str, Any]) -> Payment | Adjustment | Transfer:
    """Read an entry from JSON; raise `BadEntry` naming each bad field and its cure."""
    try:
        return _ENTRY.validate_python(given)
    except ValidationError as error:
        faults = {".".join(map(str, fault["loc"][1:])) or "kind": fault["msg"].lower() for fault in error.errors()}
        raise _bad(**faults) from None


def _bad(**faults: str) -> BadEntry:
    return BadEntry("; ".join(f"{field}: {words}" for field, words in faults.items()), faults=faults)


def post(
    session: Session,
    claim_id: str,
    entry: Payment | Adjustment | Transfer,
    *,
    by: Actor,
    idempotency_key: str,
    now: dt.datetime,
) -> Claim:
    """Post the entry on the claim (its number) and give the claim as it is then; the same key posts once.

    A Settled claim on which something is due afterwards is reopened to Balance Due. Raises `NotFound`,
    `NotAllowed`, `BadEntry`, `EntryMismatch`, and `ClaimBusy` where another hand holds the claim too long.
    """
    by.require(Action.POST)
    claim = locks.lock_one(session, by.practice_id, claim_id)
    source_id = _source_id(by, idempotency_key)
    if _is_posted(session, claim, source_id, entry):
        return claim
    practice = session.get_one(Practice, by.practice_id)
    posted_on = _posting_date(practice, entry, now=now)
    _check_line(session, claim, entry.line)
    common = {
        "practice_id": by.practice_id, "claim_id": claim.id, "line": entry.line, "kind": PostingKind(entry.kind),
        "note": entry.note or None, "posted_on": posted_on, "created_at": now, "user_id": by.user_id, "source": SOURCE,
    }  # fmt: skip
    for index, columns in enumerate(_postings(entry)):
        session.execute(insert(Posting).values(**common, **columns, source_id=f"{source_id}:{index}"))
    _bring_up(session, claim)
    subject = f"claim:{claim.external_id}"
    facts = {"kind": entry.kind, "line": entry.line}
    audit.record(session, "claim.posted", practice_id=by.practice_id, subject=subject, by=by.user_id, now=now, **facts)
    session.refresh(claim)
    return claim


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


def _is_posted(session: Session, claim: Claim, source_id: str, entry: Payment | Adjustment | Transfer) -> bool:
    """Tell whether this key has posted this entry before; raise `EntryMismatch` if it posted another."""
    same_key = (Posting.practice_id == claim.practice_id, Posting.source == SOURCE)
    found = session.scalars(select(Posting).where(*same_key, Posting.source_id == f"{source_id}:0")).one_or_none()
    if found is None:
        return False
    first = _postings(entry)[0]
    is_same = (found.claim_id, found.line, found.kind.value) == (claim.id, entry.line, entry.kind) and all(
        getattr(found, name) == value for name, value in first.items()
    )
    if not is_same:
        raise EntryMismatch
    return True


def _posting_date(practice: Practice, entry: _Entry, *, now: dt.datetime) -> dt.date:
    today = calendar.today(practice, now=now)
    if entry.posted_on is not None and entry.posted_on > today:
        raise _bad(posted_on=f"{entry.posted_on} is in the future; the latest is {today}")
    return entry.posted_on or today


def _check_line(session: Session, claim: Claim, number: int) -> None:
    if session.get(LineItem, (claim.practice_id, claim.id, number)) is None:
        raise _bad(line=f"claim {claim.external_id} has no line {number}")


def _bring_up(session: Session, claim: Claim) -> None:
    """Caches, version, and a Settled claim on which something is due goes back to work."""
    of_claim = (Claim.practice_id == claim.practice_id, Claim.id == claim.id)
    session.flush()
    caches.recompute(session, claim.practice_id, select(Claim.id).where(*of_claim))
    session.execute(update(Claim).where(*of_claim).values(version=Claim.version + 1))
    owes = (Claim.insurance_due > 0) | (Claim.patient_due > 0)
    session.execute(
        update(Claim).where(*of_claim, Claim.billing_status == SETTLED, owes).values(billing_status=BALANCE_DUE)
    )
