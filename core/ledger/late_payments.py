"""Whatever lowers a due after the write-off takes back just enough of it, in its own transaction.

Mostly that is a payment that comes late; an adjustment or a transfer does the same. The write-offs that stand on its
line and responsibility are reversed newest first, each whole, until the credit is gone; what the last of them leaves is
posted again under its own reason. So neither a false credit nor a lost dollar appears. What exceeds them is a credit.
"""

import datetime as dt
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import and_, exists, func, insert, select
from sqlalchemy.orm import Session, aliased

from core.claims.models import Claim
from core.ledger.models import Posting, PostingKind, Responsibility, WriteOffReason
from core.practices import periods


@dataclass(frozen=True)
class _Standing:
    """A write-off that nothing has reversed."""

    id: int
    claim_id: int
    line: int
    responsibility: Responsibility
    amount_cents: int  # below zero
    reason: WriteOffReason | None
    posted_on: dt.date
    job_id: int | None  # whose write-off it is, or what remains of it


_Place = tuple[int, int, Responsibility]  # claim, line, responsibility
_REVERSAL: Final = aliased(Posting, name="answer")
LOWERING: Final = (PostingKind.PAYMENT, PostingKind.ADJUSTMENT, PostingKind.TRANSFER)


def job_of(posting: Any = Posting) -> Any:
    """Whose write-off it is: of the job that made it, or of the one of whose write-off it remained."""
    return func.coalesce(posting.job_id, posting.origin_job_id)


def standing(posting: Any = Posting) -> Any:
    """The condition on a posting that it is a write-off which nothing has reversed."""
    answered = exists().where(
        _REVERSAL.practice_id == posting.practice_id,
        _REVERSAL.claim_id == posting.claim_id,
        _REVERSAL.line == posting.line,
        _REVERSAL.reverses_id == posting.id,
    )
    return and_(posting.kind == PostingKind.WRITE_OFF, ~answered)


def take_back(
    session: Session,
    practice_id: int,
    posting_ids: Collection[int],
    *,
    claim_ids: Collection[int],
    user_id: int | None,
    now: dt.datetime,
    today: dt.date,
) -> int:
    """Take back what these postings, just made on `claim_ids`, lower too much; give by how many cents.

    Of several on one line and side only the last counts, because a claim's version allows one write-off.
    The caller holds the claims' locks, has held the postings' months, and brings up caches and versions.
    Raises `PeriodBusy`.
    """
    causes = _causes(session, practice_id, posting_ids, claim_ids)
    standing_at = _written_off(session, practice_id, causes) if causes else {}
    due = _dues(session, practice_id, claim_ids) if standing_at else {}
    taken = {place: _enough(standing_at[place], -due[place]) for place in standing_at if due[place] < 0}
    if not taken:
        return 0
    dated = _dates(session, practice_id, causes, taken, today=today)
    versions = _versions(session, practice_id, claim_ids)
    cents = 0
    for place, write_offs in taken.items():
        common = {
            "practice_id": practice_id, "claim_id": place[0], "line": place[1], "responsibility": place[2],
            "posted_on": dated[place], "created_at": now, "user_id": user_id, "caused_by_id": causes[place].id,
        }  # fmt: skip
        cents += _answer(session, write_offs, -due[place], versions[place[0]], common)
    return cents


def _enough(write_offs: list[_Standing], credit: int) -> list[_Standing]:
    """As many of them, the newest first, as the credit needs."""
    enough, covered = [], 0
    for write_off in reversed(write_offs):
        if covered >= credit:
            break
        enough.append(write_off)
        covered -= write_off.amount_cents
    return enough


def _answer(session: Session, write_offs: list[_Standing], credit: int, version: int, common: dict[str, Any]) -> int:
    """Reverse these, and post again what the credit leaves of the last."""
    stood = -sum(write_off.amount_cents for write_off in write_offs)
    remainder = max(0, stood - credit)
    for write_off in write_offs:
        answer = {
            "kind": PostingKind.REVERSAL, "amount_cents": -write_off.amount_cents, "reverses_id": write_off.id,
            "origin_job_id": write_off.job_id,
        }  # fmt: skip
        session.execute(insert(Posting).values(**common, **answer))
    if remainder:
        of = write_offs[-1]
        again = {
            "kind": PostingKind.WRITE_OFF, "amount_cents": -remainder, "claim_version": version,
            "write_off_reason": of.reason, "origin_job_id": of.job_id,
        }  # fmt: skip
        session.execute(insert(Posting).values(**common, **again))
    return stood - remainder


def _dates(
    session: Session,
    practice_id: int,
    causes: dict[_Place, Any],
    taken: dict[_Place, list[_Standing]],
    *,
    today: dt.date,
) -> dict[_Place, dt.date]:
    """The day of what is posted at each place, in months that stay open until the commit. Raises `PeriodBusy`."""
    closed = periods.closed_months(session, practice_id)
    while True:
        dated = {place: _dated(causes[place], taken[place], closed, today=today) for place in taken}
        closed_meanwhile = periods.hold(session, practice_id, set(dated.values()))
        if not closed_meanwhile:
            return dated
        closed |= closed_meanwhile


def _dated(cause: Any, write_offs: list[_Standing], closed: set[dt.date], *, today: dt.date) -> dt.date:
    """The date of the cause, but never before a write-off's own, and never in a closed month."""
    day = max(cause.posted_on, *(write_off.posted_on for write_off in write_offs))
    return day if periods.month_of(day) not in closed else periods.first_open(closed, max(day, today))


def _causes(
    session: Session, practice_id: int, posting_ids: Collection[int], claim_ids: Collection[int]
) -> dict[_Place, Any]:
    """What lowers a due, by line and side; of two on one, the later."""
    lowering = select(Posting.id, Posting.claim_id, Posting.line, Posting.responsibility, Posting.posted_on).where(
        Posting.practice_id == practice_id,
        Posting.claim_id.in_(claim_ids),
        Posting.id.in_(posting_ids),
        Posting.kind.in_(LOWERING),
        Posting.amount_cents < 0,
    )
    rows = session.execute(lowering.order_by(Posting.id))
    return {(row.claim_id, row.line, row.responsibility): row for row in rows}


def _written_off(session: Session, practice_id: int, places: Collection[_Place]) -> dict[_Place, list[_Standing]]:
    """The write-offs that stand on these lines and sides, the oldest first."""
    found = select(
        Posting.id, Posting.claim_id, Posting.line, Posting.responsibility, Posting.amount_cents,
        Posting.write_off_reason, Posting.posted_on, job_of(),
    ).where(
        Posting.practice_id == practice_id, Posting.claim_id.in_({place[0] for place in places}), standing()
    )  # fmt: skip
    by_place: dict[_Place, list[_Standing]] = {}
    for row in session.execute(found.order_by(Posting.id)):
        write_off = _Standing(*row)
        place = (write_off.claim_id, write_off.line, write_off.responsibility)
        if place in places:
            by_place.setdefault(place, []).append(write_off)
    return by_place


def _dues(session: Session, practice_id: int, claim_ids: Collection[int]) -> dict[_Place, int]:
    """What is due on each line and side, summed from the ledger."""
    sums = select(Posting.claim_id, Posting.line, Posting.responsibility, func.sum(Posting.amount_cents))
    of_claims = sums.where(Posting.practice_id == practice_id, Posting.claim_id.in_(claim_ids))
    rows = session.execute(of_claims.group_by(Posting.claim_id, Posting.line, Posting.responsibility))
    return {(claim_id, line, side): int(due) for claim_id, line, side, due in rows}


def _versions(session: Session, practice_id: int, claim_ids: Collection[int]) -> dict[int, int]:
    found = select(Claim.id, Claim.version).where(Claim.practice_id == practice_id, Claim.id.in_(claim_ids))
    return dict(session.execute(found).all())
