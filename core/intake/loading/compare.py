"""Compare with existing rows: equal rows are skipped, different rows are reported, nothing is overwritten."""

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import Enum, Select, Table, Text, and_, cast, delete, exists, func, select
from sqlalchemy.orm import Session, aliased

from core.intake.loading import stages
from core.intake.loading.checks import Origins, first_faulty_rows
from core.intake.loading.insert import REFERENCE_TABLES, STAGED_CLAIM_COLUMNS, STAGED_POSTING_COLUMNS
from core.intake.parsing.faults import REDACTED, FaultKind, Faults, quote_value
from core.models.claims import Claim, LineItem
from core.models.ledger import Posting, PostingKind
from core.models.practices import BillingStatus, Office, Patient, Payer, Provider
from core.money import format_plain_amount

_PRIVATE: Final = {(stages.PATIENT, "name"), (stages.PATIENT, "birth_date")}
_DIFFERENT_VALUE: Final = "already imported with a different value; imports don't update existing records"
_AMOUNT_COLUMNS: Final = {"amount_cents", "allowed", "expected"}
# The practice may change these after the import, so the file no longer decides.
_CHANGEABLE_AFTER_IMPORT: Final = (
    "billing_provider",
    "supervising_provider",
    "billing_status",
    "primary_payer",
    "primary_status",
    "secondary_payer",
    "secondary_status",
    "hold",
)
_FIXED_AFTER_IMPORT: Final = (
    "patient",
    "office",
    *(name for name in STAGED_CLAIM_COLUMNS if name not in _CHANGEABLE_AFTER_IMPORT),
)


def report_differences(session: Session, practice_id: int, source: str, origins: Origins, faults: Faults) -> None:
    """Add a fault for each staged row that differs from the practice's, and for each addition to its claims."""
    for table, stage in REFERENCE_TABLES:
        columns = [column.name for column in stage.c if column.name not in ("at", "external_id")]
        here = _select(table, ("external_id", *columns)).where(table.practice_id == practice_id)
        _report(session, stage, ("external_id",), columns, here, origins, faults)
    claims = _claims(practice_id)
    unchanged = claims.where(Claim.version == 1)
    _report(session, stages.CLAIM, ("external_id",), _FIXED_AFTER_IMPORT, claims, origins, faults)
    _report(session, stages.CLAIM, ("external_id",), _CHANGEABLE_AFTER_IMPORT, unchanged, origins, faults)
    _report(session, stages.LINE, ("claim", "number"), ("procedure_code",), _lines(practice_id), origins, faults)
    report_changed_postings(session, practice_id, source, origins, faults)
    _report_additions(session, practice_id, stages.LINE, ("claim", "number"), _lines(practice_id), origins, faults)
    _report_additions(
        session, practice_id, stages.POSTING, ("source_id",), _postings(practice_id, source), origins, faults
    )


def report_changed_postings(session: Session, practice_id: int, source: str, origins: Origins, faults: Faults) -> None:
    """Add a fault for each staged posting whose id the practice has with other values."""
    columns = ("claim", *STAGED_POSTING_COLUMNS)
    _report(session, stages.POSTING, ("source_id",), columns, _postings(practice_id, source), origins, faults)


def delete_known_rows(session: Session, practice_id: int, source: str) -> None:
    """Delete staged rows that the practice already has. `report_differences` found them equal."""
    status = stages.BILLING_STATUS
    session.execute(
        delete(status).where(
            exists().where(BillingStatus.practice_id == practice_id, BillingStatus.name == status.c.name)
        )
    )
    for table, stage in REFERENCE_TABLES:
        session.execute(
            delete(stage).where(
                exists().where(table.practice_id == practice_id, table.external_id == stage.c.external_id)
            )
        )
    for stage, key, here in (
        (stages.POSTING, ("source_id",), _postings(practice_id, source)),
        (stages.LINE, ("claim", "number"), _lines(practice_id)),
        (stages.CLAIM, ("external_id",), _claims(practice_id)),
    ):
        known = here.subquery("here")
        session.execute(delete(stage).where(exists().where(*(stage.c[name] == known.c[name] for name in key))))


def _report(
    session: Session,
    stage: Table,
    key: Sequence[str],
    columns: Sequence[str],
    here: Select[Any],
    origins: Origins,
    faults: Faults,
) -> None:
    """Add a fault for each of `columns` in which a staged row differs from the row of `here` with the same key."""
    if stage not in origins:
        return
    known = here.subquery("here")
    pairs = [(name, stage.c[name], known.c[name]) for name in columns]
    same_row = and_(*(stage.c[name] == known.c[name] for name in key))
    counts = [func.count().filter(new.is_distinct_from(old)).label(name) for name, new, old in pairs]
    count_of = session.execute(select(*counts).select_from(stage).join(known, same_row)).one()._mapping
    for name, new, old in pairs:
        if not count_of[name]:
            continue
        kinds = [stage.c.kind] if "kind" in stage.c else []  # charges come from another file
        differing = select(stage.c.at, *kinds, new.label("new"), old.label("old")).join(known, same_row)
        private = (stage, name) in _PRIVATE
        places = differing.where(new.is_distinct_from(old))
        for row in first_faulty_rows(session, places, *(column.name for column in kinds)):
            value = REDACTED if private else _shown(name, row.new)
            note = "another value" if private else quote_value(_shown(name, row.old))
            fault = origins[stage].fault(
                row, name, value, _DIFFERENT_VALUE, kind=FaultKind.PRACTICE, note=f"the practice has {note}"
            )
            faults.add(fault, times=row.times)


def _report_additions(
    session: Session,
    practice_id: int,
    stage: Table,
    key: Sequence[str],
    here: Select[Any],
    origins: Origins,
    faults: Faults,
) -> None:
    """Add a fault for each staged line or posting that is new on an existing claim."""
    known = here.subquery("here")
    additions = select(stage.c.at, stage.c.claim).where(
        exists().where(Claim.practice_id == practice_id, Claim.external_id == stage.c.claim),
        ~exists().where(*(stage.c[name] == known.c[name] for name in key)),
        *([stage.c.kind != PostingKind.CHARGE] if stage is stages.POSTING else []),  # reported with their line
    )
    for row in first_faulty_rows(session, additions):
        cure = "the practice already has this claim, without this row; an import only adds whole claims"
        faults.add(origins[stage].fault(row, "claim", row.claim, cure, kind=FaultKind.PRACTICE), times=row.times)


def _shown(column: str, value: Any) -> str:
    if value is None:
        return ""
    return format_plain_amount(value) if column in _AMOUNT_COLUMNS else str(value)


def _select(table: Any, columns: Sequence[str]) -> Select[Any]:
    return select(*(_as_staged(getattr(table, name), name) for name in columns))


def _as_staged(column: Any, name: str) -> Any:
    # Stages hold plain text. Read as an enum, the two sides would never be equal.
    return (cast(column, Text) if isinstance(column.type, Enum) else column).label(name)


def _claims(practice_id: int) -> Select[Any]:
    """Return the practice's claims in the form of the stage."""
    patient, office, billing, supervising = aliased(Patient), aliased(Office), aliased(Provider), aliased(Provider)
    primary, secondary = aliased(Payer), aliased(Payer)

    def named(table: Any, id_of_claim: Any) -> Any:
        return and_(table.practice_id == practice_id, table.id == id_of_claim)

    return (
        select(
            patient.external_id.label("patient"),
            office.external_id.label("office"),
            billing.external_id.label("billing_provider"),
            supervising.external_id.label("supervising_provider"),
            primary.external_id.label("primary_payer"),
            secondary.external_id.label("secondary_payer"),
            *(_as_staged(getattr(Claim, name), name) for name in STAGED_CLAIM_COLUMNS),
        )
        .select_from(Claim)
        .join(patient, named(patient, Claim.patient_id))
        .join(office, named(office, Claim.office_id))
        .join(billing, named(billing, Claim.billing_provider_id))
        .outerjoin(supervising, named(supervising, Claim.supervising_provider_id))
        .outerjoin(primary, named(primary, Claim.primary_payer_id))
        .outerjoin(secondary, named(secondary, Claim.secondary_payer_id))
        .where(Claim.practice_id == practice_id)
    )


def _lines(practice_id: int) -> Select[*tuple[Any, ...]]:
    return (
        select(Claim.external_id.label("claim"), LineItem.number, LineItem.procedure_code)
        .join(LineItem, and_(LineItem.practice_id == Claim.practice_id, LineItem.claim_id == Claim.id))
        .where(Claim.practice_id == practice_id)
    )


def _postings(practice_id: int, source: str) -> Select[Any]:
    columns = (_as_staged(getattr(Posting, name), name) for name in STAGED_POSTING_COLUMNS)
    return (
        select(Posting.source_id, Claim.external_id.label("claim"), *columns)
        .join(Claim, and_(Claim.practice_id == Posting.practice_id, Claim.id == Posting.claim_id))
        .where(Posting.practice_id == practice_id, Posting.source == source)
    )
