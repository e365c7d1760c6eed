"""Stage the postings that the practice already has from an import's source."""

import datetime as dt
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from sqlalchemy import Enum, Text, and_, cast, exists, insert, literal, select, union_all, update
from sqlalchemy.orm import Session

from core.enums.ledger import PostingKind
from core.intake.loading import stages
from core.intake.loading.checks import has_rows
from core.intake.loading.insert import STAGED_POSTING_COLUMNS
from core.intake.loading.redated import Redated, redate_closed_months
from core.models.claims import Claim
from core.models.ledger import Posting
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


class Known(NamedTuple):
    """Whether the practice already has any of the staged claims and postings. If not, there is nothing to compare."""

    claims: bool
    postings: bool


def find_known(session: Session, practice_id: int) -> Known:
    """Return what the practice has. Call `find_known_postings` first."""
    named = union_all(select(stages.CLAIM.c.external_id), select(stages.POSTING.c.claim))
    claims = select(Claim.id).where(Claim.practice_id == practice_id, Claim.external_id.in_(named))
    return Known(*session.execute(select(has_rows(claims), exists(select(stages.KNOWN_POSTING)))).one())


def find_known_postings(session: Session, practice_id: int, source: str) -> None:
    """Stage the practice's postings with a staged id, and those of staged claims. Others are irrelevant.

    A recognized posting has the values from the export that contained it.
    """
    of_recognized = (RecognizedPosting.practice_id == practice_id, RecognizedPosting.source == source)
    is_recognized = exists().where(*of_recognized, RecognizedPosting.source_id == Posting.source_id)
    of_posting = (Posting.practice_id == practice_id, Posting.source == source, ~is_recognized)
    is_staged_claim = exists().where(stages.CLAIM.c.external_id == Claim.external_id)
    both: tuple[tuple[Any, Any], ...] = ((RecognizedPosting, of_recognized), (Posting, of_posting))
    found = session.execute(select(*(exists().where(*conditions) for _, conditions in both))).one()
    for (table, conditions), has_some in zip(both, found, strict=True):
        recognized = literal(value=table is RecognizedPosting)
        if not has_some:
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
    if any(found):
        stages.analyze(session, stages.KNOWN_POSTING.name)


def date_postings(
    session: Session, practice_id: int, totals: Totals, known: Known, closed: Collection[dt.date]
) -> list[Redated]:
    """Date the staged postings of a file that gives totals. Return the new ones that have a date in a closed month.

    A charge is dated its date of service. If the file has no posting dates, new postings on existing claims are dated
    today, and those on new claims on the date of service. Known postings keep the dates that the ledger has. New
    postings in a closed month are dated the first open day after it.
    """
    staged, before = stages.POSTING, stages.KNOWN_POSTING
    month = periods.month_of_column(staged.c.posted_on)
    same = before.c.source_id == staged.c.source_id
    is_new = ~exists().where(same)
    is_charge = staged.c.kind == PostingKind.CHARGE.value
    has_own_date = and_(literal(totals.has_dates), ~is_charge, month.not_in(closed))
    if known.postings:
        session.execute(update(staged).where(~has_own_date, same).values(posted_on=before.c.posted_on))
    if known.claims and not totals.has_dates:
        exists_here = exists().where(Claim.practice_id == practice_id, Claim.external_id == staged.c.claim)
        session.execute(update(staged).where(is_new, ~is_charge, exists_here).values(posted_on=totals.today))
    return redate_closed_months(session, closed, is_new)


def _as_staged(column: Any) -> Any:
    return cast(column, Text) if isinstance(column.type, Enum) else column
