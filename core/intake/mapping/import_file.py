"""`settle import file`: import the office's own file through a mapping."""

from dataclasses import replace
from pathlib import Path
from typing import Final, Unpack

from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session

from core.counting import counted
from core.enums.claims import ClaimStatus
from core.enums.ledger import Responsibility
from core.intake.loading import stages
from core.intake.loading.additions import HoldBack
from core.intake.loading.import_run import ImportRequest, begin_import
from core.intake.loading.imported import Imported
from core.intake.loading.known_postings import Totals
from core.intake.loading.load import load
from core.intake.mapping.mapped_file import MappedFile
from core.intake.mapping.mapping import NO_CLAIM_STATUS, NO_DENIAL_DATE, Mapping
from core.intake.mapping.patient_names import take_newest_names, warn_of_names
from core.intake.mapping.renamed_patients import keep_made_numbers
from core.intake.mapping.stage_file import MADE_NUMBER, stage_file
from core.intake.mapping.targets import Field
from core.practices import practice_days

SOURCE: Final = "file"
_STATUSES: Final = ("primary_status", "secondary_status")
_IS_DENIED: Final = or_(*(stages.CLAIM.c[name] == ClaimStatus.ERA_DENIED.value for name in _STATUSES))


def import_file(session: Session, path: Path, mapping: Mapping, **request: Unpack[ImportRequest]) -> Imported:
    """Import the claims in the file, all or none. Create the practice if needed.

    Raise `BadMapping`, `NoSuchFile`, and what `import_csv` raises.
    """
    run = begin_import(session, SOURCE, request)
    today = practice_days.today(run.practice, now=run.now)
    file = MappedFile(path, mapping, today=today, faults=run.faults, progress=run.progress)
    stages.open_stages(session)
    origins = stage_file(session, file)
    has_status, has_denied = _claim_statuses(session)
    no_status = [] if has_status else [NO_CLAIM_STATUS]
    warnings = [*no_status, *(_denied_without_date(session) if has_denied else [])]
    unused_names = take_newest_names(session)
    if not mapping.has(Field.PATIENT):
        keep_made_numbers(session, run.practice_id, made=MADE_NUMBER)
    done = load(
        run, origins,
        totals=Totals(today, has_dates=mapping.has(Field.POSTING_DATE), has_charges=mapping.has(Field.CHARGE)),
        holds_back=HoldBack.TO_CORRECT if mapping.identifies_lines else HoldBack.ALL,
    )  # fmt: skip
    return replace(
        done, rows_read=file.rows_read, warnings=[*done.warnings, *warnings, *warn_of_names(session, unused_names)]
    )


def _claim_statuses(session: Session) -> tuple[bool, bool]:
    """Return whether the file gives any claim a payer's status, and whether it gives any claim a denial."""
    # A comparison with null is not true, so a missing status counts as none.
    given = or_(*(stages.CLAIM.c[name] != ClaimStatus.NONE.value for name in _STATUSES))
    counts = select(func.count().filter(given) > 0, func.count().filter(_IS_DENIED) > 0)
    has_status, has_denied = session.execute(counts.select_from(stages.CLAIM)).one()
    return has_status, has_denied


def _denied_without_date(session: Session) -> list[str]:
    """Return a warning if claims with an insurance balance are denied, but the file does not say since when.

    A job would write such a balance off while the office can still appeal.
    """
    claim, line = stages.CLAIM.c, stages.POSTING.c
    # Without statistics, the planner would expect one denied claim and search all postings for each.
    stages.analyze(session, stages.CLAIM.name)
    unprotected = (
        select(claim.external_id)
        .join_from(stages.CLAIM, stages.POSTING, line.claim == claim.external_id)
        .where(_IS_DENIED, claim.denied_on.is_(None), line.responsibility == Responsibility.INSURANCE.value)
        .group_by(claim.external_id)
        .having(func.sum(line.amount_cents) > 0)
        .subquery("unprotected")
    )
    found = session.scalars(select(func.count()).select_from(unprotected)).one()
    denied_claims, them = counted(found, "denied claim has", "denied claims have"), "it" if found == 1 else "them"
    cure = "Map a column with the denial date, or put a hold on the claims that you appeal."
    return [f"{denied_claims} {NO_DENIAL_DATE} {them}. {cure}"] if found else []
