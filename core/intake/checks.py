"""What can only be checked once everything is staged: each check is one query that gives the rows at fault."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from sqlalchemy import Select, Table, exists, func, select
from sqlalchemy.orm import Session

from core.intake import stages
from core.intake.faults import FAULTS_MAX, Fault, Faults
from core.ledger.models import PostingKind
from core.practices.models import BillingStatus, Office, Patient, Payer, Provider


@dataclass(frozen=True)
class Origin:
    """The file that a stage was read from, and its columns' names where they differ from the stage's."""

    file: str
    columns: Mapping[str, str] = field(default_factory=dict)
    charges: "Origin | None" = None  # where charge postings come from, if not from the file of the others

    def fault(self, row: Any, column: str | None, value: str | None, cure: str) -> Fault:
        """A fault of the staged row, which has `at` and, where it is a posting, may have `kind`."""
        if self.charges is not None and getattr(row, "kind", None) == PostingKind.CHARGE:
            return self.charges.fault(row, column, value, cure)
        name = None if column is None else self.columns.get(column, column)
        return Fault(self.file, cure, line=row.at, column=name, value=value)


Origins = Mapping[Table, Origin]

_KEYS: Final = (
    (stages.BILLING_STATUS, ("name",)),
    (stages.OFFICE, ("external_id",)),
    (stages.PROVIDER, ("external_id",)),
    (stages.PAYER, ("external_id",)),
    (stages.PATIENT, ("external_id",)),
    (stages.CLAIM, ("external_id",)),
    (stages.LINE, ("claim", "number")),
    (stages.POSTING, ("source_id",)),
)
_NAMED_BY_CLAIMS: Final = (
    ("patient", stages.PATIENT, Patient),
    ("office", stages.OFFICE, Office),
    ("billing_provider", stages.PROVIDER, Provider),
    ("supervising_provider", stages.PROVIDER, Provider),
    ("primary_payer", stages.PAYER, Payer),
    ("secondary_payer", stages.PAYER, Payer),
)


def check_staged(session: Session, practice_id: int, origins: Origins, faults: Faults) -> None:
    """Look for duplicates and for what nothing in the files or the practice answers to; up to a hundred faults."""
    for stage, key in _KEYS:
        if stage in origins:
            add_duplicates(session, stage, key, origins[stage], faults)
    for column, stage, table in _NAMED_BY_CLAIMS:
        _add_unknown(session, practice_id, column, stage, table, origins, faults)
    _add_unknown_billing_status(session, practice_id, origins, faults)
    _add_lines_without_claim(session, origins, faults)
    _add_postings_without_line(session, origins, faults)
    add_transfers_that_lose_money(session, origins, faults)


def _first(session: Session, rows: Select[Any], stage: Table) -> Iterator[Any]:
    yield from session.execute(rows.order_by(stage.c.at).limit(FAULTS_MAX))


def add_duplicates(session: Session, stage: Table, key: tuple[str, ...], origin: Origin, faults: Faults) -> None:
    """Add a fault for each staged row whose key stands in the file already."""
    columns = [stage.c[name] for name in key]
    rows = (
        select(
            stage.c.at,
            func.min(stage.c.at).over(partition_by=columns).label("first_at"),
            func.row_number().over(partition_by=columns, order_by=stage.c.at).label("occurrence"),
            *columns,
        )
        .where(*(column.is_not(None) for column in columns))
        .subquery()
    )
    repeated = select(rows).where(rows.c.occurrence > 1).order_by(rows.c.at).limit(FAULTS_MAX)
    for row in session.execute(repeated):
        value = " / ".join(str(row._mapping[name]) for name in key)
        faults.add(origin.fault(row, key[-1], value, f"the same as in line {row.first_at}; keep one of them"))


def _add_unknown(
    session: Session, practice_id: int, column: str, stage: Table, table: Any, origins: Origins, faults: Faults
) -> None:
    claim = stages.CLAIM
    named = claim.c[column]
    unknown = select(claim.c.at, named.label("value")).where(
        named.is_not(None),
        ~exists().where(stage.c.external_id == named),
        ~exists().where(table.practice_id == practice_id, table.external_id == named),
    )
    cure = f"no such {stage.name.removeprefix('stage_')} in the practice or in {_file(origins, stage)}; add it there"
    for row in _first(session, unknown, claim):
        faults.add(origins[claim].fault(row, column, row.value, cure))


def _file(origins: Origins, stage: Table) -> str:
    return origins[stage].file if stage in origins else "the files"


def _add_unknown_billing_status(session: Session, practice_id: int, origins: Origins, faults: Faults) -> None:
    claim, staged = stages.CLAIM, stages.BILLING_STATUS
    status = claim.c.billing_status
    unknown = select(claim.c.at, status.label("value")).where(
        status.is_not(None),
        ~exists().where(staged.c.name == status),
        ~exists().where(BillingStatus.practice_id == practice_id, BillingStatus.name == status),
    )
    cure = f"the practice has no such billing status; use one of its own or add it to {_file(origins, staged)}"
    for row in _first(session, unknown, claim):
        faults.add(origins[claim].fault(row, "billing_status", row.value, cure))


def _add_lines_without_claim(session: Session, origins: Origins, faults: Faults) -> None:
    line, claim = stages.LINE, stages.CLAIM
    alone = select(line.c.at, line.c.claim).where(
        line.c.claim.is_not(None), ~exists().where(claim.c.external_id == line.c.claim)
    )
    for row in _first(session, alone, line):
        cure = f"a line without its claim; add the claim to {origins[claim].file}"
        faults.add(origins[line].fault(row, "claim", row.claim, cure))


def _add_postings_without_line(session: Session, origins: Origins, faults: Faults) -> None:
    posting, line = stages.POSTING, stages.LINE
    alone = select(posting.c.at, posting.c.claim, posting.c.line).where(
        posting.c.claim.is_not(None),
        posting.c.line.is_not(None),
        # A charge was made from its line.
        posting.c.kind.is_distinct_from(PostingKind.CHARGE.value),
        ~exists().where(line.c.claim == posting.c.claim, line.c.number == posting.c.line),
    )
    for row in _first(session, alone, posting):
        cure = f"a posting without its line; add the line to {origins[line].file}"
        faults.add(origins[posting].fault(row, "line", f"{row.claim} / {row.line}", cure))


def add_transfers_that_lose_money(session: Session, origins: Origins, faults: Faults) -> None:
    """Add a fault for each line whose staged transfers do not sum to zero."""
    posting = stages.POSTING
    uneven = (
        select(func.min(posting.c.at).label("at"), posting.c.claim, posting.c.line)
        .where(posting.c.kind == PostingKind.TRANSFER.value, posting.c.claim.is_not(None), posting.c.line.is_not(None))
        .group_by(posting.c.claim, posting.c.line)
        .having(func.sum(posting.c.amount_cents) != 0)
        .order_by(func.min(posting.c.at))
        .limit(FAULTS_MAX)
    )
    for row in session.execute(uneven):
        cure = "the transfers of a line must sum to 0.00: what one responsibility loses the other gains"
        faults.add(origins[posting].fault(row, "amount_cents", f"{row.claim} / {row.line}", cure))
