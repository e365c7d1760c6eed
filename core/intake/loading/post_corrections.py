"""Stage the postings that correct changed postings, if the user wants them posted with the import."""

import datetime as dt
from typing import Final

from sqlalchemy.orm import Session

from core.intake.loading import stages
from core.intake.loading.checks import Origins
from core.intake.loading.corrections import Correction, all_corrections
from core.intake.loading.recognize import know_recognized
from core.models.ledger import PostingKind

_STAGE: Final = stages.POSTING


def stage_corrections(
    session: Session, practice_id: int, source: str, origins: Origins, *, today: dt.date, is_dated: bool
) -> int:
    """Stage the correcting postings and return their number. The corrected ones count as known with their new values.

    A correction is dated as in the file, or `today` if the file has no posting dates or it corrects a charge.
    """
    found = [one for one in all_corrections(session, practice_id, source, origins) if one.postings]
    rows = [(one, number) for one in found for number in range(len(one.postings))]
    stages.copy_rows(session, _STAGE, (_staged(one, number, today, is_dated=is_dated) for one, number in rows))
    stages.copy_rows(session, stages.RECOGNIZED, (_as_known(one) for one in found))
    know_recognized(session)
    return len(rows)


def _staged(one: Correction, number: int, today: dt.date, *, is_dated: bool) -> tuple[object, ...]:
    entry = one.postings[number]
    keeps_date = is_dated and one.old.kind != PostingKind.CHARGE
    return (
        one.line_of_file or 0, one.ids[number], one.claim_id, *entry[:-1],
        dt.date.fromisoformat(entry.posted_on) if keeps_date else today,
    )  # fmt: skip


def _as_known(one: Correction) -> tuple[object, ...]:
    entry = one.old._replace(amount_cents=0) if one.new is None else one.new
    return None, one.posting_id, one.claim_id, *entry[:-1], dt.date.fromisoformat(entry.posted_on)
