"""`settle import synthea`: import the claims and the ledger of Synthea's CSV export.

A CHARGE opens a line. Every row up to the claim's next CHARGE, in numeric order of CHARGEID, belongs to it. The party
of the last CHARGE or TRANSFERIN owes the balance. A PAYMENT lowers that balance, no matter who paid.
"""

from collections.abc import Iterator
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import Any, Final, Unpack
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, and_, delete, exists, select, text
from sqlalchemy.orm import Session

from core.enums.claims import ClaimStatus, ClaimType
from core.enums.practices import PayerClass
from core.intake.loading import stages
from core.intake.loading.checks import first_faulty_rows
from core.intake.loading.duplicates import add_duplicates
from core.intake.loading.import_run import ImportRequest, begin_import
from core.intake.loading.imported import Imported
from core.intake.loading.load import load
from core.intake.parsing.faults import Fault, FaultKind
from core.intake.parsing.fields import FileFormat
from core.intake.parsing.folder import Folder
from core.intake.synthea import synthea_format

SOURCE: Final = "synthea"


class Payments(StrEnum):
    """Which PAYMENT rows to import. Synthea's patients pay all they owe, so leave some out to have balances."""

    ALL = "all"
    WITHOUT_LAST = "without_last"  # without the last one of each claim
    ONLY_COPAYS = "only_copays"
    NONE = "none"


_CLASS_OF_PAYER: Final = {
    "Medicare": PayerClass.MEDICARE,
    "Medicaid": PayerClass.MEDICAID,
    "Dual Eligible": PayerClass.DUAL,
    "NO_INSURANCE": PayerClass.SELF_PAY,
}
_CLAIM_TYPE: Final = {"1": ClaimType.PROFESSIONAL.value, "2": ClaimType.INSTITUTIONAL.value}
_CLAIM_STATUS: Final = {"CLOSED": ClaimStatus.ERA_RECEIVED.value, "BILLED": ClaimStatus.AT_PAYER.value}

_ROWS_ON_LINES: Final = """
    CREATE TEMP TABLE synthea_row_on_line ON COMMIT DROP AS
    SELECT *,
           count(*) FILTER (WHERE type = 'CHARGE') OVER so_far AS line,
           max(number) FILTER (WHERE type IN ('CHARGE', 'TRANSFERIN')) OVER so_far AS owner_number,
           row_number() OVER (PARTITION BY claim, type ORDER BY number DESC) AS from_last
    FROM stage_synthea_row
    WINDOW so_far AS (PARTITION BY claim ORDER BY number)
"""
_LINES: Final = """
    INSERT INTO stage_line (at, claim, number, procedure_code)
    SELECT at, claim, line, procedure_code FROM synthea_row_on_line WHERE type = 'CHARGE'
"""
_POSTINGS: Final = """
    INSERT INTO stage_posting (at, source_id, claim, line, responsibility, kind, amount_cents, paid_by, posted_on)
    SELECT r.at, r.id, r.claim, r.line,
           CASE o.owner WHEN 'p' THEN 'patient' ELSE 'insurance' END,
           CASE r.type WHEN 'CHARGE' THEN 'charge' WHEN 'PAYMENT' THEN 'payment'
                       WHEN 'ADJUSTMENT' THEN 'adjustment' ELSE 'transfer' END,
           CASE r.type WHEN 'CHARGE' THEN r.amount WHEN 'PAYMENT' THEN -r.payment
                       WHEN 'ADJUSTMENT' THEN -r.adjustment
                       WHEN 'TRANSFEROUT' THEN -r.transfer ELSE r.transfer END,
           CASE WHEN r.type <> 'PAYMENT' THEN NULL
                WHEN r.method <> 'ECHECK' THEN 'patient'
                WHEN o.owner = '2' THEN 'secondary' ELSE 'primary' END,
           r.posted_on
    FROM synthea_row_on_line r
    LEFT JOIN stage_synthea_row o ON o.claim = r.claim AND o.number = r.owner_number
    WHERE CASE r.type WHEN 'CHARGE' THEN r.amount WHEN 'PAYMENT' THEN r.payment
                      WHEN 'ADJUSTMENT' THEN r.adjustment ELSE r.transfer END <> 0
      AND (r.type <> 'PAYMENT' OR CASE :payments WHEN 'all' THEN true WHEN 'without_last' THEN r.from_last > 1
                                                 WHEN 'only_copays' THEN r.method = 'COPAY' ELSE false END)
"""
# Synthea 3.3.0 gives one ID to different transactions. The first keeps it. The others get their claim and CHARGEID
# added, because a CHARGEID is unique only within its claim. An existing claim with the ID comes first, so that a second
# import recognizes every row.
_IDS: Final = """
    WITH here AS (
        SELECT p.source_id AS id, c.external_id AS claim
        FROM posting p JOIN claim c ON c.practice_id = p.practice_id AND c.id = p.claim_id
        WHERE p.practice_id = :practice_id AND p.source = :source
          AND p.source_id IN (SELECT id FROM stage_synthea_row)
    ), ranked AS (
        SELECT s.at, here.claim <> s.claim AS is_taken,
               row_number() OVER (PARTITION BY s.id, here.claim <> s.claim ORDER BY s.number, s.claim) AS nth
        FROM stage_synthea_row s LEFT JOIN here ON here.id = s.id
    )
    UPDATE stage_synthea_row s SET id = s.id || '/' || s.claim || '/' || s.number
    FROM ranked WHERE ranked.at = s.at AND (ranked.is_taken OR ranked.nth > 1)
"""
# Where the claim was served, and its billing status derived from its balances.
_CLAIMS: Final = """
    UPDATE stage_claim c
    SET office = served.office,
        billing_status = CASE WHEN coalesce(owed.due, 0) = 0 THEN 'Paid In Full'
                              WHEN owed.due > 0 THEN 'Balance Due' ELSE 'Internal Review' END
    FROM (SELECT claim, min(office) AS office FROM stage_synthea_row GROUP BY claim) served
    LEFT JOIN (SELECT claim, sum(amount_cents) AS due FROM stage_posting GROUP BY claim) owed USING (claim)
    WHERE served.claim = c.external_id
"""


def import_synthea(
    session: Session,
    path: Path,
    *,
    payments: Payments = Payments.ALL,
    skip_empty_claims: bool = False,
    **request: Unpack[ImportRequest],
) -> Imported:
    """Import the export in the folder `path`, all or none, for user `by`. Create the practice if needed.

    With `skip_empty_claims`, claims without transactions are left out and counted. Raise what `import_csv` raises.
    """
    run = begin_import(session, SOURCE, request)
    zone = ZoneInfo(run.practice.time_zone)
    claims, ledger = synthea_format.claims(zone), synthea_format.transactions(zone)
    files = (
        synthea_format.ORGANIZATIONS,
        synthea_format.PROVIDERS,
        synthea_format.PAYERS,
        synthea_format.PATIENTS,
        claims,
        ledger,
    )
    folder = Folder(path, files, faults=run.faults, progress=run.progress)
    stages.open_stages(session, stages.SYNTHEA_ROW)
    stages.copy_rows(session, stages.OFFICE, _unchanged_rows(folder, synthea_format.ORGANIZATIONS))
    stages.copy_rows(session, stages.PROVIDER, _unchanged_rows(folder, synthea_format.PROVIDERS))
    stages.copy_rows(session, stages.PAYER, _payers(folder))
    stages.copy_rows(session, stages.PATIENT, _patients(folder))
    stages.copy_rows(session, stages.CLAIM, _claims(folder, claims))
    stages.copy_rows(session, stages.SYNTHEA_ROW, _ledger(folder, ledger))
    folder.refuse_if_rows_lost()
    folder.say("checking and loading")
    left_out = _leave_out_empty_claims(session) if skip_empty_claims else 0
    _build_lines_and_postings(session, run.practice_id, folder, payments)
    _report_empty_claims(session, folder)
    return replace(load(run, synthea_format.ORIGINS), rows_read=folder.rows_read, left_out=left_out)


def _unchanged_rows(folder: Folder, file: FileFormat) -> Iterator[tuple[Any, ...]]:
    for row in folder.rows(file):
        yield row.at, *row.values


def _payers(folder: Folder) -> Iterator[tuple[Any, ...]]:
    for row in folder.rows(synthea_format.PAYERS):
        payer_id, name = row.values
        yield row.at, payer_id, name, _CLASS_OF_PAYER.get(name, PayerClass.COMMERCIAL).value


def _patients(folder: Folder) -> Iterator[tuple[Any, ...]]:
    for row in folder.rows(synthea_format.PATIENTS):
        patient_id, first, last, born = row.values
        yield row.at, patient_id, f"{last}, {first}", born


def _claims(folder: Folder, file: FileFormat) -> Iterator[tuple[Any, ...]]:
    """Yield rows for the stage. Office and billing status follow from the ledger."""
    none = ClaimStatus.NONE.value
    for row in folder.rows(file):
        claim, patient, billing, supervising, kind, served, primary, status, secondary, secondary_status = row.values
        yield (
            row.at,
            claim,
            patient,
            None,
            billing,
            supervising,
            _CLAIM_TYPE.get(kind),
            served and served.date(),
            served and served.time(),
            None,
            None if primary == synthea_format.NO_PAYER else primary,
            _CLAIM_STATUS.get(status, none),
            None if secondary == synthea_format.NO_PAYER else secondary,
            _CLAIM_STATUS.get(secondary_status, none),
            *(None,) * 10,  # Synthea has no hold, allowed, expected, EDI dates, statements and denials
        )


def _ledger(folder: Folder, file: FileFormat) -> Iterator[tuple[Any, ...]]:
    names = [column.name for column in file.columns]
    for row in folder.rows(file):
        values = dict(zip(names, row.values, strict=True))
        if row.is_valid:
            _check_consistency(folder, file, row.at, values)
        moment = values["FROMDATE"]
        yield row.at, *row.values[:-1], moment and moment.date()


def _check_consistency(folder: Folder, file: FileFormat, at: int, values: dict[str, Any]) -> None:
    """Add faults for fields that are valid one by one but not together."""
    kind = values["TYPE"]
    for column in synthea_format.REQUIRED_COLUMNS[kind]:
        if values[column] is None:
            cure = f"must not be empty in a row with TYPE {kind}"
            folder.faults.add(Fault(file.name, cure, line=at, column=column))
    if kind == synthea_format.PAYMENT and values["METHOD"] == synthea_format.SYSTEM:
        cure = "SYSTEM is only for adjustments; enter the payment method"
        folder.faults.add(Fault(file.name, cure, line=at, column="METHOD"))


def _build_lines_and_postings(session: Session, practice_id: int, folder: Folder, payments: Payments) -> None:
    """Build lines and postings from the ledger's rows, and the claims' values that depend on them."""
    ledger = stages.SYNTHEA_ROW
    stages.analyze(session, ledger.name)
    before = len(folder.faults)
    add_duplicates(session, ledger, ("claim", "number"), synthea_format.ORIGINS[ledger], folder.faults)
    if len(folder.faults) > before:
        folder.faults.refuse_if_any()  # values derived from faulty rows would be faulty too
    session.execute(text(_IDS), {"practice_id": practice_id, "source": SOURCE})
    session.execute(text(_ROWS_ON_LINES))
    session.execute(text(_LINES))
    session.execute(text(_POSTINGS), {"payments": payments.value})
    session.execute(text(_CLAIMS))


def _is_empty() -> ColumnElement[bool]:
    claim, ledger = stages.CLAIM, stages.SYNTHEA_ROW
    return and_(claim.c.external_id.is_not(None), ~exists().where(ledger.c.claim == claim.c.external_id))


def _leave_out_empty_claims(session: Session) -> int:
    """Remove claims without transactions from the stage. Return how many."""
    return len(session.execute(delete(stages.CLAIM).where(_is_empty()).returning(stages.CLAIM.c.at)).all())


def _report_empty_claims(session: Session, folder: Folder) -> None:
    claim = stages.CLAIM
    empty = select(claim.c.at, claim.c.external_id).where(_is_empty())
    for row in first_faulty_rows(session, empty, faults=folder.faults):
        cure = (
            "this claim has no row in claims_transactions.csv; to skip claims without transactions, use that option "
            "(--skip-empty-claims)"
        )
        fault = Fault("claims.csv", cure, line=row.at, column="Id", value=row.external_id, kind=FaultKind.REFERENCE)
        folder.faults.add(fault, times=row.times)
