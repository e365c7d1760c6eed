"""Find payments that look like duplicates. Both are posted, because two equal payments on one day do happen."""

import datetime as dt
from typing import NamedTuple

from sqlalchemy import and_, select
from sqlalchemy.orm import Session, aliased

from core.models.ledger import Posting


class PossibleDuplicate(NamedTuple):
    """A payment with the same line, payer, amount and date as the one just posted."""

    posting_id: int
    posted_on: dt.date


def find_possible_duplicate(session: Session, posting_id: int) -> PossibleDuplicate | None:
    """Return the last earlier payment that differs only in its id."""
    other = aliased(Posting)
    equal = ("practice_id", "claim_id", "line", "kind", "paid_by", "amount_cents", "posted_on")
    found = (
        select(other.id, other.posted_on)
        .join(Posting, and_(*(getattr(other, name) == getattr(Posting, name) for name in equal)))
        .where(Posting.id == posting_id, other.id < posting_id)
        .order_by(other.id.desc())
        .limit(1)
    )
    row = session.execute(found).one_or_none()
    return PossibleDuplicate(*row) if row else None
