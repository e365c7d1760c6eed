"""What the API answers to CONFIRM, of the first person and of the second."""

import datetime as dt
from typing import Annotated, Literal

from pydantic import Field

from core.jobs.approval.limits import OverLimit
from webui.api.models import Answer


class Confirmed(Answer):
    """That a job is confirmed: the same answer however often it is asked; how far it is says its progress."""

    id: str
    status: Annotated[
        Literal["confirmed", "awaiting_approval"],
        Field(description="awaiting_approval: it is over a limit, and nothing happens until another person approves"),
    ]
    claims: int
    confirmed_by: str | None
    confirmed_at: Annotated[dt.datetime | None, Field(description="null while it waits for approval")]
    approved_by: str | None
    over: list[OverLimit]
    progress: Annotated[str, Field(description="Where to look how far it is")]
