"""Keep write-offs in step with later payments.

The unreversed write-offs on a line and responsibility are the smaller of two sums: what jobs wrote off there, and the
balance without any write-off. Neither sum depends on the order of postings, so the balance does not either.

A posting that lowers the balance below zero reverses write-offs, newest first, until the credit is gone. The last one
is reversed in full, and its remainder is re-posted. A posting that raises the balance restores what earlier postings
reversed, oldest write-off first, and at most its own amount. If a job later wrote off or reversed something there,
nothing from before is restored, because the job decided on the balance again. What exceeds the write-offs is a credit.
"""

import datetime as dt
from collections.abc import Collection, Mapping
from typing import Any, Final, NamedTuple

from sqlalchemy import func, insert, select, update
from sqlalchemy.orm import Session

from core import calendar_months
from core.enums.ledger import PostingKind
from core.ledger import write_offs
from core.ledger.write_offs import BalanceKey, WriteOff
from core.models.claims import Claim
from core.models.ledger import Posting
from core.practices import periods


class WriteOffChanges(NamedTuple):
    """How much of earlier write-offs some postings reversed or restored."""

    late: int = 0  # postings that reversed a write-off, in whole or in part
    reversed_cents: int = 0
    restored_cents: int = 0

    def combined_with(self, other: "WriteOffChanges") -> "WriteOffChanges":
        """Add up two results."""
        return WriteOffChanges(*map(sum, zip(self, other, strict=True)))

    def facts(self) -> dict[str, int]:
        """Return the cents for an event."""
        return {
            "write_offs_reversed_cents": self.reversed_cents, "write_offs_restored_cents": self.restored_cents
        }  # fmt: skip


NO_CHANGES: Final = WriteOffChanges()
# A reversal that a user or program posts is a void.
BALANCE_CHANGING_KINDS: Final = (
    PostingKind.PAYMENT, PostingKind.ADJUSTMENT, PostingKind.TRANSFER, PostingKind.REVERSAL
)  # fmt: skip


def match_write_offs(
    session: Session,
    practice_id: int,
    posting_ids: Collection[int],
    *,
    claim_ids: Collection[int],
    user_id: int | None,
    now: dt.datetime,
    today: dt.date,
) -> WriteOffChanges:
    """Reverse or restore write-offs to match the balances after these postings, just made on `claim_ids`.

    Pass at most one posting for each line and responsibility; if there are more, only the last one counts. The caller
    has locked the claims and the postings' months, and refreshes balances and versions. Raise `PeriodBusy`.
    """
    causes = _causes(session, practice_id, posting_ids, claim_ids)
    touched = {claim_id for claim_id, _, _ in causes}
    due = _balances(session, practice_id, touched) if causes else {}
    lowered = {place for place, cause in causes.items() if cause.amount_cents < 0 and due[place] < 0}
    raised = {place for place, cause in causes.items() if cause.amount_cents > 0 and due[place] > 0}
    reversing = {
        place: write_offs.newest_covering(standing, -due[place])
        for place, standing in write_offs.unreversed_at(session, practice_id, lowered).items()
    }
    restoring = {
        place: write_offs.take_last(parts, min(due[place], causes[place].amount_cents))
        for place, parts in write_offs.restorable_at(session, practice_id, raised).items()
    }
    if not reversing and not restoring:
        return WriteOffChanges()
    dated = _dates(session, practice_id, causes, {**reversing, **restoring}, today=today)
    versions = _versions(session, practice_id, {place[0] for place in dated})

    def common(place: BalanceKey) -> dict[str, Any]:
        return {
            "practice_id": practice_id, "claim_id": place[0], "line": place[1], "responsibility": place[2],
            "posted_on": dated[place], "created_at": now, "user_id": user_id, "caused_by_id": causes[place].id,
        }  # fmt: skip

    cents = sum(
        _reverse(session, standing, -due[place], versions[place[0]], common(place))
        for place, standing in reversing.items()
    )
    for place, parts in restoring.items():
        for nth, part in enumerate(parts):
            _repost_write_off(session, part, part.cents, versions[place[0]] + nth, common(place))
    _raise_versions(session, practice_id, restoring)
    return WriteOffChanges(len(reversing), cents, sum(part.cents for parts in restoring.values() for part in parts))


def _reverse(session: Session, standing: list[WriteOff], credit: int, version: int, common: dict[str, Any]) -> int:
    """Reverse these write-offs and re-post what exceeds the credit. Return the net reversed cents."""
    stood = sum(write_off.cents for write_off in standing)
    remainder = max(0, stood - credit)
    for write_off in standing:
        answer = {
            "kind": PostingKind.REVERSAL, "amount_cents": write_off.cents, "reverses_id": write_off.id,
            "origin_job_id": write_off.job_id,
        }  # fmt: skip
        session.execute(insert(Posting).values(**common, **answer))
    if remainder:
        _repost_write_off(session, standing[-1], remainder, version, common)
    return stood - remainder


def _repost_write_off(session: Session, of: WriteOff, cents: int, version: int, common: dict[str, Any]) -> None:
    """Re-post this amount of the write-off, under its own reason and job."""
    again = {
        "kind": PostingKind.WRITE_OFF, "amount_cents": -cents, "claim_version": version,
        "write_off_reason": of.reason, "origin_job_id": of.job_id,
    }  # fmt: skip
    session.execute(insert(Posting).values(**common, **again))


def _raise_versions(session: Session, practice_id: int, restoring: Mapping[BalanceKey, list[WriteOff]]) -> None:
    """Raise the version of each claim that had write-offs from several jobs restored for one line and responsibility.

    A version allows one write-off for each line and responsibility. The caller raises the version for the first one.
    """
    more: dict[int, int] = {}
    for (claim_id, _, _), parts in restoring.items():
        more[claim_id] = max(more.get(claim_id, 0), len(parts) - 1)
    for claim_id, versions in more.items():
        if versions:
            raised = update(Claim).where(Claim.practice_id == practice_id, Claim.id == claim_id)
            session.execute(raised.values(version=Claim.version + versions))


def _dates(
    session: Session,
    practice_id: int,
    causes: Mapping[BalanceKey, Any],
    moved: Mapping[BalanceKey, list[WriteOff]],
    *,
    today: dt.date,
) -> dict[BalanceKey, dt.date]:
    """Return the posting date at each place, in open months that stay locked until commit. Raise `PeriodBusy`."""
    closed = periods.closed_months(session, practice_id)
    while True:
        dated = {place: _posting_date(causes[place], moved[place], closed, today=today) for place in moved}
        closed_meanwhile = periods.lock_months(session, practice_id, set(dated.values()))
        if not closed_meanwhile:
            return dated
        closed |= closed_meanwhile


def _posting_date(cause: Any, moved: list[WriteOff], closed: set[dt.date], *, today: dt.date) -> dt.date:
    """Return the date of the cause, but no earlier than a write-off and not in a closed month."""
    day = max(cause.posted_on, *(one.posted_on for one in moved))
    return day if calendar_months.month_of(day) not in closed else periods.first_open_date(closed, max(day, today))


def _causes(
    session: Session, practice_id: int, posting_ids: Collection[int], claim_ids: Collection[int]
) -> dict[BalanceKey, Any]:
    """Return, by claim, line and responsibility, the last of the postings that may reverse or restore write-offs."""
    columns = (Posting.id, Posting.claim_id, Posting.line, Posting.responsibility, Posting.posted_on)
    moving = select(*columns, Posting.amount_cents).where(
        Posting.practice_id == practice_id,
        Posting.claim_id.in_(claim_ids),
        Posting.id.in_(posting_ids),
        Posting.kind.in_(BALANCE_CHANGING_KINDS),
    )
    rows = session.execute(moving.order_by(Posting.id))
    return {(row.claim_id, row.line, row.responsibility): row for row in rows}


def _balances(session: Session, practice_id: int, claim_ids: Collection[int]) -> dict[BalanceKey, int]:
    """Return the balance of each line and responsibility, summed from the ledger."""
    sums = select(Posting.claim_id, Posting.line, Posting.responsibility, func.sum(Posting.amount_cents))
    of_claims = sums.where(Posting.practice_id == practice_id, Posting.claim_id.in_(claim_ids))
    rows = session.execute(of_claims.group_by(Posting.claim_id, Posting.line, Posting.responsibility))
    return {(claim_id, line, side): int(due) for claim_id, line, side, due in rows}


def _versions(session: Session, practice_id: int, claim_ids: Collection[int]) -> dict[int, int]:
    found = select(Claim.id, Claim.version).where(Claim.practice_id == practice_id, Claim.id.in_(claim_ids))
    return dict(session.execute(found).all())
