"""`settle import csv`: import the documented format into a practice."""

import datetime as dt
from dataclasses import replace
from pathlib import Path
from typing import Final

from sqlalchemy import Text, cast, insert, literal, select
from sqlalchemy.orm import Session

from core.access.permissions import Action, Actor
from core.intake.csv import csv_format
from core.intake.loading import stages
from core.intake.loading.formula_escapes import unescape_formulas
from core.intake.loading.imported import AS_NEW, Imported, ImportOptions
from core.intake.loading.load import load
from core.intake.parsing.faults import Faults
from core.intake.parsing.folder import Folder, Progress
from core.models.ledger import PostingKind
from core.practices.create import find_or_create_practice

SOURCE: Final = "csv"
_FILES: Final = (
    (csv_format.BILLING_STATUSES, stages.BILLING_STATUS),
    (csv_format.OFFICES, stages.OFFICE),
    (csv_format.PROVIDERS, stages.PROVIDER),
    (csv_format.PAYERS, stages.PAYER),
    (csv_format.PATIENTS, stages.PATIENT),
    (csv_format.CLAIMS, stages.CLAIM),
    (csv_format.LINE_ITEMS, stages.CHARGED_LINE),
    (csv_format.POSTINGS, stages.POSTING),
)


def import_csv(
    session: Session,
    path: Path,
    *,
    practice_name: str,
    time_zone: str | None = None,
    now: dt.datetime,
    by: Actor | None = None,
    options: ImportOptions = AS_NEW,
    faults: Faults | None = None,
    progress: Progress | None = None,
) -> Imported:
    """Import the claims in the folder `path`, all or none, for user `by`. Create the practice if needed.

    `by` is None for the command line. Raise `ImportRefused` with every mistake, `NoSuchFolder`, `NotAllowed`,
    `ExpectedTotalDiffers`, and what `find_or_create_practice` raises.
    """
    if by is not None:
        by.require(Action.IMPORT)
    folder = Folder(path, csv_format.FORMATS, faults=faults, progress=progress)
    practice_id = find_or_create_practice(session, name=practice_name, time_zone=time_zone, now=now)
    stages.open_stages(session)
    for file, stage in _FILES:
        stages.copy_text(session, stage, folder.copy_text(file))
    folder.refuse_if_rows_lost()
    folder.say("checking and loading")
    unescape_formulas(session, practice_id)
    _split_charged_lines(session)
    done = load(
        session, practice_id, source=SOURCE, origins=csv_format.ORIGINS, faults=folder.faults, by=by, now=now,
        options=options,
    )  # fmt: skip
    return replace(done, rows_read=folder.rows_read)


def _split_charged_lines(session: Session) -> None:
    """Split each charged line into the line and its charge, which is posted on the claim's date of service.

    A charge of 0.00 is not posted.
    """
    charged, claim, posting = stages.CHARGED_LINE, stages.CLAIM, stages.POSTING
    lines = select(charged.c.at, charged.c.claim, charged.c.number, charged.c.procedure_code)
    session.execute(insert(stages.LINE).from_select(["at", "claim", "number", "procedure_code"], lines))
    charges = (
        select(
            charged.c.at,
            literal("charge:") + charged.c.claim + literal(":") + cast(charged.c.number, Text),
            charged.c.claim,
            charged.c.number,
            charged.c.responsibility,
            literal(PostingKind.CHARGE.value),
            charged.c.charge,
            claim.c.service_date,
        )
        .join(claim, claim.c.external_id == charged.c.claim)
        .where(charged.c.charge > 0)
    )
    columns = ["at", "source_id", "claim", "line", "responsibility", "kind", "amount_cents", "posted_on"]
    session.execute(insert(posting).from_select(columns, charges))
