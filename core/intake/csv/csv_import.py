"""`settle import csv`: import the documented format into a practice."""

from dataclasses import replace
from pathlib import Path
from typing import Final, Unpack

from sqlalchemy import Text, cast, insert, literal, select
from sqlalchemy.orm import Session

from core.enums.ledger import PostingKind
from core.intake.csv import csv_format
from core.intake.loading import stages
from core.intake.loading.formula_escapes import unescape_formulas
from core.intake.loading.import_run import ImportRequest, begin_import
from core.intake.loading.imported import Imported
from core.intake.loading.load import load
from core.intake.parsing.folder import Folder

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


def import_csv(session: Session, path: Path, **request: Unpack[ImportRequest]) -> Imported:
    """Import the claims in the folder `path`, all or none, for user `by`. Create the practice if needed.

    Raise `ImportRefused` with every mistake, `NoSuchFolder`, `NotAllowed`,
    `ExpectedTotalDiffers`, and what `find_or_create_practice` raises.
    """
    run = begin_import(session, SOURCE, request)
    folder = Folder(path, csv_format.FORMATS, faults=run.faults, progress=run.progress)
    stages.open_stages(session, stages.CHARGED_LINE)
    for file, stage in _FILES:
        stages.copy_text(session, stage, folder.copy_text(file))
    folder.refuse_if_rows_lost()
    folder.say("checking and loading")
    unescape_formulas(session, run.practice_id)
    _split_charged_lines(session)
    return replace(load(run, csv_format.ORIGINS), rows_read=folder.rows_read)


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
