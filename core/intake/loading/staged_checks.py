"""Checks of the staged rows against each other and the practice: duplicates, and references to missing records."""

import datetime as dt
from collections.abc import Iterator
from functools import cache, partial
from typing import Any, Final

from sqlalchemy import Row, Select, Table, Text, cast, exists, func, select, union_all
from sqlalchemy.orm import Session

from core.enums.ledger import PostingKind
from core.intake.loading import stages
from core.intake.loading.checks import PRACTICE_ID, Check, Origin, Origins, first_faulty_rows, has_rows, run_checks
from core.intake.loading.duplicates import duplicates_check
from core.intake.loading.near_matches import NEAR_MATCH_CURES, near_match
from core.intake.loading.references import CLAIM_REFERENCES
from core.intake.parsing.faults import REDACTED, FaultKind, Faults
from core.models.practices import BillingStatus

NO_SUCH_STATUS: Final = "the practice does not have this billing status"

_PLACE: Final = stages.POSTING.c.claim + " / " + cast(stages.POSTING.c.line, Text)
_UNIQUE_KEYS: Final = (
    (stages.BILLING_STATUS, ("name",)),
    (stages.OFFICE, ("external_id",)),
    (stages.PROVIDER, ("external_id",)),
    (stages.PAYER, ("external_id",)),
    (stages.PATIENT, ("external_id",)),
    (stages.CLAIM, ("external_id",)),
    (stages.CHARGED_LINE, ("claim", "number")),
)
_CLAIM_REFERENCES: Final = tuple((name, one.stage, one.table) for name, one in CLAIM_REFERENCES.items())


def check_staged(session: Session, practice_id: int, origins: Origins, faults: Faults, *, today: dt.date) -> None:
    """Check for duplicates, references to records in neither the files nor the practice, and dates of birth."""
    run_checks(session, practice_id, _staged_checks(lines_have_charges=stages.CHARGED_LINE in origins), origins, faults)
    _report_future_births(session, origins, faults, today=today)


def _report_future_births(session: Session, origins: Origins, faults: Faults, *, today: dt.date) -> None:
    rows = select(stages.PATIENT.c.at).where(stages.PATIENT.c.birth_date > today)
    cure = f"the date of birth is in the future; the latest allowed date is {today}"
    for row in first_faulty_rows(session, rows, faults=faults):
        fault = origins[stages.PATIENT].fault(row, "birth_date", REDACTED, cure, kind=FaultKind.VALUE)
        faults.add(fault, times=row.times)


@cache
def _staged_checks(*, lines_have_charges: bool) -> tuple[Check, ...]:
    """Return the checks in the order of their faults."""
    return (
        *(duplicates_check(*unique) for unique in _UNIQUE_KEYS),
        # Lines with charges are reported instead of two charges with the same id.
        duplicates_check(stages.POSTING, ("source_id",), with_charges=not lines_have_charges),
        *(Check(stages.CLAIM, has_rows(_unknown(*one)), partial(_report_unknown, one)) for one in _CLAIM_REFERENCES),
        Check(stages.CLAIM, has_rows(_unknown_billing_status()), _report_unknown_billing_status),
        Check(stages.LINE, has_rows(_lines_without_claim()), _report_lines_without_claim),
        Check(stages.POSTING, has_rows(_postings_without_line()), _report_postings_without_line),
        Check(stages.POSTING, has_rows(_uneven_transfers()), _report_uneven_transfers),
    )


@cache
def _unknown(column: str, stage: Table, table: Any) -> Select[Any]:
    claim = stages.CLAIM
    named = claim.c[column]
    known = union_all(select(stage.c.external_id), select(table.external_id).where(table.practice_id == PRACTICE_ID))
    return select(claim.c.at, named.label("value"), near_match(named, known)).where(
        named.is_not(None),
        ~exists().where(stage.c.external_id == named),
        ~exists().where(table.practice_id == PRACTICE_ID, table.external_id == named),
    )


def _report_unknown(
    reference: tuple[str, Table, Any], session: Session, practice_id: int, origins: Origins, faults: Faults
) -> None:
    column, stage, _ = reference
    file, record = _file_of_stage(origins, stage), stages.record_of(stage)
    base = f"this {record} is in neither the practice nor {file}"
    rows = first_faulty_rows(session, _unknown(*reference), "hint", faults=faults, practice_id=practice_id)
    _add_with_hints(rows, column, base, f"{base}; add the {record} to {file}", origins[stages.CLAIM], faults)


def _add_with_hints(
    rows: Iterator[Row[Any]], column: str, base: str, cure: str, origin: Origin, faults: Faults
) -> None:
    """Add a fault for each row, with the nearest known value."""
    for row in rows:
        message = f"{base}; {NEAR_MATCH_CURES[row.hint]}" if row.hint else cure
        faults.add(origin.fault(row, column, row.value, message), times=row.times)


def _file_of_stage(origins: Origins, stage: Table) -> str:
    return origins[stage].file if stage in origins else "the files"


@cache
def _unknown_billing_status() -> Select[Any]:
    claim, staged = stages.CLAIM, stages.BILLING_STATUS
    status = claim.c.billing_status
    here = select(BillingStatus.name).where(BillingStatus.practice_id == PRACTICE_ID)
    return select(claim.c.at, status.label("value"), near_match(status, union_all(select(staged.c.name), here))).where(
        status.is_not(None),
        ~exists().where(staged.c.name == status),
        ~exists().where(BillingStatus.practice_id == PRACTICE_ID, BillingStatus.name == status),
    )


def _report_unknown_billing_status(session: Session, practice_id: int, origins: Origins, faults: Faults) -> None:
    base = NO_SUCH_STATUS
    file = _file_of_stage(origins, stages.BILLING_STATUS)
    cure = f"{base}; use one of the practice's statuses or add it to {file}"
    rows = first_faulty_rows(session, _unknown_billing_status(), "hint", faults=faults, practice_id=practice_id)
    _add_with_hints(rows, "billing_status", base, cure, origins[stages.CLAIM], faults)


@cache
def _lines_without_claim() -> Select[Any]:
    line, claim = stages.LINE, stages.CLAIM
    hint = near_match(line.c.claim, select(claim.c.external_id))
    return select(line.c.at, line.c.claim.label("value"), hint).where(
        line.c.claim.is_not(None), ~exists().where(claim.c.external_id == line.c.claim)
    )


def _report_lines_without_claim(session: Session, _: int, origins: Origins, faults: Faults) -> None:
    base = "this line's claim is missing"
    cure = f"{base}; add it to {origins[stages.CLAIM].file}"
    rows = first_faulty_rows(session, _lines_without_claim(), "hint", faults=faults)
    _add_with_hints(rows, "claim", base, cure, origins[stages.LINE], faults)


@cache
def _postings_without_line() -> Select[Any]:
    posting, line = stages.POSTING, stages.LINE
    hint = near_match(posting.c.claim, select(line.c.claim))
    return select(posting.c.at, _PLACE.label("value"), hint).where(
        posting.c.claim.is_not(None),
        posting.c.line.is_not(None),
        # A charge is reported with its line.
        posting.c.kind.is_distinct_from(PostingKind.CHARGE.value),
        ~exists().where(line.c.claim == posting.c.claim, line.c.number == posting.c.line),
    )


def _report_postings_without_line(session: Session, _: int, origins: Origins, faults: Faults) -> None:
    base = "this posting's line is missing"
    cure = f"{base}; add it to {origins[stages.LINE].file}"
    rows = first_faulty_rows(session, _postings_without_line(), "hint", faults=faults)
    _add_with_hints(rows, "line", base, cure, origins[stages.POSTING], faults)


@cache
def _uneven_transfers() -> Select[Any]:
    posting = stages.POSTING
    return (
        select(func.min(posting.c.at).label("at"), func.min(_PLACE).label("value"))
        .where(posting.c.kind == PostingKind.TRANSFER.value, posting.c.claim.is_not(None), posting.c.line.is_not(None))
        .group_by(posting.c.claim, posting.c.line)
        .having(func.sum(posting.c.amount_cents) != 0)
    )


def add_transfers_that_lose_money(session: Session, origins: Origins, faults: Faults) -> None:
    """Add a fault for each line whose staged transfers do not sum to zero."""
    for row in first_faulty_rows(session, _uneven_transfers(), faults=faults):
        cure = "the transfers on a line must add up to 0.00, because one balance gains what the other loses"
        faults.add(origins[stages.POSTING].fault(row, "amount_cents", row.value, cure), times=row.times)


def _report_uneven_transfers(session: Session, _: int, origins: Origins, faults: Faults) -> None:
    add_transfers_that_lose_money(session, origins, faults)
