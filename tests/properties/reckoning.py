"""What is due and what stands written off on each line and side, and what of it postings by other hands must leave."""

from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple

from sqlalchemy import and_, func, select

from core.claims.models import Claim
from core.ledger import write_offs
from core.ledger.models import Posting
from tests.given import GivenPractice

Place = tuple[str, int, str]  # claim, line, responsibility
SIDES = ("insurance", "patient")


def other(side: str) -> str:
    """The other responsibility."""
    return SIDES[side == SIDES[0]]


class Books(NamedTuple):
    """Cents by place; where there is nothing, nothing stands."""

    due: Counter[Place]
    written_off: Counter[Place]


def read(practice: GivenPractice) -> Books:
    """As the ledger has it now."""
    of_claim = and_(Claim.practice_id == Posting.practice_id, Claim.id == Posting.claim_id)
    place = (Claim.external_id, Posting.line, Posting.responsibility)
    sums = select(
        *place, func.sum(Posting.amount_cents), -func.sum(Posting.amount_cents).filter(write_offs.standing())
    ).join_from(Posting, Claim, of_claim)
    due, written_off = Counter[Place](), Counter[Place]()
    with practice.sessions() as session:
        rows = session.execute(sums.where(Posting.practice_id == practice.id).group_by(*place))
        for number, line, side, owed, stands in rows:
            due[number, line, side.value] = int(owed)
            written_off[number, line, side.value] = int(stands or 0)
    return Books(due, written_off)


def posted(before: Books, moves: Iterable[tuple[Place, int]]) -> Books:
    """The books after these were posted: of what they lower too much, just enough is taken back, where there is any."""
    due, written_off = before.due.copy(), before.written_off.copy()
    lowered = set()
    for place, cents in moves:
        due[place] += cents
        if cents < 0:
            lowered.add(place)
    for place in lowered:
        taken_back = min(written_off[place], max(0, -due[place]))
        due[place] += taken_back
        written_off[place] -= taken_back
    return Books(due, written_off)


def moves(kind: str, place: Place, cents: int) -> list[tuple[Place, int]]:
    """What a payment, an adjustment, a refund or a transfer of so many cents does to the dues."""
    number, line, side = place
    match kind:
        case "refund":
            return [(place, cents)]
        case "transfer":
            return [(place, -cents), ((number, line, other(side)), cents)]
        case _:
            return [(place, -cents)]
