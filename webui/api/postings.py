"""Write-offs and their reversals across the whole practice, for integrators."""

import datetime as dt
from collections.abc import Mapping
from typing import Annotated, Any, Self

from flask import Response
from pydantic import Field
from sqlalchemy.orm import Session

from core.access.permissions import Action
from core.enums.ledger import PostingKind, Responsibility
from core.exports import postings, sent_files
from core.exports.postings import PostingsFilter
from webui.api.blueprint import CLAIMS, TABLE_FILE, api
from webui.api.models import Answer, Id
from webui.api.request_parsing import AnyPage, FileFormat, Parameters, parse_format
from webui.claims.write_offs import send_write_offs_file
from webui.shared.token_auth import current_actor


class PostingsQuery(AnyPage, PostingsFilter):
    """Filters and a page of postings."""


class PostingsFileQuery(Parameters, PostingsFilter):
    """Filters, and the layout for the file."""

    layout: Annotated[str, Field(description="Name of a layout; a sent file has its own")] = "Standard"


class PostingsFilePath(Parameters):
    """The format of the file."""

    form: FileFormat

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> Self:
        """Read it. Raise `NotFound` for any other format."""
        return cls(form=parse_format(given, "Write-offs are"))


class PostingAnswer(Answer):
    """A write-off, or the reversal of a write-off."""

    posting_id: Id
    kind: PostingKind
    claim_id: str
    patient_id: Annotated[str, Field(description="The practice's own patient ID")]
    patient: str
    service_date: dt.date
    line: int
    procedure_code: str
    responsibility: Responsibility
    amount_cents: Annotated[int, Field(description="Negative lowers the balance: a write-off. A reversal is positive")]
    posting_date: dt.date
    posted_at: dt.datetime
    reason: Annotated[str, Field(description="Name of the practice's reason at the job's preview")]
    reason_code: str
    adjustment_code: str
    gl_account: str
    settle_job_id: Annotated[Id | None, Field(validation_alias="job")]
    user: str | None
    reverses_posting_id: Id | None


class Postings(Answer):
    """A page of postings, ordered by claim, line and posting."""

    postings: list[PostingAnswer]
    next_cursor: str | None


def narrowed(query: PostingsFilter) -> PostingsFilter:
    """Return only the filter."""
    given = query.model_fields_set & PostingsFilter.model_fields.keys()
    return PostingsFilter.model_validate({name: getattr(query, name) for name in given})


@api.get("/postings", needs=Action.SEE_CLAIMS, tag=CLAIMS, problems=[404])
def list_write_offs(query: PostingsQuery, session: Session) -> Postings:
    """List write-offs and their reversals.

    To fetch only what is new, create a posting file and list its postings. Do not rely on the highest posting_id that
    you have seen, because workers do not commit postings in the order of their IDs.
    """
    practice_id, wanted = current_actor().practice_id, narrowed(query)
    sent_files.require_known(session, practice_id, wanted)
    page = postings.page(session, practice_id, wanted, cursor=query.cursor or None, limit=query.limit)
    return Postings(postings=page.rows, next_cursor=page.next_cursor)


@api.get("/postings.<form>", needs=Action.SEE_CLAIMS, tag=CLAIMS, file=TABLE_FILE)
def download_write_offs(path: PostingsFilePath, query: PostingsFileQuery) -> Response:
    """Download write-offs and their reversals in a layout, as CSV or XLSX. The audit log records the download."""
    return send_write_offs_file(narrowed(query), query.layout, path.form, by=current_actor())
