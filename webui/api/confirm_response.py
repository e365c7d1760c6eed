"""The answer to a requester's CONFIRM and to an approver's."""

import datetime as dt
from typing import Annotated, Literal

from pydantic import Field

from core.jobs.approval.limits import OverLimit
from webui.api.models import Answer


class Confirmed(Answer):
    """A confirmed job. Repeating CONFIRM gives the same answer; see `progress` for how far the job is."""

    id: str
    status: Annotated[
        Literal["confirmed", "awaiting_approval"],
        Field(description="awaiting_approval: over a limit; nothing happens until another user approves it"),
    ]
    status_words: Annotated[str, Field(description="The status as a sentence shows it")]
    claims: int
    confirmed_by: str | None
    confirmed_at: Annotated[dt.datetime | None, Field(description="Null while it waits for approval")]
    approved_by: str | None
    over: list[OverLimit]
    progress: Annotated[str, Field(description="Address of the job's progress")]
