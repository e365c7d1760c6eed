"""Stage the postings that the practice already has from an import's source."""

from typing import Any, Final

from sqlalchemy import Enum, Text, and_, cast, exists, insert, select
from sqlalchemy.orm import Session

from core.intake.loading import stages
from core.intake.loading.insert import STAGED_POSTING_COLUMNS
from core.models.claims import Claim
from core.models.ledger import Posting
from core.models.recognized_postings import RecognizedPosting

KNOWN_COLUMNS: Final = ("source_id", "claim", *STAGED_POSTING_COLUMNS)


def find_known_postings(session: Session, practice_id: int, source: str) -> None:
    """Stage the practice's postings with a staged id, and those of staged claims. Others cannot matter.

    A recognized posting has the values from the export that it came with.
    """
    of_recognized = (RecognizedPosting.practice_id == practice_id, RecognizedPosting.source == source)
    is_recognized = exists().where(*of_recognized, RecognizedPosting.source_id == Posting.source_id)
    of_posting = (Posting.practice_id == practice_id, Posting.source == source, ~is_recognized)
    is_staged_claim = exists().where(stages.CLAIM.c.external_id == Claim.external_id)
    for table, conditions in ((RecognizedPosting, of_recognized), (Posting, of_posting)):
        if not session.scalar(select(exists().where(*conditions))):
            continue
        columns = (_as_staged(getattr(table, name)) for name in STAGED_POSTING_COLUMNS)
        rows = (
            select(table.source_id, Claim.external_id, *columns)
            .join(Claim, and_(Claim.practice_id == table.practice_id, Claim.id == table.claim_id))
            .where(*conditions)
        )
        has_staged_id = exists().where(stages.POSTING.c.source_id == table.source_id)
        # Two statements, because each is found by an index if the file is small.
        for picked in ((is_staged_claim,), (has_staged_id, ~is_staged_claim)):
            session.execute(insert(stages.KNOWN_POSTING).from_select(KNOWN_COLUMNS, rows.where(*picked)))
    stages.analyze(session, stages.KNOWN_POSTING.name)


def _as_staged(column: Any) -> Any:
    return cast(column, Text) if isinstance(column.type, Enum) else column
