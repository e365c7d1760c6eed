"""The three files of a job: settled, not settled with the reason, and not processed. CSV and XLSX, streamed."""

import datetime as dt
import tempfile
from collections.abc import Iterator
from decimal import Decimal
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

import xlsxwriter
from sqlalchemy.orm import Session

from core.access import audit
from core.access.permissions import Action, Actor
from core.claims.export import ROWS_PER_PIECE, csv_pieces, escape_formula
from core.errors import NotFound
from core.jobs import codes, job_queries
from core.jobs.keys import JobKey
from core.jobs.results import outcomes
from core.jobs.results.outcomes import ItemRow, ItemsOf
from core.models.jobs import JobKind
from core.money import format_plain_amount

PAGE_CLAIMS: Final = 250  # for each query, because other threads wait while its rows are read
SHEET_ROWS_MAX: Final = 1_048_575  # rows of an XLSX sheet below its header; more rows go to another sheet
_PIECE_BYTES: Final = 65_536


class File(StrEnum):
    """One of the three files."""

    SETTLED = "settled"
    NOT_SETTLED = "not-settled"
    NOT_REACHED = "not-reached"


_OUTCOMES: Final = {
    File.SETTLED: (ItemsOf.SETTLED,),
    File.NOT_SETTLED: (ItemsOf.SKIPPED, ItemsOf.FAILED),
    File.NOT_REACHED: (ItemsOf.REMAINING,),
}
_CLAIM: Final = ("Claim ID", "Patient", "Date of Service")
COLUMN_HEADINGS: Final = {
    File.SETTLED: (*_CLAIM, "Insurance written off", "Patient written off", "Code", "What happened"),
    File.NOT_SETTLED: (
        *_CLAIM, "Outcome", "Code", "What happened", "Why", "Can be retried", "Insurance due", "Patient due"
    ),
    File.NOT_REACHED: (*_CLAIM, "Insurance due", "Patient due"),
}  # fmt: skip


def parse_file(name: str) -> File:
    """Return the file called `name`. Raise `NotFound`."""
    try:
        return File(name)
    except ValueError:
        raise NotFound(f"A job has no file {name[:40]}. Its files are {', '.join(File)}.") from None


def authorize_download(session: Session, key: JobKey, file: File, *, by: Actor, now: dt.datetime) -> None:
    """Check that `by` may download the file, and record the download in the audit. Raise `NotAllowed` and `NotFound`.

    Runs in a transaction of its own before the first byte, because a download that breaks off was read too.
    """
    by.require(Action.SEE_CLAIMS)
    job = job_queries.find(session, key)
    audit.record(session, "job.file_downloaded", job, by=by, now=now, file=file.value)


def file_name(key: JobKey, file: File, form: str) -> str:
    """Return the name of the downloaded file."""
    return f"job-{key.job_id}-{file}.{form}"


def csv_file(session: Session, key: JobKey, file: File) -> Iterator[str]:
    """Yield the file as CSV, in pieces. Text that a spreadsheet would take for a formula is escaped."""
    rows = ([_csv_cell(cell) for cell in row] for row in _rows(session, key, file))
    return csv_pieces(_head(session, key, file), rows)


def _csv_cell(cell: str | int) -> str:
    return format_plain_amount(cell) if isinstance(cell, int) else escape_formula(cell)


def xlsx_file(session: Session, key: JobKey, file: File) -> Iterator[bytes]:
    """Yield the file as XLSX, in pieces. Cells are written as text, so that none can be a formula.

    The first pieces are empty, one for each few rows written, so that the caller can pause between them.
    """
    with tempfile.TemporaryDirectory(prefix="settle-") as folder:
        path = Path(folder) / "job.xlsx"
        yield from (b"" for _ in _write_workbook(path, _head(session, key, file), _rows(session, key, file)))
        with path.open("rb") as written:
            while piece := written.read(_PIECE_BYTES):
                yield piece


def _write_workbook(path: Path, head: tuple[str, ...], rows: Iterator[list[str | int]]) -> Iterator[None]:
    """Write the workbook and yield after each few rows."""
    # Constant memory: each row is on disk when the next one begins.
    with xlsxwriter.Workbook(path, {"constant_memory": True, "tmpdir": str(path.parent)}) as book:
        bold, money = book.add_format({"bold": True}), book.add_format({"num_format": "#,##0.00"})
        sheet: Any = None
        for count, row in enumerate(rows):
            at = count % SHEET_ROWS_MAX
            if at == 0:
                sheet = _sheet(book, head, bold)
            for column, cell in enumerate(row):
                if isinstance(cell, int):
                    # xlsxwriter writes 16 digits of a number. A float of 8.19 would become 8.190000000000001.
                    sheet.write_number(at + 1, column, Decimal(cell) / 100, money)
                else:
                    sheet.write_string(at + 1, column, cell)
            if count % ROWS_PER_PIECE == 0:
                yield
        if sheet is None:
            _sheet(book, head, bold)


def _sheet(book: Any, head: tuple[str, ...], bold: Any) -> Any:
    sheet = book.add_worksheet()
    sheet.freeze_panes(1, 0)
    sheet.set_column(0, len(head) - 1, 18)
    for column, title in enumerate(head):
        sheet.write_string(0, column, title, bold)
    return sheet


def _head(session: Session, key: JobKey, file: File) -> tuple[str, ...]:
    if job_queries.find(session, key).kind is not JobKind.REVERSE:
        return COLUMN_HEADINGS[file]
    return tuple(title.replace("written off", "restored") for title in COLUMN_HEADINGS[file])


def _rows(session: Session, key: JobKey, file: File) -> Iterator[list[str | int]]:
    """Yield the rows: text, and amounts as integer cents."""
    for outcome in _OUTCOMES[file]:
        after = 0
        while page := outcomes.items(session, key, outcome=outcome, after_position=after, limit=PAGE_CLAIMS):
            yield from (_row(file, item) for item in page)
            after = page[-1].position
            session.expunge_all()


def _row(file: File, item: ItemRow) -> list[str | int]:
    claim: list[str | int] = [item.claim_id, item.patient_name, f"{item.service_date:%m/%d/%Y}"]
    due: list[str | int] = [item.insurance_due, item.patient_due]
    if file is File.SETTLED:
        return [*claim, item.insurance_cents, item.patient_cents, item.code or "", item.words or ""]
    if file is File.NOT_REACHED:
        return [*claim, *due]
    reasons = "; ".join(f"{label}: {value}" for label, value in codes.rule_values(item.why))
    outcome = item.outcome.value if item.outcome else ""
    again = "yes" if item.retryable else "no"
    return [*claim, outcome, item.code or "", item.words or "", reasons, again, *due]
