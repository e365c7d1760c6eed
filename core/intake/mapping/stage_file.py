"""Fill the stages of an import from an office's own file: one row for each claim or for each service line."""

import hashlib
from collections.abc import Iterator
from typing import Any, Final

from sqlalchemy import and_, func, select, text
from sqlalchemy.orm import Session

from core.enums.claims import ClaimStatus, ClaimType
from core.enums.practices import PayerClass
from core.intake.loading import stages
from core.intake.loading.checks import Origin, Origins, first_faulty_rows
from core.intake.loading.duplicates import add_duplicates
from core.intake.mapping import stage_sql
from core.intake.mapping.mapped_file import MappedFile
from core.intake.mapping.row_amounts import Amounts, Untied, row_amounts
from core.intake.mapping.targets import Field
from core.intake.mapping.words import payer_class
from core.intake.parsing.faults import Fault, FaultKind
from core.intake.parsing.fields import LINES_MAX
from core.intake.parsing.folder import Row

OFFICE_DEFAULT: Final = "Main Office"
PROVIDER_DEFAULT: Final = "Not stated"
MADE_NUMBER: Final = "N-"  # prefix of the number of a patient who has none in the file
PROCEDURE_DEFAULT: Final = "BALANCE"  # for a line without a CPT code, such as in a file of balances only
_NO_AMOUNTS: Final = Amounts("insurance")
# Values that all rows of a claim share. The date of service and the CPT code may differ by line.
_OF_CLAIM: Final = (
    ("patient", (Field.PATIENT, Field.PATIENT_NAME, Field.LAST_NAME)),
    ("office", (Field.OFFICE,)),
    ("provider", (Field.PROVIDER,)),
    ("billing_status", (Field.BILLING_STATUS,)),
    ("primary_payer", (Field.PRIMARY_PAYER_ID, Field.PRIMARY_PAYER)),
    ("secondary_payer", (Field.SECONDARY_PAYER_ID, Field.SECONDARY_PAYER)),
    ("hold", (Field.HOLD,)),
)


def stage_file(session: Session, file: MappedFile) -> Origins:
    """Copy the rows of the file into the stages, as claims, lines and postings. Return where each stage came from.

    Faults are added to `file.faults`. Raise `ImportRefused` if rows could not be read.
    """
    stages.copy_rows(session, stages.MAPPED_ROW, _staged_rows(file))
    file.refuse_if_rows_lost()
    file.say("checking and loading")
    stages.analyze(session, stages.MAPPED_ROW.name)
    origins = origins_of(file)
    by_line = file.mapping.rows == "line"
    _add_too_many_lines(session, file)
    if by_line:
        _add_contradictions(session, file)
        _add_file_pasted_twice(session, file)
    else:
        claims = Origin(file.format.name, {"claim": file.header_of(Field.CLAIM)})
        add_duplicates(session, stages.MAPPED_ROW, ("claim",), claims, file.faults)
    file.faults.refuse_if_any()
    session.execute(text(stage_sql.STAGES))
    if by_line:
        add_duplicates(session, stages.LINE, ("claim", "number"), origins[stages.LINE], file.faults)
    session.execute(text(stage_sql.CLAIMS), {"by_line": by_line})
    if by_line:
        session.execute(text(stage_sql.OTHER_ROWS_OF_CLAIM))
    return origins


def origins_of(file: MappedFile) -> Origins:
    """Return the file's own header for each staged column."""
    name, of = file.format.name, file.header_of
    patient = of(Field.PATIENT, Field.PATIENT_NAME, Field.LAST_NAME)
    payer = of(Field.PRIMARY_PAYER_ID, Field.PRIMARY_PAYER)
    claim = of(Field.CLAIM)
    line = of(Field.LINE) if file.mapping.has(Field.LINE) else claim
    claims = {
        "external_id": claim,
        "patient": patient,
        "office": of(Field.OFFICE),
        "billing_provider": of(Field.PROVIDER),
        "supervising_provider": of(Field.SUPERVISING_PROVIDER),
        "claim_type": of(Field.CLAIM_TYPE),
        "service_date": of(Field.SERVICE_DATE),
        "billing_status": of(Field.BILLING_STATUS),
        "primary_payer": payer,
        "primary_status": of(Field.PRIMARY_STATUS),
        "secondary_payer": of(Field.SECONDARY_PAYER_ID, Field.SECONDARY_PAYER),
        "secondary_status": of(Field.SECONDARY_STATUS),
        "hold": of(Field.HOLD),
        "allowed": of(Field.ALLOWED),
        "expected": of(Field.EXPECTED),
        "first_edi_on": of(Field.FIRST_BILLED),
        "last_edi_on": of(Field.LAST_BILLED),
        "statements_sent": of(Field.STATEMENTS_SENT),
        "last_statement_on": of(Field.LAST_STATEMENT),
        "denied_on": of(Field.DENIED_ON),
        "denial_group": of(Field.DENIAL_GROUP, Field.DENIAL_CARC),
        "denial_carc": of(Field.DENIAL_CARC),
    }
    money = of(Field.CHARGE) if file.mapping.has(Field.CHARGE) else of(Field.INSURANCE_BALANCE, Field.TOTAL_BALANCE)
    postings = {"source_id": claim, "claim": claim, "line": line, "amount_cents": money}
    birth = {"birth_date": of(Field.BIRTH_DATE), "name": of(Field.PATIENT_NAME, Field.LAST_NAME)}
    payer_names = {"name": of(Field.PRIMARY_PAYER), "payer_class": of(Field.PAYER_CLASS, Field.PRIMARY_PAYER)}
    return {
        stages.BILLING_STATUS: Origin("the value meanings in the mapping"),
        stages.OFFICE: Origin(name, {"external_id": of(Field.OFFICE), "name": of(Field.OFFICE)}),
        stages.PROVIDER: Origin(name, {"external_id": of(Field.PROVIDER), "name": of(Field.PROVIDER)}),
        stages.PAYER: Origin(name, {"external_id": payer, **payer_names}),
        stages.PATIENT: Origin(name, {"external_id": patient, **birth}),
        stages.CLAIM: Origin(name, claims),
        stages.LINE: Origin(name, {"claim": claim, "number": line, "procedure_code": of(Field.PROCEDURE_CODE)}),
        stages.POSTING: Origin(
            name,
            {**postings, "posted_on": of(Field.POSTING_DATE, Field.SERVICE_DATE)},
            charges=Origin(name, {**postings, "posted_on": of(Field.SERVICE_DATE)}),
        ),
    }


def _staged_rows(file: MappedFile) -> Iterator[tuple[Any, ...]]:
    fields = list(file.mapping.columns.values())
    for row in file.rows(file.format):
        values = {**file.constants, **dict(zip(fields, row.values, strict=True))}
        yield _staged(file, row, values)


def _staged(file: MappedFile, row: Row, values: dict[Field, Any]) -> tuple[Any, ...]:
    """Return the row for the stage `MAPPED_ROW`."""
    get = values.get
    name = get(Field.PATIENT_NAME) or ", ".join(filter(None, (get(Field.LAST_NAME), get(Field.FIRST_NAME)))) or None
    primary, first_class = _payer(file, get(Field.PRIMARY_PAYER) or get(Field.PRIMARY_PAYER_ID), get(Field.PAYER_CLASS))
    second_name = get(Field.SECONDARY_PAYER) or get(Field.SECONDARY_PAYER_ID)
    secondary, second_class = _payer(file, second_name, None)
    amounts = _amounts(file, row, values, has_payer=primary is not None)
    none = ClaimStatus.NONE.value
    return (
        row.at, get(Field.CLAIM), get(Field.LINE), get(Field.PROCEDURE_CODE) or PROCEDURE_DEFAULT,
        get(Field.PATIENT) or _patient_number(name, get(Field.BIRTH_DATE)), name, get(Field.BIRTH_DATE),
        get(Field.OFFICE) or OFFICE_DEFAULT, get(Field.PROVIDER) or PROVIDER_DEFAULT, get(Field.SUPERVISING_PROVIDER),
        get(Field.CLAIM_TYPE) or ClaimType.PROFESSIONAL.value, get(Field.SERVICE_DATE), get(Field.BILLING_STATUS),
        primary and (get(Field.PRIMARY_PAYER_ID) or primary), primary, first_class,
        get(Field.PRIMARY_STATUS) or none,
        secondary and (get(Field.SECONDARY_PAYER_ID) or secondary), secondary, second_class,
        get(Field.SECONDARY_STATUS) or none,
        get(Field.HOLD), get(Field.ALLOWED), get(Field.EXPECTED), get(Field.FIRST_BILLED), get(Field.LAST_BILLED),
        get(Field.STATEMENTS_SENT), get(Field.LAST_STATEMENT), get(Field.DENIED_ON), *_denial(values),
        *amounts, get(Field.POSTING_DATE),
    )  # fmt: skip


def _denial(values: dict[Field, Any]) -> tuple[str | None, str | None]:
    """Return the group code and the CARC of the denial. The group code may precede the CARC, as in CO-29."""
    group, code = values.get(Field.DENIAL_CARC) or (None, None)
    return values.get(Field.DENIAL_GROUP) or group, code


def _payer(file: MappedFile, name: str | None, given: str | None) -> tuple[str | None, str | None]:
    """Return the payer and its class. A word such as "Self Pay" is not a payer."""
    if name is None:
        return None, None
    known = file.mapping.payer_classes.get(name) or given or payer_class(name)
    return (None, None) if known == PayerClass.SELF_PAY else (name, str(known))


def _patient_number(name: str | None, birth_date: Any) -> str | None:
    """Return a number for a patient without one. Screens and logs show numbers, so it must not reveal the name."""
    if name is None:
        return None
    who = f"{name}|{birth_date or ''}"
    return f"{MADE_NUMBER}{hashlib.sha256(who.encode()).hexdigest()[:16]}"


def _amounts(file: MappedFile, row: Row, values: dict[Field, Any], *, has_payer: bool) -> Amounts:
    if not row.is_valid:
        return _NO_AMOUNTS
    try:
        return row_amounts(values.get, file.mapping, has_payer=has_payer)
    except Untied as untied:
        column = file.header_of(untied.field)
        file.faults.add(Fault(file.format.name, str(untied), line=row.at, column=column, note=untied.note))
        return _NO_AMOUNTS


def _add_contradictions(session: Session, file: MappedFile) -> None:
    """Add a fault for each row with a different patient, payer or status than the first row of its claim."""
    row, first = stages.MAPPED_ROW, stages.MAPPED_ROW.alias("first")
    contradicted = _contradicted_columns(session)
    first_at = select(func.min(row.c.at).label("at"), row.c.claim).group_by(row.c.claim).subquery("first_at")
    for name, fields in _OF_CLAIM:
        if name not in contradicted:
            continue
        other = (
            select(row.c.at, first_at.c.at.label("first_at"), row.c.claim)
            .join(first_at, first_at.c.claim == row.c.claim)
            .join(first, and_(first.c.at == first_at.c.at, first.c[name].is_distinct_from(row.c[name])))
        )
        for found in first_faulty_rows(session, other, faults=file.faults):
            cure = "every row of a claim must have the same value here; correct the file or the claim ID"
            fault = Fault(
                file.format.name, cure, line=found.at, column=file.header_of(*fields), value=found.claim,
                note=f"line {found.first_at} has a different value", kind=FaultKind.REFERENCE,
            )  # fmt: skip
            file.faults.add(fault, times=found.times)


def _contradicted_columns(session: Session) -> set[str]:
    """Return the columns in which rows of the same claim differ. One pass is enough if there are none."""
    row, names = stages.MAPPED_ROW, [name for name, _ in _OF_CLAIM]
    given = [func.count(row.c[name]) for name in names]
    differs = [
        func.min(row.c[name]).is_distinct_from(func.max(row.c[name])) | count.between(1, func.count() - 1)
        for name, count in zip(names, given, strict=True)
    ]
    claims = (
        select(*(one.label(name) for one, name in zip(differs, names, strict=True))).group_by(row.c.claim).subquery()
    )
    found = session.execute(select(*(func.bool_or(claims.c[name]).label(name) for name in names))).one()._mapping
    return {name for name in names if found[name]}


def _add_too_many_lines(session: Session, file: MappedFile) -> None:
    """Refuse a claim with more rows than a claim may have lines. That column is probably not the claim ID."""
    row = stages.MAPPED_ROW
    rows = select(func.min(row.c.at).label("at"), row.c.claim).where(row.c.claim.is_not(None)).group_by(row.c.claim)
    for found in first_faulty_rows(session, rows.having(func.count() > LINES_MAX), faults=file.faults):
        cure = f"more than {LINES_MAX} rows have this claim ID; is this the column with the claim ID?"
        column = file.header_of(Field.CLAIM)
        fault = Fault(file.format.name, cure, line=found.at, column=column, value=found.claim, kind=FaultKind.REFERENCE)
        file.faults.add(fault, times=found.times)
    file.faults.refuse_if_any()


def _add_file_pasted_twice(session: Session, file: MappedFile) -> None:
    """Add a fault if every row is repeated. Without line numbers, all amounts would silently double."""
    if file.mapping.has(Field.LINE):
        return  # duplicate rows are then found by line number
    row = stages.MAPPED_ROW
    equal = [column for column in row.c if column.name not in ("at", "number")]
    groups = select(func.count().label("rows"), func.max(row.c.at).label("at")).group_by(*equal).subquery("groups")
    fewest, last = session.execute(select(func.min(groups.c.rows), func.max(groups.c.at))).one()
    if fewest is not None and fewest > 1:
        cure = "every row is in the file at least twice; was the file pasted twice?"
        file.faults.add(Fault(file.format.name, cure, line=last, kind=FaultKind.STRUCTURE))
