"""Keep write-offs that an export already contains out of the next sent file, so that no user posts them twice."""

from sqlalchemy import func, insert, null, or_, select, tuple_
from sqlalchemy.orm import Session

from core.exports import postings, sent_files
from core.exports.postings import PostingsFilter
from core.intake.loading import stages
from core.intake.loading.due_postings import due_postings, totals_due
from core.models.claims import Claim
from core.models.exports import SentPosting
from core.models.ledger import Posting


def mark_returned(session: Session, practice_id: int, source: str, *, gives_totals: bool) -> None:
    """Mark the unsent write-offs and reversals on recognized claims as sent, in no file. Call it after `remember`.

    A line is not marked until the export repeats all write-offs on it. If the export repeats a claim's adjustments on
    other lines, the whole claim is marked. No write-off file can be sent until the commit.
    """
    sent_files.lock_unsent(session, practice_id)
    # Not from the staged claims: those that the practice already had were deleted from the stage.
    recognized = select(stages.RECOGNIZED.c.claim.label("external_id")).distinct()
    rows = due_postings(practice_id, source, recognized, gives_totals=gives_totals).cte("rows_due")
    due = totals_due(rows).cte("due")
    unpaid = select(due.c.claim).where(~due.c.paid)
    differs = unpaid.group_by(due.c.claim).having(func.sum(due.c.cents) != 0)
    on_line = unpaid.add_columns(due.c.line)
    found = postings.joined(select(*postings.SENT_VALUES.values(), null())).where(
        Claim.external_id.in_(recognized),
        or_(
            Claim.external_id.not_in(differs),
            tuple_(Claim.external_id, Posting.line).not_in(on_line),
        ),
    )
    columns = [*postings.SENT_VALUES, "file_id"]
    unsent = postings.narrowed(found, practice_id, PostingsFilter(unsent=True))
    session.execute(insert(SentPosting).from_select(columns, unsent))
