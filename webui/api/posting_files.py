"""Write-off files that were marked as sent, and the layouts for such files."""

import datetime as dt
from collections.abc import Mapping
from typing import Annotated, Any, Self

from flask import Response
from pydantic import Field
from sqlalchemy.orm import Session

from core.access.permissions import Action
from core.enums import exports
from core.enums.exports import DateFormat, Sign
from core.exports import layouts, sent_files
from core.exports.layouts import Layout, LayoutColumn, NamedLayout, NoSuchLayout
from core.exports.postings import PostingsFilter
from core.exports.sent_files import NoSuchFile
from core.jobs import job_queries
from core.models.exports import PostingFile
from webui.api.blueprint import CLAIMS, TABLE_FILE, api
from webui.api.models import Answer, Id
from webui.api.request_parsing import Body, FileFormat, IdPath, OnceHeaders, Page, parse_format
from webui.claims.write_offs import send_write_offs_file
from webui.shared.app_context import now
from webui.shared.token_auth import current_actor


class NewPostingFile(Body):
    """The layout for the new file."""

    layout: Annotated[str, Field(description="Name of a layout")] = exports.STANDARD


class PostingFilePath(IdPath):
    """The file's ID."""

    missing = NoSuchFile
    file_id: str


class DownloadPath(PostingFilePath):
    """The file's ID and format."""

    form: FileFormat

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> Self:
        """Read it. Raise `NotFound` for any other format."""
        form = parse_format(given, "A write-off file is")
        return cls(file_id=PostingFilePath.of(given).file_id, form=form)


class PostingFileAnswer(Answer):
    """A write-off file that was marked as sent."""

    id: Id
    layout: Annotated[str, Field(validation_alias="layout_name")]
    sent_at: dt.datetime
    sent_by: str | None
    write_offs: int
    reversals: int
    written_off_cents: int
    reversed_cents: int


class PostingFiles(Answer):
    """A page of sent files, newest first."""

    posting_files: list[PostingFileAnswer]
    next_cursor: str | None


class LayoutPath(IdPath):
    """The layout's ID."""

    missing = NoSuchLayout
    layout_id: str


class NewLayout(Body):
    """A layout under a name."""

    name: str
    layout: Annotated[dict[str, Any], Field(description="columns, date_format, sign and totals_row, as in the answer")]


class LayoutAnswer(Answer):
    """A layout."""

    id: Annotated[Id | None, Field(description="Null for a built-in layout")]
    name: str
    columns: list[LayoutColumn]
    date_format: DateFormat
    sign: Annotated[Sign, Field(description="Sign of a write-off's amount; a reversal has the opposite sign")]
    totals_row: bool

    @classmethod
    def of(cls, named: NamedLayout) -> Self:
        """Return the layout as an answer."""
        return cls.model_validate({"id": named.id, "name": named.name, **dict(named.layout)})


class Layouts(Answer):
    """The built-in layouts, then the practice's own by name."""

    layouts: list[LayoutAnswer]


@api.get("/posting-files", needs=Action.SEE_CLAIMS, tag=CLAIMS)
def list_posting_files(query: Page, session: Session) -> PostingFiles:
    """List write-off files that were marked as sent, newest first."""
    practice_id = current_actor().practice_id
    found = sent_files.list_files(session, practice_id, before=query.after(), limit=query.limit + 1)
    shown, cursor = query.cut(found)
    return PostingFiles(posting_files=_answers(session, shown), next_cursor=cursor)


@api.post("/posting-files", needs=Action.SEND_WRITE_OFFS, tag=CLAIMS, status=201, problems=[404, 409, 503])
def send_posting_file(header: OnceHeaders, body: NewPostingFile, session: Session) -> PostingFileAnswer:
    """Create a file of all unsent write-offs and reversals, and mark it as sent. Then download it or list it."""
    key = header.idempotency_key
    file = sent_files.send(session, body.layout, key=key, by=current_actor(), now=now())
    (answer,) = _answers(session, [file])
    return answer


@api.get("/posting-files/<file_id>", needs=Action.SEE_CLAIMS, tag=CLAIMS)
def show_posting_file(path: PostingFilePath, session: Session) -> PostingFileAnswer:
    """Show one sent file."""
    (answer,) = _answers(session, [sent_files.find(session, current_actor().practice_id, path.id)])
    return answer


@api.get("/posting-files/<file_id>/write-offs.<form>", needs=Action.SEE_CLAIMS, tag=CLAIMS, file=TABLE_FILE)
def download_posting_file(path: DownloadPath) -> Response:
    """Download a sent file. It is the same each time: its postings, layout and codes never change."""
    return send_write_offs_file(PostingsFilter(file=path.id), None, path.form, by=current_actor())


@api.get("/posting-layouts", needs=Action.SEE_CLAIMS, tag=CLAIMS)
def list_posting_layouts(session: Session) -> Layouts:
    """List the layouts for write-off files."""
    found = layouts.list_layouts(session, current_actor().practice_id)
    return Layouts(layouts=[LayoutAnswer.of(one) for one in found])


@api.post("/posting-layouts", needs=Action.SEND_WRITE_OFFS, tag=CLAIMS, status=201, problems=[409])
def save_posting_layout(body: NewLayout, session: Session) -> LayoutAnswer:
    """Save a layout under a name, replacing any layout with that name. Sent files keep their old layout."""
    saved = layouts.save(session, body.name, Layout.of(body.layout), by=current_actor(), now=now())
    return LayoutAnswer.of(saved)


@api.delete("/posting-layouts/<layout_id>", needs=Action.SEND_WRITE_OFFS, tag=CLAIMS)
def delete_posting_layout(path: LayoutPath, session: Session) -> None:
    """Delete a layout. Files already sent keep their layout."""
    layouts.remove(session, path.id, by=current_actor(), now=now())


def _answers(session: Session, files: list[PostingFile]) -> list[PostingFileAnswer]:
    names = job_queries.names_of_users(session, current_actor().practice_id, {file.sent_by for file in files})
    return [PostingFileAnswer.model_validate({**vars(file), "sent_by": names.get(file.sent_by)}) for file in files]
