"""The user's notices: jobs that ended, halted, expire soon or need approval."""

import datetime as dt
from typing import Annotated

from pydantic import BeforeValidator, Field
from sqlalchemy.orm import Session

from core import reading
from core.access.permissions import Action, Scope
from core.enums.notices import NoticeKind
from core.jobs import event_sentences
from core.notices import inbox
from core.notices.inbox import NoticeOfEvent
from webui.api.blueprint import JOBS, api
from webui.api.models import Answer, Id
from webui.api.request_parsing import Body, Page
from webui.shared.app_context import now
from webui.shared.token_auth import current_actor


class NoticesQuery(Page):
    """A page of notices."""

    unread: Annotated[bool, Field(description="Only unread notices"), BeforeValidator(reading.parse_bool)] = False


class ReadThrough(Body):
    """The newest notice to mark as read, with all older ones."""

    through: Annotated[str | None, Field(pattern=r"^[1-9][0-9]{0,17}$", description="ID; null marks all")] = None


class NoticeAnswer(Answer):
    """A notice."""

    id: Id
    kind: NoticeKind
    words: str
    details: Annotated[
        str, Field(description="The job's name and, if the notice asks for a decision, its requester and dollars")
    ]
    settle_job_id: Id | None
    created_at: dt.datetime
    read_at: dt.datetime | None

    @classmethod
    def of(cls, one: NoticeOfEvent) -> "NoticeAnswer":
        """Return the notice as an answer."""
        notice, event, *_ = one
        return cls(
            id=notice.id, kind=notice.kind, words=event_sentences.sentence(event), details=one.details,
            settle_job_id=notice.job_id, created_at=notice.created_at, read_at=notice.read_at,
        )  # fmt: skip


class NoticesAnswer(Answer):
    """A page of notices, newest first."""

    notices: list[NoticeAnswer]
    next_cursor: str | None


class MarkedRead(Answer):
    """How many notices were marked as read."""

    marked: int


@api.get("/notices", needs=Action.SEE_CLAIMS, tag=JOBS)
def list_notices(query: NoticesQuery, session: Session) -> NoticesAnswer:
    """List the user's notices, newest first."""
    found = inbox.list_notices(
        session, current_actor(), unread_only=query.unread, before=query.after(), limit=query.limit + 1
    )
    notices, cursor = query.cut([NoticeAnswer.of(one) for one in found])
    return NoticesAnswer(notices=notices, next_cursor=cursor)


@api.post("/notices/read", needs=Action.SEE_CLAIMS, scope=Scope.POST, tag=JOBS)
def mark_notices_read(body: ReadThrough, session: Session) -> MarkedRead:
    """Mark the user's notices as read."""
    through = int(body.through) if body.through else None
    marked = inbox.mark_all_read(session, through=through, by=current_actor(), now=now())
    return MarkedRead(marked=marked)
