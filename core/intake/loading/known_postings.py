"""Stage the postings that the practice already has from an import's source."""

import datetime as dt
from typing import Any, Final

from sqlalchemy import Enum, Text, and_, cast, exists, insert, literal, select, update
from sqlalchemy.orm import Session

from core.intake.loading import stages
from core.intake.loading.insert import STAGED_POSTING_COLUMNS
from core.models.claims import Claim
from core.models.ledger import Posting, PostingKind
from core.models.recognized_postings import RecognizedPosting

CORRECTION: Final = "-correction-"  # in the id of a posting that corrects another one
KNOWN_COLUMNS: Final = ("source_id", "claim", *STAGED_POSTING_COLUMNS)


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


def date_as_known(session: Session, practice_id: int, *, today: dt.date) -> None:
    """Give the staged postings of a file without posting dates the dates that the ledger has, and new ones `today`.

    A charge keeps its date of service. The postings of a new claim do too, because they are older than today.
    """
    staged, known = stages.POSTING, stages.KNOWN_POSTING
    same = known.c.source_id == staged.c.source_id
    is_charge = staged.c.kind == PostingKind.CHARGE.value
    dated = update(staged).where(~is_charge, same)
    session.execute(dated.values(posted_on=known.c.posted_on))
    exists_here = exists().where(Claim.practice_id == practice_id, Claim.external_id == staged.c.claim)
    new = update(staged).where(~is_charge, exists_here, ~exists().where(same))
    session.execute(new.values(posted_on=today))


def _as_staged(column: Any) -> Any:
    return cast(column, Text) if isinstance(column.type, Enum) else column
