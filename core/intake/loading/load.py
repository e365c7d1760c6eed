"""Load filled stages into a practice: check, compare with existing rows, insert new ones, all or none."""

import datetime as dt
from dataclasses import dataclass, field
from typing import Final

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from core.access import audit
from core.access.audit import Subject
from core.books.closing import IMPORT_LOCK
from core.intake.loading import stages
from core.intake.loading.checks import Origins, check_staged
from core.intake.loading.closed_months import check_closed_months
from core.intake.loading.compare import delete_known_rows, report_differences
from core.intake.loading.insert import insert_claims, insert_reference_rows
from core.intake.loading.look_alike_ids import report_look_alikes
from core.intake.loading.summary import Summary, look_alikes, summarize
from core.intake.parsing.faults import Faults
from core.intake.parsing.folder import RowsRead

_COUNTED_STAGES: Final = (
    ("offices", stages.OFFICE),
    ("providers", stages.PROVIDER),
    ("payers", stages.PAYER),
    ("patients", stages.PATIENT),
    ("claims", stages.CLAIM),
    ("lines", stages.LINE),
    ("postings", stages.POSTING),
)


@dataclass(frozen=True)
class Imported:
    """The result of an import, by kind of row."""

    added: dict[str, int]
    already_there: dict[str, int]
    summary: Summary
    rows_read: dict[str, RowsRead] = field(default_factory=dict)  # by file
    left_out: int = 0  # claims without transactions, if skipping them was requested

    @property
    def nothing_new(self) -> bool:
        """Return whether every row already existed."""
        return not any(self.added.values())


def load(
    session: Session, practice_id: int, *, source: str, origins: Origins, faults: Faults, now: dt.datetime
) -> Imported:
    """Load the staged rows into the practice. Raise `ImportRefused` for any fault, earlier ones included.

    Only new claims are written, so no claim needs a lock. Two imports into one practice wait for each other, and so
    does a month-end close.
    """
    lock_imports(session, practice_id)
    stages.analyze(session, *(stage.name for _, stage in _COUNTED_STAGES))
    check_staged(session, practice_id, origins, faults)
    report_look_alikes(session, practice_id, origins, faults)
    faults.refuse_if_any()
    report_differences(session, practice_id, source, origins, faults)
    faults.refuse_if_any()
    staged = _counts(session)
    delete_known_rows(session, practice_id, source)
    check_closed_months(session, practice_id, origins, faults, now=now)
    faults.refuse_if_any()
    added = _counts(session)
    alike = look_alikes(session, practice_id)
    insert_reference_rows(session, practice_id)
    if any(added[kind] for kind in ("offices", "providers", "payers", "patients")):
        # Without statistics, PostgreSQL would scan the new patients once for each claim.
        stages.analyze(session, "office", "provider", "payer", "patient")
    insert_claims(session, practice_id, source=source, now=now)
    if added["claims"]:
        stages.analyze(session, "claim", "line_item", "posting")
    there = {kind: staged[kind] - added[kind] for kind in staged}
    done = Imported(added, there, summarize(session, practice_id, alike))
    if not done.nothing_new:
        subject = Subject.practice(practice_id)
        audit.record(session, "practice.imported", subject, by=None, now=now, source=source, **added)
    return done


def lock_imports(session: Session, practice_id: int) -> None:
    """Make other imports and month-end closes wait until the commit."""
    session.execute(select(func.pg_advisory_xact_lock(IMPORT_LOCK + practice_id)))


def _counts(session: Session) -> dict[str, int]:
    counts = (select(func.count()).select_from(stage).scalar_subquery().label(kind) for kind, stage in _COUNTED_STAGES)
    return dict(session.execute(select(*counts)).one()._mapping)
