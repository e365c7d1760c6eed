"""`settle import postings`: post payments, refunds, adjustments and transfers on existing claims.

All or none. The posting id tells a new posting from an existing one. Write-offs are adjusted as for any other posting.
"""

import datetime as dt
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from sqlalchemy import and_, delete, exists, func, select
from sqlalchemy.orm import Session

from core.access import audit
from core.access.permissions import Action, Actor
from core.enums.notices import EventKind
from core.intake.csv import csv_format
from core.intake.csv.csv_import import SOURCE
from core.intake.loading import stages
from core.intake.loading.checks import Origin, Origins, first_faulty_rows
from core.intake.loading.closed_months import report_postings_in_months, staged_months
from core.intake.loading.compare import report_changed_postings
from core.intake.loading.duplicates import add_duplicates
from core.intake.loading.formula_escapes import unescape_formulas
from core.intake.loading.known_postings import find_known_postings
from core.intake.loading.load import lock_imports
from core.intake.loading.near_matches import NEAR_MATCH_CURES, near_match
from core.intake.loading.post_rows import (
    lock_claims,
    lowering_facts,
    post_staged_rows,
    report_future_rows,
    report_rows_over_limit,
)
from core.intake.loading.staged_checks import add_transfers_that_lose_money
from core.intake.loading.summary import Summary, look_alikes, summarize
from core.intake.parsing.faults import Faults
from core.intake.parsing.folder import Folder, Progress, RowsRead
from core.ledger.late_payments import WriteOffChanges
from core.models.claims import Claim, LineItem
from core.models.practices import Practice
from core.notices.record import tell_webhooks
from core.practices import periods, practice_queries

_STAGE: Final = stages.POSTING


@dataclass(frozen=True)
class ImportedPostings:
    """The result of an import of postings."""

    added: int
    already_there: int
    moved: WriteOffChanges  # write-offs that were reversed or restored
    summary: Summary
    rows_read: dict[str, RowsRead] = field(default_factory=dict)  # by file


def import_postings(
    session: Session,
    path: Path,
    *,
    practice_name: str,
    by: Actor | None = None,
    now: dt.datetime,
    faults: Faults | None = None,
    progress: Progress | None = None,
) -> ImportedPostings:
    """Post the rows of the file `path` on the practice's claims. `by` is None for the command line.

    Raise `NoSuchPractice`, `NotAllowed`, `NoSuchFolder`, and `ImportRefused` with every mistake.
    """
    practice = practice_queries.find_by_name(session, practice_name)
    if by is not None:
        by.require(Action.POST)
    file = replace(csv_format.POSTINGS, name=path.name)
    folder = Folder(path.parent, (file,), faults=faults, progress=progress)
    stages.open_stages(session, stages.CHARGED_LINE)
    stages.copy_text(session, _STAGE, folder.copy_text(file))
    folder.refuse_if_rows_lost()
    folder.say("checking and posting")
    unescape_formulas(session, practice.id)
    origins: Origins = {_STAGE: Origin(file.name, csv_format.ORIGINS[_STAGE].columns)}
    lock_imports(session, practice.id)
    stages.analyze(session, _STAGE.name)
    staged, added = _check(session, practice, origins, folder.faults, by=by, now=now)
    alike = look_alikes(session, practice.id)
    lowering = lowering_facts(session, practice, by=by, now=now) if added else {}
    moved = post_staged_rows(session, practice, source=SOURCE, by=by, now=now) if added else WriteOffChanges()
    done = ImportedPostings(added, staged - added, moved, summarize(session, practice.id, alike), folder.rows_read)
    if added:
        audit.record(session, "postings.imported", practice, by=by, now=now, added=added, late=moved.late, **lowering)
        counts = {"claims": 0, "lines": 0, "postings": added, "on_existing_claims": added}
        facts = {"source": SOURCE, **counts, **moved.facts()}
        tell_webhooks(session, EventKind.POSTINGS_IMPORTED, facts, practice_id=practice.id, now=now)
    return done


def _check(
    session: Session, practice: Practice, origins: Origins, faults: Faults, *, by: Actor | None, now: dt.datetime
) -> tuple[int, int]:
    """Check the rows, drop known ones, and lock claims and months.

    Return how many rows were staged and how many are new.
    """
    add_duplicates(session, _STAGE, ("source_id",), origins[_STAGE], faults)
    _add_unknown(session, practice.id, origins, faults)
    find_known_postings(session, practice.id, SOURCE)
    report_changed_postings(session, origins, faults)
    faults.refuse_if_any()
    staged = _count(session)
    known = exists().where(stages.KNOWN_POSTING.c.source_id == _STAGE.c.source_id)
    session.execute(delete(_STAGE).where(known))
    add_transfers_that_lose_money(session, origins, faults)
    report_future_rows(session, practice, origins, faults, now=now)
    lock_claims(session, practice.id, exists().where(_STAGE.c.claim == Claim.external_id))
    closed = periods.lock_and_list_closed(session, practice.id, staged_months(session))
    report_postings_in_months(session, practice.id, closed, origins, faults)
    if by is not None:
        report_rows_over_limit(session, practice, origins, faults, by=by, now=now)
    faults.refuse_if_any()
    return staged, _count(session)


def _count(session: Session) -> int:
    return session.scalars(select(func.count()).select_from(_STAGE)).one()


def _add_unknown(session: Session, practice_id: int, origins: Origins, faults: Faults) -> None:
    """Add faults for rows whose claim or line is not in the practice."""
    staged = _STAGE.c
    of_claim = (Claim.practice_id == practice_id, Claim.external_id == staged.claim)
    of_line = and_(LineItem.practice_id == practice_id, LineItem.claim_id == Claim.id, LineItem.number == staged.line)
    hint = near_match(staged.claim, select(Claim.external_id).where(Claim.practice_id == practice_id))
    no_claim = select(staged.at, staged.kind, staged.claim.label("value"), hint).where(
        staged.claim.is_not(None), ~exists().where(*of_claim)
    )
    for row in first_faulty_rows(session, no_claim, "hint", faults=faults):
        cure = "the practice does not have this claim; " + (
            NEAR_MATCH_CURES[row.hint] if row.hint else "import it first"
        )
        faults.add(origins[_STAGE].fault(row, "claim", row.value, cure), times=row.times)
    no_line = select(staged.at, staged.kind, staged.claim, staged.line).where(
        staged.line.is_not(None), exists().where(*of_claim), ~exists().where(*of_claim, of_line)
    )
    for lost in first_faulty_rows(session, no_line, faults=faults):
        cure = "the claim does not have this line, and a postings import cannot add one"
        faults.add(origins[_STAGE].fault(lost, "line", f"{lost.claim} / {lost.line}", cure), times=lost.times)
