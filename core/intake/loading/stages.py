"""The temporary tables of an import. Rows are copied here, checked as sets, and inserted as sets.

A row refers to others by their external ids, as the files do. `at` is the line of the file. Columns with a fault are
null, so that one fault does not cause others.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from typing import Any, Final, cast

import psycopg
from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Date,
    Integer,
    MetaData,
    SmallInteger,
    Table,
    Text,
    TextClause,
    Time,
    text,
)
from sqlalchemy.dialects import postgresql
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session
from sqlalchemy.schema import CreateTable

_STAGES: Final = MetaData()
_OWN: Final = MetaData()


def new_stage(name: str, *columns: Column[Any], made: Column[Any] | None = None, is_own: bool = False) -> Table:
    """Return a stage with the columns `at` and `columns`. PostgreSQL fills in `made`. `is_own`: see `open_stages`."""
    return Table(
        f"stage_{name}",
        _OWN if is_own else _STAGES,
        Column("at", Integer),
        *columns,
        *([] if made is None else [made]),
        prefixes=["TEMPORARY"],
        postgresql_on_commit="DROP",
    )


def _posting_columns() -> tuple[Column[Any], ...]:
    return (
        Column("source_id", Text),
        Column("claim", Text),
        Column("line", SmallInteger),
        Column("responsibility", Text),
        Column("kind", Text),
        Column("amount_cents", BigInteger),
        Column("paid_by", Text),
        Column("group_code", Text),
        Column("reason_code", Text),
        Column("posted_on", Date),
    )


BILLING_STATUS: Final = new_stage("billing_status", Column("name", Text))
OFFICE: Final = new_stage("office", Column("external_id", Text), Column("name", Text))
PROVIDER: Final = new_stage("provider", Column("external_id", Text), Column("name", Text))
PAYER: Final = new_stage("payer", Column("external_id", Text), Column("name", Text), Column("payer_class", Text))
PATIENT: Final = new_stage("patient", Column("external_id", Text), Column("name", Text), Column("birth_date", Date))
CLAIM: Final = new_stage(
    "claim",
    Column("external_id", Text),
    Column("patient", Text),
    Column("office", Text),
    Column("billing_provider", Text),
    Column("supervising_provider", Text),
    Column("claim_type", Text),
    Column("service_date", Date),
    Column("service_time", Time),
    Column("billing_status", Text),
    Column("primary_payer", Text),
    Column("primary_status", Text),
    Column("secondary_payer", Text),
    Column("secondary_status", Text),
    Column("hold", Text),
    Column("allowed", BigInteger),
    Column("expected", BigInteger),
    Column("first_edi_on", Date),
    Column("last_edi_on", Date),
    Column("statements_sent", Integer),
    Column("last_statement_on", Date),
    Column("denied_on", Date),
    Column("denial_group", Text),
    Column("denial_carc", Text),
    # The future id of the claim, so that lines and postings do not have to look it up.
    made=Column("id", BigInteger, server_default=text("nextval(pg_get_serial_sequence('claim', 'id'))")),
)
LINE: Final = new_stage("line", Column("claim", Text), Column("number", SmallInteger), Column("procedure_code", Text))
POSTING: Final = new_stage("posting", *_posting_columns())
# The practice's postings with a staged id, and those of staged claims. `recognized`: with the values from an export.
KNOWN_POSTING: Final = new_stage("known_posting", *_posting_columns(), Column("recognized", Boolean))
# Staged postings that the ledger already has in a different form. They have no `at`.
RECOGNIZED: Final = new_stage("recognized", *_posting_columns())
# The postings on claims in the files that the files change or, without `at`, no longer contain.
CORRECTION: Final = new_stage(
    "correction",
    *_posting_columns()[:2],
    *(
        Column(f"{when}_{column.name}", Text if column.name == "posted_on" else column.type)
        for when in ("old", "new")
        for column in _posting_columns()[2:]
    ),
    *(Column(name, Boolean) for name in ("corrected_before", "recognized", "is_new")),
)
# Postings that come in only with the corrections: the corrections of a check, and new postings that are held back.
TO_POST: Final = new_stage("to_post", *_posting_columns())
# A line with its charge, as a practice writes it. LINE and POSTING are made from it.
CHARGED_LINE: Final = new_stage(
    "charged_line",
    Column("claim", Text),
    Column("number", SmallInteger),
    Column("procedure_code", Text),
    Column("charge", BigInteger),
    Column("responsibility", Text),
    is_own=True,
)

# Synthea's ledger as in its file. LINE and POSTING are made from it.
SYNTHEA_ROW: Final = new_stage(
    "synthea_row",
    Column("id", Text),
    Column("claim", Text),
    Column("number", BigInteger),
    Column("type", Text),
    Column("amount", BigInteger),
    Column("method", Text),
    Column("owner", Text),
    Column("payment", BigInteger),
    Column("adjustment", BigInteger),
    Column("transfer", BigInteger),
    Column("office", Text),
    Column("procedure_code", Text),
    Column("posted_on", Date),
    is_own=True,
)

# One row of an office's own file, with its amounts as postings. The other stages are made from it.
MAPPED_ROW: Final = new_stage(
    "mapped_row",
    Column("claim", Text),
    Column("number", Integer),
    Column("procedure_code", Text),
    Column("patient", Text),
    Column("patient_name", Text),
    Column("birth_date", Date),
    Column("office", Text),
    Column("provider", Text),
    Column("supervising_provider", Text),
    Column("claim_type", Text),
    Column("service_date", Date),
    Column("billing_status", Text),
    Column("primary_payer", Text),
    Column("primary_name", Text),
    Column("primary_class", Text),
    Column("primary_status", Text),
    Column("secondary_payer", Text),
    Column("secondary_name", Text),
    Column("secondary_class", Text),
    Column("secondary_status", Text),
    Column("hold", Text),
    Column("allowed", BigInteger),
    Column("expected", BigInteger),
    Column("first_edi_on", Date),
    Column("last_edi_on", Date),
    Column("statements_sent", Integer),
    Column("last_statement_on", Date),
    Column("denied_on", Date),
    Column("denial_group", Text),
    Column("denial_carc", Text),
    Column("base", Text),  # who owes the charge first: insurance or patient
    *(Column(f"{name}_charge", BigInteger) for name in ("insurance", "patient")),
    *(Column(f"{name}_paid", BigInteger) for name in ("primary", "secondary", "patient")),
    *(Column(name, BigInteger) for name in ("adjusted", "difference", "to_patient")),
    Column("posted_on", Date),
)


# What the staged postings of a line sum to. `sum_lines` makes it from POSTING.
LINE_SUM: Final = new_stage(
    "line_sum",
    Column("claim_id", Text),
    Column("line", SmallInteger),
    *(Column(name, BigInteger) for name in ("charge", "insurance_due", "patient_due", "adjustment")),
    *(Column(f"{name}_paid", BigInteger) for name in ("primary", "secondary", "patient")),
    Column("last_payment_on", Date),
)

# The balance of an existing claim according to the files. `reason`: why the import leaves another one.
FILE_BALANCE: Final = new_stage(
    "file_balance", Column("claim_id", BigInteger), Column("cents", BigInteger), Column("reason", Text)
)
# The write-offs that a checked import would reverse or, below zero, restore.
WRITE_OFF_MOVE: Final = new_stage("write_off_move", Column("claim", Text), Column("cents", BigInteger))

# A field in which a staged row differs from the practice's record. `at` is the line of the file.
DIFFERENCE: Final = new_stage(
    "difference",
    Column("record", Text),
    Column("number", Text),
    Column("field", Text),
    Column("old", Text),
    Column("new", Text),
)


PRIVATE_FIELDS: Final = {("patient", "name"), ("patient", "birth_date")}
"""The fields, by record, that most outputs hide."""


def record_of(stage: Table) -> str:
    """Return the kind of record of a stage, such as patient."""
    return stage.name.removeprefix("stage_")


def is_private(stage: Table, name: str) -> bool:
    """Return whether the column contains patients' names or dates of birth."""
    return (record_of(stage), name) in PRIVATE_FIELDS


def open_stages(session: Session, *own: Table) -> None:
    """Create the empty stages of this transaction, and those of this kind of import. They are dropped at its end."""
    session.execute(_opening(own))


@cache
def _opening(own: tuple[Table, ...]) -> TextClause:
    """Return the statements as one text. A round trip for each took a tenth of a small import."""
    wanted, dialect = (*_STAGES.tables.values(), *own), postgresql.dialect()  # type: ignore[no-untyped-call]
    creates = (str(CreateTable(stage).compile(dialect=dialect)) for stage in wanted)
    # Sort sets of this size in memory. The queries finish before JIT can compile them.
    return text("; ".join(["SET LOCAL work_mem = '128MB'", "SET LOCAL jit = off", *creates]))


def clear_stages(session: Session, *stages: Table) -> None:
    """Empty the stages for the next batch."""
    session.execute(text("TRUNCATE " + ", ".join(stage.name for stage in stages)))


def analyze(session: Session, *tables: str) -> None:
    """Refresh the planner's statistics, which autovacuum would do minutes later, and never for temporary tables."""
    session.execute(text("ANALYZE " + ", ".join(tables)))


def refresh_statistics(session: Session, *tables: str) -> None:
    """Refresh the planner's statistics of permanent tables, which only their owner may do."""
    session.execute(text("SELECT refresh_statistics(:tables)"), {"tables": list(tables)})


def copy_rows(session: Session, stage: Table, rows: Iterable[tuple[Any, ...]]) -> None:
    """Copy rows, in the order of the stage's columns. Memory does not grow with their number."""
    copy_columns(session, stage.name, [column.name for column in stage.c if column.server_default is None], rows)


def copy_columns(session: Session, table: str, columns: Sequence[str], rows: Iterable[tuple[Any, ...]]) -> None:
    """Copy rows of these columns into a temporary table. Memory does not grow with their number."""
    with _copy_into(session, table, columns) as copy:
        for row in rows:
            copy.write_row(row)


def insert_copied(session: Session, table: str, columns: Sequence[str], rows: Iterable[tuple[Any, ...]]) -> None:
    """Copy rows of these columns into a permanent table, which COPY itself cannot do under row-level security."""
    names = ", ".join(columns)
    empty = f"SELECT {names} FROM {table} WITH NO DATA"  # noqa: S608 – names of ours
    session.execute(text(f"CREATE TEMP TABLE copied ON COMMIT DROP AS {empty}"))
    copy_columns(session, "copied", columns, rows)
    session.execute(text(f"INSERT INTO {table} ({names}) SELECT * FROM copied"))  # noqa: S608 – names of ours
    session.execute(text("DROP TABLE copied"))


def copy_text(session: Session, stage: Table, texts: Iterable[str]) -> None:
    """Copy rows that are COPY text. Memory does not grow with their number."""
    columns = [column.name for column in stage.c if column.server_default is None]
    with _copy_into(session, stage.name, columns) as copy:
        for text_ in texts:
            copy.write(text_)


@contextmanager
def _copy_into(session: Session, table: str, columns: Sequence[str]) -> Iterator[psycopg.Copy]:
    connection = cast("psycopg.Connection[Any]", session.connection().connection.driver_connection)
    statement = f"COPY {table} ({', '.join(columns)}) FROM STDIN"
    try:
        with connection.cursor() as cursor, cursor.copy(statement.encode()) as copy:
            yield copy
    except psycopg.Error as error:  # callers recognize a full disk only by SQLAlchemy's error
        raise DBAPIError.instance(statement, None, error, psycopg.Error, hide_parameters=True) from error
