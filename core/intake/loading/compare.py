"""Compare staged rows with the practice's: what stops the import, and which rows the practice already has."""

from functools import lru_cache
from typing import Any, Final

from sqlalchemy import Delete, Enum, Select, Subquery, Table, Text, and_, cast, delete, exists, func, literal, select
from sqlalchemy.orm import Session, aliased

from core.enums.ledger import PostingKind
from core.intake.loading import stages
from core.intake.loading.checks import Origins, first_faulty_rows
from core.intake.loading.insert import REFERENCE_TABLES, STAGED_CLAIM_COLUMNS, STAGED_POSTING_COLUMNS
from core.intake.loading.known_postings import Known
from core.intake.loading.references import CLAIM_REFERENCES
from core.intake.parsing.faults import FaultKind, Faults, quote_value
from core.models.claims import Claim, LineItem
from core.models.ledger import Posting
from core.models.practices import BillingStatus, Patient
from core.money import format_plain_amount

AMOUNT_COLUMNS: Final = {"amount_cents", "allowed", "expected"}
_DIFFERENT_VALUE: Final = "already imported with a different value; imports don't update existing postings"
_OTHER_PATIENT: Final = (
    "this claim ID belongs to another patient; give the new claim its own ID, because a claim ID can't be reused"
)
_OTHER_CLAIM: Final = (
    "this posting ID belongs to a posting on another claim; each posting must keep its ID in every export, or money "
    "is posted twice"
)
_SECOND_CHARGE: Final = (
    "{files} already charged this claim; this file would charge it again. Remove the claim from this file. Use {files} "
    "for new claims, and `settle import postings` for payments"
)
_FILES_OF_SOURCE: Final = {
    "csv": "files in Batch Settle's format", "file": "your own exports", "synthea": "Synthea files",
    "x12": "837 files",
}  # fmt: skip
_OTHER_FILES: Final = "files of another kind"


def report_conflicts(session: Session, practice_id: int, known: Known, origins: Origins, faults: Faults) -> None:
    """Add a fault for each staged claim ID of a different patient, and for each posting id of a different claim.

    In both cases, one number means two things, and any later import would post to the wrong account.
    """
    if known.claims:
        of_claim = and_(Patient.practice_id == practice_id, Patient.id == Claim.patient_id)
        patients = select(Claim.external_id, Patient.external_id.label("patient")).join(Patient, of_claim)
        here = patients.where(Claim.practice_id == practice_id)
        _report(session, stages.CLAIM, "external_id", "patient", here, _OTHER_PATIENT, origins, faults)
    if known.postings:
        postings = select(stages.KNOWN_POSTING)
        _report(session, stages.POSTING, "source_id", "claim", postings, _OTHER_CLAIM, origins, faults)


def report_second_charges(session: Session, practice_id: int, source: str, origins: Origins, faults: Faults) -> None:
    """Add a fault for each claim that another kind of file has already charged and that gets a new charge.

    Any line counts, because two kinds of files may number the lines differently.
    """
    staged = stages.POSTING
    of_claim = and_(Claim.practice_id == practice_id, Claim.external_id == staged.c.claim)
    charge = and_(
        Posting.practice_id == practice_id, Posting.claim_id == Claim.id,
        Posting.kind == PostingKind.CHARGE, Posting.source.is_distinct_from(source),
    )  # fmt: skip
    is_new = ~exists().where(stages.KNOWN_POSTING.c.source_id == staged.c.source_id)
    rows = (
        select(func.min(staged.c.at).label("at"), staged.c.kind, staged.c.claim, func.min(Posting.source).label("by"))
        .join(Claim, of_claim)
        .join(Posting, charge)
        .where(staged.c.kind == PostingKind.CHARGE.value, is_new)
        .group_by(staged.c.claim, staged.c.kind)
    )
    for row in first_faulty_rows(session, rows, "by", faults=faults):
        cure = _SECOND_CHARGE.format(files=_FILES_OF_SOURCE.get(row.by, _OTHER_FILES))
        fault = origins[staged].fault(row, "claim", row.claim, cure, kind=FaultKind.PRACTICE)
        faults.add(fault, times=row.times)


def report_changed_postings(session: Session, origins: Origins, faults: Faults) -> None:
    """Add a fault for each staged posting whose id the practice has with different values."""
    staged, known, names = stages.POSTING, stages.KNOWN_POSTING, ("claim", *STAGED_POSTING_COLUMNS)
    differing = (func.count().filter(staged.c[name].is_distinct_from(known.c[name])) for name in names)
    counts = select(*differing).join_from(staged, known, staged.c.source_id == known.c.source_id)
    for name, count in zip(names, session.execute(counts).one(), strict=True):
        if count:
            _report(session, staged, "source_id", name, select(known), _DIFFERENT_VALUE, origins, faults)


def _report(
    session: Session,
    stage: Table,
    key: str,
    column: str,
    here: Select[*tuple[Any, ...]],
    cure: str,
    origins: Origins,
    faults: Faults,
) -> None:
    """Add a fault for each staged row whose `column` differs from the row of `here` with the same key."""
    known = here.subquery("here")
    new, old = stage.c[column], known.c[column]
    kinds = [stage.c.kind] if "kind" in stage.c else []  # charges come from another file
    differing = select(stage.c.at, *kinds, new.label("new"), old.label("old"))
    places = differing.join(known, stage.c[key] == known.c[key]).where(new.is_distinct_from(old))
    for row in first_faulty_rows(session, places, *(one.name for one in kinds), faults=faults):
        note = f"the practice has {quote_value(shown(column, row.old))}"
        fault = origins[stage].fault(row, column, shown(column, row.new), cure, kind=FaultKind.PRACTICE, note=note)
        faults.add(fault, times=row.times)


def delete_known_rows(session: Session, practice_id: int, known: Known) -> None:
    """Delete staged rows that the practice already has, equal or not, so that nothing is overwritten."""
    session.execute(_deletions(practice_id, known))


@lru_cache
def _deletions(practice_id: int, known: Known) -> Select[Any]:
    """Return one statement, because a round trip for each takes longer than the deletions of a small file."""
    key = ("external_id",)
    references = ((stage, key, existing_rows(table, practice_id, key)) for table, stage in REFERENCE_TABLES)
    rows: list[tuple[Table, tuple[str, ...], Select[*tuple[Any, ...]]]] = [
        (stages.BILLING_STATUS, ("name",), existing_rows(BillingStatus, practice_id, ("name",))),
        *references,
    ]
    if known.postings:
        rows.append((stages.POSTING, ("source_id",), select(stages.KNOWN_POSTING)))
    if known.claims:
        rows.append((stages.LINE, ("claim", "number"), existing_lines(practice_id)))
        rows.append((stages.CLAIM, key, existing_rows(Claim, practice_id, key)))
    deletions = (_deletion(stage, key, here.subquery("here")).cte(f"of_{stage.name}") for stage, key, here in rows)
    return select(literal(1)).add_cte(*deletions)


def _deletion(stage: Table, key: tuple[str, ...], known: Subquery) -> Delete:
    return delete(stage).where(exists().where(*(stage.c[name] == known.c[name] for name in key)))


def shown(column: str, value: Any) -> str:
    """Return the value as the file writes it."""
    if value is None:
        return ""
    return format_plain_amount(value) if column in AMOUNT_COLUMNS else str(value)


@lru_cache
def existing_rows(table: Any, practice_id: int, columns: tuple[str, ...]) -> Select[Any]:
    """Return these columns of the practice's offices, providers, payers, patients or claims, as in the stage."""
    return select(*(_as_staged(getattr(table, name), name) for name in columns)).where(table.practice_id == practice_id)


def _as_staged(column: Any, name: str) -> Any:
    # Stages contain plain text, which would never equal an enum.
    return (cast(column, Text) if isinstance(column.type, Enum) else column).label(name)


@lru_cache
def existing_claims(practice_id: int) -> Select[Any]:
    """Return the practice's claims in the form of the stage."""
    records = {name: aliased(one.table) for name, one in CLAIM_REFERENCES.items()}
    rows = select(
        *(record.external_id.label(name) for name, record in records.items()),
        *(_as_staged(getattr(Claim, name), name) for name in STAGED_CLAIM_COLUMNS),
    ).select_from(Claim)
    for name, one in CLAIM_REFERENCES.items():
        of_claim = and_(records[name].practice_id == practice_id, records[name].id == one.column)
        rows = rows.join(records[name], of_claim, isouter=not one.is_required)
    return rows.where(Claim.practice_id == practice_id)


@lru_cache
def existing_lines(practice_id: int) -> Select[*tuple[Any, ...]]:
    """Return the practice's lines in the form of the stage."""
    return (
        select(Claim.external_id.label("claim"), LineItem.number, LineItem.procedure_code)
        .join(LineItem, and_(LineItem.practice_id == Claim.practice_id, LineItem.claim_id == Claim.id))
        .where(Claim.practice_id == practice_id)
    )
