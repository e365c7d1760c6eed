"""Write-off files for the practice-management system, with or without marking postings as sent.

A sent file records which postings it contains. The next one contains the write-offs and reversals that are not marked
as sent. Workers do not commit postings in id order, so "every id above the last one" would miss postings that commit
late.
"""

import datetime as dt
from collections.abc import Callable, Iterator, Mapping, Sequence
from http import HTTPStatus
from typing import Any, ClassVar, Final

from sqlalchemy import exists, insert, literal, select, text
from sqlalchemy.orm import Session

from core.access import audit
from core.access.audit import Subject
from core.access.permissions import Action, Actor
from core.claims.export import Cell
from core.claims.table_files import Table, table_file
from core.db import locks, timeouts
from core.enums import exports
from core.enums.exports import Column, Sign
from core.enums.ledger import PostingKind
from core.errors import NotFound, Refusal, or_raise
from core.exports import layouts, postings
from core.exports.layouts import Layout, LayoutColumn
from core.exports.postings import PostingRow, PostingsFilter, PostingTotals
from core.jobs import job_queries
from core.jobs.keys import JobKey
from core.jobs.preview.freezing import BadIdempotencyKey, IdempotencyMismatch
from core.models.exports import PostingFile, SentPosting
from core.models.ledger import Posting
from core.models.people import AuditEntry

SEND_SECONDS: Final = 600  # millions of postings are one statement
KEY_CHARACTERS_MAX: Final = 200

_LOCK: Final = text("SELECT pg_advisory_xact_lock(hashtextextended('sent write-offs', :practice_id))")
_KINDS: Final = {PostingKind.WRITE_OFF: "write-off", PostingKind.REVERSAL: "reversal"}


class NothingToSend(Refusal):
    """There are no new write-offs or reversals to send."""

    http_status = HTTPStatus.CONFLICT


class FileBusy(Refusal):
    """Another write-off file is being created right now. Try again in a minute."""

    http_status = HTTPStatus.SERVICE_UNAVAILABLE
    retry_after_seconds: ClassVar[int | None] = 60


class NoSuchFile(NotFound):
    """This practice has no write-off file with that number."""


def send(session: Session, layout_name: str, *, key: str, by: Actor, now: dt.datetime) -> PostingFile:
    """Mark every posting that is not yet in a sent file as sent, in a new file. Return the file.

    The same key returns the same file. Raise `NothingToSend`, `FileBusy`, `NoSuchLayout`, `BadIdempotencyKey`, and
    `IdempotencyMismatch` if the key was used with a different layout.
    """
    by.require(Action.SEND_WRITE_OFFS)
    if not 1 <= len(key) <= KEY_CHARACTERS_MAX or not key.isprintable():
        raise BadIdempotencyKey
    layout = layouts.find(session, by.practice_id, layout_name)
    timeouts.set_timeouts(session, statement_seconds=SEND_SECONDS)
    # A request that waited sees what the previous one committed.
    with locks.waiting(session, FileBusy):
        lock_unsent(session, by.practice_id)
    of_key = (PostingFile.practice_id == by.practice_id, PostingFile.sent_by == by.user_id)
    same = session.scalar(select(PostingFile).where(*of_key, PostingFile.idempotency_key == key))
    if same is not None:
        if same.layout_name != layout.name:
            raise IdempotencyMismatch
        return same
    values = {
        "practice_id": by.practice_id, "idempotency_key": key, "sent_by": by.user_id, "sent_at": now,
        "layout_name": layout.name, "layout": layout.layout.model_dump(mode="json"),
        "codes": postings.current_codes(session, by.practice_id),
        "write_offs": 0, "reversals": 0, "written_off_cents": 0, "reversed_cents": 0,
    }  # fmt: skip
    file = session.scalars(insert(PostingFile).values(values).returning(PostingFile)).one()
    sums = _take_new_postings(session, file)
    if not sums.postings:
        raise NothingToSend
    for name, value in sums._asdict().items():
        setattr(file, name, value)
    session.flush()
    _record(session, "write_offs.sent", file.id, by, now, postings=sums.postings, net_cents=sums.net_cents)
    return file


def lock_unsent(session: Session, practice_id: int) -> None:
    """Lock the practice's unsent postings until commit, because only one transaction may mark a posting as sent."""
    session.execute(_LOCK, {"practice_id": practice_id})


def _take_new_postings(session: Session, file: PostingFile) -> PostingTotals:
    """Record the file's postings with one statement, which sees one snapshot. Return their totals.

    A posting that commits later goes into the next file.
    """
    found = postings.joined(select(*postings.SENT_VALUES.values(), Posting.kind, Posting.amount_cents))
    new = postings.narrowed(found, file.practice_id, PostingsFilter(unsent=True)).cte("new")
    rows = select(*(new.c[name] for name in postings.SENT_VALUES), literal(file.id))
    taken = insert(SentPosting).from_select([*postings.SENT_VALUES, "file_id"], rows).cte("taken")
    sums = select(*postings.sums(new.c.kind, new.c.amount_cents)).add_cte(taken)
    return PostingTotals(*map(int, session.execute(sums).one()))


def list_files(session: Session, practice_id: int, *, before: int | None = None, limit: int) -> Sequence[PostingFile]:
    """Return the practice's sent files, newest first, with ids below `before`."""
    found = select(PostingFile).where(PostingFile.practice_id == practice_id)
    if before is not None:
        found = found.where(PostingFile.id < before)
    return session.scalars(found.order_by(PostingFile.id.desc()).limit(limit)).all()


def find(session: Session, practice_id: int, file_id: int) -> PostingFile:
    """Return the sent file. Raise `NoSuchFile`."""
    return or_raise(session.get(PostingFile, (practice_id, file_id)), NoSuchFile)


def require_known(session: Session, practice_id: int, wanted: PostingsFilter) -> None:
    """Raise `NoSuchJob` or `NoSuchFile` if the practice does not have the job or file that the filter names."""
    if wanted.job is not None:
        job_queries.find(session, JobKey(practice_id, wanted.job))
    if wanted.file is not None:
        find(session, practice_id, wanted.file)


def authorize_download(
    session: Session, wanted: PostingsFilter, layout_name: str | None, *, by: Actor, now: dt.datetime
) -> None:
    """Check that `by` may download, that file and layout exist, and record it. Raise what `draw` raises.

    Run this in a separate transaction before the first byte, because even an incomplete download has been read.
    """
    by.require(Action.SEE_CLAIMS)
    require_known(session, by.practice_id, wanted)
    if wanted.file is not None:
        was_downloaded = _was_downloaded(session, by.practice_id, wanted.file)
        act = "write_offs.drawn_again" if was_downloaded else "write_offs.file_downloaded"
        _record(session, act, wanted.file, by, now)
        return
    layouts.find(session, by.practice_id, layout_name or exports.STANDARD)
    given = wanted.model_dump(mode="json", exclude_defaults=True)
    audit.record(session, "write_offs.downloaded", Subject.practice(by.practice_id), by=by, now=now, **given)


def draw(
    session: Session, practice_id: int, wanted: PostingsFilter, layout_name: str | None, form: str
) -> Iterator[str] | Iterator[bytes]:
    """Yield the file as `csv` or `xlsx`, in pieces. A sent file keeps its layout and codes from when it was sent.

    Raise `NoSuchFile` and `NoSuchLayout`.
    """
    if wanted.file is not None:
        file = find(session, practice_id, wanted.file)
        layout, codes = Layout.model_validate(file.layout), file.codes
    else:
        layout = layouts.find(session, practice_id, layout_name or exports.STANDARD).layout
        codes = postings.current_codes(session, practice_id)
    table = Table(
        head=[one.title for one in layout.columns],
        rows=_cells(layout, postings.stream(session, practice_id, wanted, codes=codes)),
        date_format=layout.date_format,
        totals_row=layout.totals_row,
    )
    return table_file(table, form)


def _cells(layout: Layout, rows: Iterator[PostingRow]) -> Iterator[list[Cell]]:
    columns = [_value_of(one, layout.sign) for one in layout.columns]
    for row in rows:
        yield [value(row) for value in columns]


def _value_of(one: LayoutColumn, sign: Sign) -> Callable[[PostingRow], Cell]:
    """Return the function that makes the cells in a column."""
    if one.column is Column.TEXT:
        return lambda _: one.text
    if one.column is Column.AMOUNT and sign is Sign.POSITIVE:
        return lambda row: -row.amount_cents
    return _VALUES[one.column]


_VALUES: Final[Mapping[Column, Callable[[PostingRow], Cell]]] = {
    Column.CLAIM_ID: lambda row: row.claim_id,
    Column.PATIENT_ID: lambda row: row.patient_id,
    Column.PATIENT: lambda row: row.patient,
    Column.SERVICE_DATE: lambda row: row.service_date,
    Column.LINE: lambda row: str(row.line),
    Column.PROCEDURE_CODE: lambda row: row.procedure_code,
    Column.RESPONSIBILITY: lambda row: row.responsibility.value,
    Column.AMOUNT: lambda row: row.amount_cents,
    Column.POSTING_DATE: lambda row: row.posting_date,
    Column.KIND: lambda row: _KINDS[row.kind],
    Column.REASON: lambda row: row.reason,
    Column.ADJUSTMENT_CODE: lambda row: row.adjustment_code,
    Column.GL_ACCOUNT: lambda row: row.gl_account,
    Column.JOB: lambda row: str(row.job or ""),
    Column.USER: lambda row: row.user or "",
    Column.POSTING_ID: lambda row: str(row.posting_id),
    Column.REVERSES_POSTING_ID: lambda row: str(row.reverses_posting_id or ""),
    Column.IMPORT_ID: lambda row: f"batch-settle-{row.posting_id}",
}


def file_name(wanted: PostingsFilter, form: str, *, today: dt.date) -> str:
    """Return the name of the downloaded file."""
    part = f"file-{wanted.file}" if wanted.file else f"job-{wanted.job}" if wanted.job else f"{today}"
    return f"write-offs-{part}.{form}"


def _was_downloaded(session: Session, practice_id: int, file_id: int) -> bool:
    of_file = (AuditEntry.practice_id == practice_id, AuditEntry.subject == f"file:{file_id}")
    # An earlier version recorded the first download like the later ones.
    acts = ("write_offs.file_downloaded", "write_offs.drawn_again")
    return bool(session.scalar(select(exists().where(*of_file, AuditEntry.act.in_(acts)))))


def _record(session: Session, act: str, file_id: int, by: Actor, now: dt.datetime, **facts: Any) -> None:
    subject = Subject.of("file", file_id, practice_id=by.practice_id)
    audit.record(session, act, subject, by=by, now=now, **facts)
