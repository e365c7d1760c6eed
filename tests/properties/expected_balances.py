"""Expected balances and unreversed write-offs of each line and responsibility, and what later postings change."""

from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple

from sqlalchemy import and_, func, select

from core.ledger import write_offs
from core.models.claims import Claim
from core.models.ledger import Posting
from tests.factories import GivenPractice

Place = tuple[str, int, str]  # claim, line, responsibility
SIDES = ("insurance", "patient")


def other(side: str) -> str:
    """The other responsibility."""
    return SIDES[side == SIDES[0]]


class Books(NamedTuple):
    """Cents by line and responsibility; a missing key is zero."""

    due: Counter[Place]
    written_off: Counter[Place]
    restorable: Counter[Place]  # what late postings reversed and a takeback would restore


def read(practice: GivenPractice) -> Books:
    """Return the books as the ledger has them now."""
    of_claim = and_(Claim.practice_id == Posting.practice_id, Claim.id == Posting.claim_id)
    place = (Claim.external_id, Posting.line, Posting.responsibility)
    sums = select(
        *place, Claim.id, func.sum(Posting.amount_cents),
        -func.sum(Posting.amount_cents).filter(write_offs.is_unreversed()),
    ).join_from(Posting, Claim, of_claim)  # fmt: skip
    books = Books(Counter(), Counter(), Counter())
    with practice.sessions() as session:
        rows = session.execute(sums.where(Posting.practice_id == practice.id).group_by(*place, Claim.id)).all()
        inside = {(row.id, row.line, row.responsibility): (row.external_id, row.line, row[2].value) for row in rows}
        for number, line, side, _, balance, unreversed in rows:
            books.due[number, line, side.value] = int(balance)
            books.written_off[number, line, side.value] = int(unreversed or 0)
        for where, parts in write_offs.restorable_at(session, practice.id, inside).items():
            books.restorable[inside[where]] = sum(part.cents for part in parts)
    return books


def posted(before: Books, moves: Iterable[tuple[Place, int]]) -> Books:
    """Return the books after these postings, one by one, with the write-offs that they reverse or restore."""
    due, written_off, restorable = (cents.copy() for cents in before)
    for place, cents in moves:
        due[place] += cents
        if cents < 0:
            change = -min(written_off[place], max(0, -due[place]))
        else:
            change = min(restorable[place], max(0, due[place]), cents)
        due[place] -= change
        written_off[place] += change
        restorable[place] -= change
    return Books(due, written_off, restorable)


def moves(kind: str, place: Place, cents: int) -> list[tuple[Place, int]]:
    """Return the balance changes of a payment, adjustment, refund or transfer of the given cents."""
    number, line, side = place
    match kind:
        case "refund":
            return [(place, cents)]
        case "transfer":
            return [(place, -cents), ((number, line, other(side)), cents)]
        case _:
            return [(place, -cents)]
