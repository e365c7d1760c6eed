"""Unreversed write-offs by line and responsibility, and the amounts that later postings reversed."""

import datetime as dt
from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from typing import Any, Final

from sqlalchemy import Select, and_, exists, func, or_, select
from sqlalchemy.orm import Session, aliased

from core.enums.ledger import PostingKind, Responsibility, WriteOffReason
from core.models.job_items import JobItem
from core.models.jobs import SettleJob
from core.models.ledger import Posting

BalanceKey = tuple[int, int, Responsibility]  # claim, line, responsibility
_REVERSAL: Final = aliased(Posting, name="answer")
_ORIGINAL: Final = aliased(Posting, name="original")
_FULLY_REVERSED_CODE: Final = (
    "late_payment"  # code of the rule by which a reversal skips a claim with nothing left to reverse
)


@dataclass(frozen=True)
class WriteOff:
    """An unreversed write-off, or the reversed part of one."""

    claim_id: int
    line: int
    responsibility: Responsibility
    cents: int  # above zero
    reason: WriteOffReason | None
    posted_on: dt.date  # date of its posting, or of the reversal for a reversed part
    job_id: int | None  # the job that originally wrote it off
    id: int = 0  # only for an unreversed write-off

    @property
    def place(self) -> BalanceKey:
        """Return its claim, line and responsibility."""
        return self.claim_id, self.line, self.responsibility


def owning_job(posting: Any = Posting) -> Any:
    """Return the job that owns the write-off: the one that posted it, or the original of a re-posted remainder."""
    return func.coalesce(posting.job_id, posting.origin_job_id)


def is_reversed(posting: Any = Posting) -> Any:
    """Return, as SQL, whether a posting is reversed.

    A job or a later payment reverses a write-off. A void reverses any other posting.
    """
    return exists().where(
        _REVERSAL.practice_id == posting.practice_id,
        _REVERSAL.claim_id == posting.claim_id,
        _REVERSAL.line == posting.line,
        _REVERSAL.reverses_id == posting.id,
    )


def is_unreversed(posting: Any = Posting) -> Any:
    """Return, as SQL, whether a posting is an unreversed write-off."""
    return and_(posting.kind == PostingKind.WRITE_OFF, ~is_reversed(posting))


def unreversed_at(
    session: Session, practice_id: int, places: Collection[BalanceKey]
) -> dict[BalanceKey, list[WriteOff]]:
    """Return the unreversed write-offs at these places, oldest first."""
    if not places:
        return {}
    found = select(
        Posting.claim_id, Posting.line, Posting.responsibility, -Posting.amount_cents, Posting.write_off_reason,
        Posting.posted_on, owning_job(), Posting.id,
    ).where(
        Posting.practice_id == practice_id, Posting.claim_id.in_({place[0] for place in places}), is_unreversed()
    )  # fmt: skip
    return _by_place((WriteOff(*row) for row in session.execute(found.order_by(Posting.id))), places)


def restorable_at(
    session: Session, practice_id: int, places: Collection[BalanceKey]
) -> dict[BalanceKey, list[WriteOff]]:
    """Return what late postings reversed at these places and none has restored yet, oldest write-off last."""
    if not places:
        return {}
    claim_ids = {place[0] for place in places}
    original = and_(
        _ORIGINAL.practice_id == Posting.practice_id,
        _ORIGINAL.claim_id == Posting.claim_id,
        _ORIGINAL.line == Posting.line,
        _ORIGINAL.id == Posting.reverses_id,
    )
    found = (
        select(
            Posting.claim_id, Posting.line, Posting.responsibility, Posting.amount_cents,
            func.coalesce(Posting.write_off_reason, _ORIGINAL.write_off_reason), Posting.posted_on,
            Posting.origin_job_id, Posting.caused_by_id,
        )
        .outerjoin(_ORIGINAL, original)
        .where(
            Posting.practice_id == practice_id,
            Posting.claim_id.in_(claim_ids),
            # Leave out reversals by voids, because they do not affect write-offs.
            or_(Posting.kind == PostingKind.WRITE_OFF, _ORIGINAL.kind == PostingKind.WRITE_OFF),
        )
        .order_by(Posting.id)
    )  # fmt: skip
    stacks: dict[BalanceKey, list[WriteOff]] = {}
    for row in session.execute(found):
        posting = WriteOff(*row[:-1])
        stack = stacks.setdefault(posting.place, [])
        if row.caused_by_id is None:  # a job's own write-off or reversal: a new decision
            stack.clear()
        elif posting.cents > 0:
            stack.append(posting)
        else:
            _pop(stack, -posting.cents)
    of_claims = reversals_with_nothing_left(practice_id).where(JobItem.claim_id.in_(claim_ids))
    dropped = set(map(tuple, session.execute(of_claims))) if any(stacks.values()) else set()
    parts = (part for stack in stacks.values() for part in stack if (part.claim_id, part.job_id) not in dropped)
    return _by_place(parts, places)


def newest_covering(write_offs: list[WriteOff], credit: int) -> list[WriteOff]:
    """Return the newest write-offs that together cover the credit."""
    found, covered = [], 0
    for write_off in reversed(write_offs):
        if covered >= credit:
            break
        found.append(write_off)
        covered += write_off.cents
    return found


def take_last(parts: list[WriteOff], cents: int) -> list[WriteOff]:
    """Return the last parts, up to `cents`, with parts of the same job and reason merged."""
    found: list[WriteOff] = []
    for part in reversed(parts):
        taken = min(cents, part.cents)
        if not taken:
            break
        cents -= taken
        last = found[-1] if found else None
        if last and (last.job_id, last.reason) == (part.job_id, part.reason):
            found[-1] = replace(last, cents=last.cents + taken, posted_on=max(last.posted_on, part.posted_on))
        else:
            found.append(replace(part, cents=taken))
    return found


def _pop(stack: list[WriteOff], cents: int) -> None:
    """Remove `cents` from the end of the stack."""
    while cents and stack:
        part = stack.pop()
        if part.cents > cents:
            stack.append(replace(part, cents=part.cents - cents))
        cents -= min(cents, part.cents)


def _by_place(write_offs: Iterable[WriteOff], places: Collection[BalanceKey]) -> dict[BalanceKey, list[WriteOff]]:
    found: dict[BalanceKey, list[WriteOff]] = {}
    for write_off in write_offs:
        if write_off.place in places:
            found.setdefault(write_off.place, []).append(write_off)
    return found


def reversals_with_nothing_left(practice_id: int) -> Select[int, int | None]:
    """Return (claim, original job) where a reversal found nothing left. Those write-offs must not be restored."""
    of_reversal = and_(SettleJob.practice_id == JobItem.practice_id, SettleJob.id == JobItem.job_id)
    return (
        select(JobItem.claim_id, SettleJob.reverses_job_id)
        .join(SettleJob, of_reversal)
        .where(
            JobItem.practice_id == practice_id,
            JobItem.code == _FULLY_REVERSED_CODE,
            SettleJob.reverses_job_id.is_not(None),
            SettleJob.confirmed_at.is_not(None),
        )
    )
