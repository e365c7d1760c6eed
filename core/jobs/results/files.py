"""The three files of a job: settled, not settled with the reason, and not processed. CSV and XLSX, streamed."""

import datetime as dt
from collections.abc import Iterator
from typing import Final

from sqlalchemy.orm import Session

from core.access import audit
from core.access.permissions import Action, Actor
from core.claims import table_files
from core.claims.export import Cell
from core.claims.table_files import Table
from core.enums.jobs import JobFile, JobKind
from core.errors import NotFound
from core.jobs import codes, job_queries
from core.jobs.keys import JobKey
from core.jobs.results import outcomes
from core.jobs.results.outcomes import ItemRow, ItemsOf
from core.models.claims import Claim
from core.models.job_items import JobItem

PAGE_CLAIMS: Final = 250  # for each query, because other threads wait while its rows are read


_CLAIM: Final = ("Claim ID", "Patient", "Date of Service")
COLUMN_HEADINGS: Final = {
    JobFile.SETTLED: (*_CLAIM, "Insurance written off", "Patient written off", "Code", "What happened", "Job name"),
    JobFile.NOT_SETTLED: (
        *_CLAIM, "Outcome", "Code", "What happened", "Why", "Can be tried again", "Insurance balance",
        "Patient balance", "Job name",
    ),
    JobFile.NOT_PROCESSED: (*_CLAIM, "Insurance balance", "Patient balance", "Job name"),
}  # fmt: skip


def parse_file(name: str) -> JobFile:
    """Return the file called `name`. Raise `NotFound`."""
    try:
        return JobFile(name)
    except ValueError:
        raise NotFound(f"A job has no file named {name[:40]}. Its files are {', '.join(JobFile)}.") from None


def authorize_download(session: Session, key: JobKey, file: JobFile, *, by: Actor, now: dt.datetime) -> None:
    """Check that `by` may download the file, and log the download in the audit log. Raise `NotAllowed` and `NotFound`.

    Runs in its own transaction before the first byte is sent, because even an interrupted download discloses data.
    """
    by.require(Action.SEE_CLAIMS)
    job = job_queries.find(session, key)
    audit.record(session, "job.file_downloaded", job, by=by, now=now, file=file.value)


def file_name(key: JobKey, file: JobFile, form: str) -> str:
    """Return the name of the downloaded file."""
    return f"job-{key.job_id}-{file}.{form}"


def csv_file(session: Session, key: JobKey, file: JobFile, *, now: dt.datetime) -> Iterator[str]:
    """Yield the file as CSV, in pieces."""
    return table_files.csv_file(_table(session, key, file, now=now))


def xlsx_file(session: Session, key: JobKey, file: JobFile, *, now: dt.datetime) -> Iterator[bytes]:
    """Yield the file as XLSX, in pieces."""
    return table_files.xlsx_file(_table(session, key, file, now=now))


def _table(session: Session, key: JobKey, file: JobFile, *, now: dt.datetime) -> Table:
    return Table(_head(session, key, file), _rows(session, key, file, now=now))


def _head(session: Session, key: JobKey, file: JobFile) -> tuple[str, ...]:
    if job_queries.find(session, key).kind is not JobKind.REVERSE:
        return COLUMN_HEADINGS[file]
    return tuple(title.replace("written off", "restored") for title in COLUMN_HEADINGS[file])


def _rows(session: Session, key: JobKey, file: JobFile, *, now: dt.datetime) -> Iterator[list[Cell]]:
    """Yield the rows: text, dates, and amounts as integer cents."""
    name = job_queries.find(session, key).name
    match file:
        case JobFile.SETTLED:
            columns = (JobItem.insurance_cents, JobItem.patient_cents, JobItem.code)
            for *cells, code in outcomes.stream(session, key, ItemsOf.SETTLED, *columns):
                yield [*cells, code or "", codes.describe(code) if code else "", name]
        case JobFile.NOT_PROCESSED:
            dues = (Claim.insurance_due, Claim.patient_due)
            yield from ([*cells, name] for cells in outcomes.stream(session, key, ItemsOf.REMAINING, *dues))
        case JobFile.NOT_SETTLED:
            yield from ([*_not_settled(item), name] for item in _items(session, key, now=now))


def _items(session: Session, key: JobKey, *, now: dt.datetime) -> Iterator[ItemRow]:
    for outcome in (ItemsOf.SKIPPED, ItemsOf.FAILED):
        after = 0
        while page := outcomes.items(
            session, key, outcome=outcome, after_position=after, limit=PAGE_CLAIMS, again_at=now
        ):
            yield from page
            after = page[-1].position
            session.expunge_all()


def _not_settled(item: ItemRow) -> list[Cell]:
    reasons = "; ".join(f"{label}: {value}" for label, value in codes.rule_values(item.why))
    outcome = item.outcome.value if item.outcome else ""
    return [
        item.claim_id, item.patient_name, item.service_date, outcome, item.code or "", item.words or "", reasons,
        item.try_again_words or "", item.insurance_due, item.patient_due,
    ]  # fmt: skip
