"""Stage the postings that correct changed postings, if the user wants them posted with the import."""

import datetime as dt
from itertools import count
from typing import Final

from sqlalchemy import ARRAY, Text, any_, delete, literal, select
from sqlalchemy.orm import Session

from core.intake.loading import stages
from core.intake.loading.checks import Origins
from core.intake.loading.corrections import Correction, Dating, all_corrections
from core.intake.loading.known_postings import CORRECTION
from core.intake.loading.recognize import know_recognized

_STAGE: Final = stages.POSTING


def stage_corrections(session: Session, origins: Origins, dating: Dating) -> int:
    """Stage the correcting postings and return their number. Corrected postings are then known by their new values."""
    found = [one for one in all_corrections(session, origins, dating) if one.postings]
    rows = [(one, number) for one in found for number in range(len(one.postings))]
    corrects = stages.KNOWN_POSTING.c.source_id.contains(CORRECTION)
    taken = set(session.scalars(select(stages.KNOWN_POSTING.c.source_id).where(corrects)))
    ids = [_free_id(one.ids[number], taken) for one, number in rows]
    staged = (_staged(one, number, id_) for (one, number), id_ in zip(rows, ids, strict=True))
    stages.copy_rows(session, _STAGE, staged)
    # A posting that was recognized in part is now known by its values in the file.
    corrected = any_(literal([one.posting_id for one in found], ARRAY(Text)))
    session.execute(delete(stages.RECOGNIZED).where(stages.RECOGNIZED.c.source_id == corrected))
    stages.copy_rows(session, stages.RECOGNIZED, (_as_known(one) for one in found))
    know_recognized(session)
    return len(rows)


def _free_id(wanted: str, taken: set[str]) -> str:
    """Return the id, or a variant if it is taken, because a total returned to an earlier value."""
    return next(id_ for n in count(1) if (id_ := wanted if n == 1 else f"{wanted}-{n}") not in taken)


def _staged(one: Correction, number: int, id_: str) -> tuple[object, ...]:
    entry = one.postings[number]
    return one.line_of_file or 0, id_, one.claim_id, *entry[:-1], dt.date.fromisoformat(entry.posted_on)


def _as_known(one: Correction) -> tuple[object, ...]:
    entry = one.old._replace(amount_cents=0) if one.new is None else one.new
    return None, one.posting_id, one.claim_id, *entry[:-1], dt.date.fromisoformat(entry.posted_on)
