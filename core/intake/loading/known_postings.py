"""Stage the postings that the practice already has from an import's source."""

import datetime as dt
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Enum, Text, and_, cast, exists, insert, literal, select, update
from sqlalchemy.orm import Session

from core.intake.loading import stages
from core.intake.loading.insert import STAGED_POSTING_COLUMNS
from core.intake.loading.redated import Redated, redate_closed_months
from core.models.claims import Claim
from core.models.ledger import Posting, PostingKind
from core.models.recognized_postings import RecognizedPosting
from core.practices import periods

CORRECTION: Final = "-correction-"  # in the id of a posting that corrects another one
KNOWN_COLUMNS: Final = ("source_id", "claim", *STAGED_POSTING_COLUMNS)


@dataclass(frozen=True)
class Totals:
    """The file gives totals for each line, not single postings."""

    today: dt.date  # in the practice's time zone
    has_dates: bool  # the file has posting dates
    has_charges: bool  # else it gives only balances, each of which is posted as a charge
    # Claims as they were sent: nothing in them says what was paid, adjusted or written off since.
    only_charges: bool = False


def find_known_postings(session: Session, practice_id: int, source: str) -> None:
    """Stage the practice's postings with a staged id, and those of staged claims. Others are irrelevant.

    A recognized posting has the values from the export that contained it.
    """
    of_recognized = (RecognizedPosting.practice_id == practice_id, RecognizedPosting.source == source)
    is_recognized = exists().where(*of_recognized, RecognizedPosting.source_id == Posting.source_id)
    of_posting = (Posting.practice_id == practice_id, Posting.source == source, ~is_recognized)
    is_staged_claim = exists().where(stages.CLAIM.c.external_id == Claim.external_id)
    for table, conditions in ((RecognizedPosting, of_recognized), (Posting, of_posting)):
        recognized = literal(value=table is RecognizedPosting)
        if not session.scalar(select(exists().where(*conditions))):
            continue
        columns = (_as_staged(getattr(table, name)) for name in STAGED_POSTING_COLUMNS)
        rows = (
            select(table.source_id, Claim.external_id, *columns, recognized)
            .join(Claim, and_(Claim.practice_id == table.practice_id, Claim.id == table.claim_id))
            .where(*conditions)
        )
        has_staged_id = exists().where(stages.POSTING.c.source_id == table.source_id)
        # Two statements, because each can use an index if the file is small.
        for picked in ((is_staged_claim,), (has_staged_id, ~is_staged_claim)):
            session.execute(
                insert(stages.KNOWN_POSTING).from_select([*KNOWN_COLUMNS, "recognized"], rows.where(*picked))
            )
    stages.analyze(session, stages.KNOWN_POSTING.name)


def date_postings(session: Session, practice_id: int, totals: Totals) -> list[Redated]:
    """Date the staged postings of a file that gives totals. Return the new ones that have a date in a closed month.

    A charge is dated its date of service. If the file has no posting dates, new postings on existing claims are dated
    today, and those on new claims on the date of service. Known postings keep the dates that the ledger has. New
    postings in a closed month are dated the first open day after it.
    """
    staged, known = stages.POSTING, stages.KNOWN_POSTING
    closed = periods.closed_months(session, practice_id)
    month = periods.month_of_column(staged.c.posted_on)
    same = known.c.source_id == staged.c.source_id
    is_new = ~exists().where(same)
    is_charge = staged.c.kind == PostingKind.CHARGE.value
    has_own_date = and_(literal(totals.has_dates), ~is_charge, month.not_in(closed))
    session.execute(update(staged).where(~has_own_date, same).values(posted_on=known.c.posted_on))
    if not totals.has_dates:
        exists_here = exists().where(Claim.practice_id == practice_id, Claim.external_id == staged.c.claim)
        session.execute(update(staged).where(is_new, ~is_charge, exists_here).values(posted_on=totals.today))
    return redate_closed_months(session, practice_id, is_new)


def _as_staged(column: Any) -> Any:
    return cast(column, Text) if isinstance(column.type, Enum) else column
