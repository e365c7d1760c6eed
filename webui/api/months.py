"""Month-end close: list the months, close one, reopen one."""

import datetime as dt
from collections.abc import Mapping
from typing import Annotated, Any, Final, Self

from pydantic import BaseModel, BeforeValidator, Field
from sqlalchemy.orm import Session

from core import calendar_months
from core.access.permissions import Action
from core.books import closing, month_write_offs
from core.books.closing import Month
from core.books.month_write_offs import WriteOffRow
from core.db.engine import transaction
from core.enums.ledger import Responsibility
from core.enums.practices import PeriodState
from core.errors import NotFound
from core.paging import BadCursor
from core.schedules import schedule_queries
from webui.api.blueprint import Tag, api
from webui.api.models import Answer, Id
from webui.api.request_parsing import AnyPage, Body
from webui.shared.app_context import app_context, now
from webui.shared.token_auth import current_actor

MONTHS: Final = Tag(name="Month-end close", description="Nothing can be posted to a closed month")

_POSTINGS: Final = BeforeValidator(calendar_months.posting_count)
Totals = dict[str, dict[str, dict[str, int]]]


class PeriodAct(Answer):
    """One closing or reopening of a month. Later actions never change this entry."""

    state: Annotated[PeriodState, Field(description="State after this action")]
    at: dt.datetime
    by: str | None
    reason: Annotated[str, Field(description="Reason for a reopening")]
    postings: Annotated[int, Field(validation_alias="totals", description="Postings in these totals"), _POSTINGS]
    totals: Annotated[Totals, Field(description="Totals at the close; for a reopening, at the close that it ended")]
    digest: Annotated[str | None, Field(description="Checksum from the same close; null if the month's is")]


class Period(Answer):
    """A month, with the history of its closings and reopenings."""

    month: Annotated[str, Field(description="Month, e.g. 2026-11")]
    state: PeriodState
    totals: Annotated[
        Totals | None,
        Field(description="Totals at the close: cents and count, by kind of posting and responsibility"),
    ]
    postings: Annotated[int, Field(validation_alias="totals", description="Postings in these totals"), _POSTINGS]
    current_totals: Annotated[
        Totals | None, Field(description="Totals of an open month as of this request; null for a closed month")
    ]
    digest: Annotated[
        str | None,
        Field(
            description="Checksum of all postings at the close. It is empty if there are none, and null for an open "
            "month that was never closed and for users who can't see the audit log"
        ),
    ]
    closed_by: str | None
    closed_at: dt.datetime | None
    reopened_by: str | None
    reopened_at: dt.datetime | None
    reopened_because: str | None
    history: Annotated[list[PeriodAct], Field(description="Newest first")]

    @classmethod
    def of(cls, month: Month) -> Self:
        """Return the month as an answer. Only a user who may see the audit log gets the checksums."""
        if not current_actor().may(Action.SEE_AUDIT):
            month = closing.without_digests(month)
        history = [vars(act) for act in month.history]
        return cls.model_validate(
            {**vars(month), "month": calendar_months.format_code(month.month), "history": history}
        )


class StoppedSchedule(Answer):
    """A schedule with runs in the month. Those runs will settle nothing."""

    id: Id
    name: str


class Stops(Answer):
    """Schedules and previews that can't post to the month after the close, and earlier months that stay open."""

    schedules: list[StoppedSchedule]
    settle_job_ids: Annotated[list[Id], Field(description="Previews that wait for CONFIRM and need a new posting date")]
    words: Annotated[list[str], Field(description="A sentence for each schedule and each preview")]
    earlier_open_months: Annotated[list[str], Field(description="Open months before this one, oldest first")]

    @classmethod
    def none(cls) -> Self:
        """Return the answer for a closed month: nothing."""
        return cls(schedules=[], settle_job_ids=[], words=[], earlier_open_months=[])

    @classmethod
    def of(cls, session: Session, practice_id: int, month: dt.date) -> Self:
        """Return the current state."""
        coming = schedule_queries.with_runs_in(session, practice_id, month, now=now())
        waiting = closing.waiting_previews(session, practice_id, month)
        refused = "still has runs in this month. Those runs will settle nothing."
        return cls(
            schedules=coming,
            settle_job_ids=waiting,
            words=[
                *(f"Schedule “{one.name}” {refused}" for one in coming),
                *(f"Job {job_id} is waiting for CONFIRM and needs a new posting date." for job_id in waiting),
            ],
            earlier_open_months=[
                calendar_months.format_code(one) for one in closing.earlier_open_months(session, practice_id, month)
            ],
        )


class PeriodAndStops(Period):
    """The month, and what closing it stops or would stop."""

    stops: Stops


class NetWriteOffs(Answer):
    """Write-offs of one reason or user and their reversals, for one responsibility."""

    name: Annotated[str, Field(description="Name of the write-off reason at the preview, or of the user or schedule")]
    responsibility: Responsibility
    write_offs: Annotated[int, Field(description="Number of write-offs by jobs")]
    written_off_cents: int
    reversals: Annotated[int, Field(description="Number of reversals by jobs")]
    reversed_cents: int
    later_postings: Annotated[
        int,
        Field(description="Number of postings in which later payments, adjustments or transfers changed write-offs"),
    ]
    later_cents: Annotated[int, Field(description="Recovered or adjusted later, less what was restored")]
    net_cents: Annotated[int, Field(description="Written off, less reversed and later; may be below zero")]

    @classmethod
    def of(cls, row: WriteOffRow) -> Self:
        """Return the row as an answer."""
        return cls.model_validate({**vars(row), "net_cents": row.net_cents})


class PeriodDetails(PeriodAndStops):
    """The month, with its write-offs, computed from the postings that are dated in it."""

    write_offs_by_reason: list[NetWriteOffs]
    write_offs_by_user: Annotated[
        list[NetWriteOffs], Field(description="By the user who confirmed the write-off, or the schedule that ran it")
    ]
    reversed_write_offs: Annotated[
        dict[str, dict[str, int]], Field(description="Cents and count of reversals of write-offs, by responsibility")
    ]
    voided_postings: Annotated[
        dict[str, dict[str, int]],
        Field(description="Cents and count of voids of payments, adjustments and transfers, by responsibility"),
    ]
    payer_reversals: Annotated[
        dict[str, dict[str, int]],
        Field(description="Cents and count of what remittances reversed of earlier ones, by responsibility"),
    ]


class Periods(Answer):
    """A page of months, newest first."""

    periods: list[Period]
    next_cursor: str | None


class PeriodPath(BaseModel):
    """The month, e.g. 2026-11."""

    month: str

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> Self:
        """Read it. Raise `NotFound` for an invalid month."""
        try:
            calendar_months.parse_month(given["month"])
        except calendar_months.BadMonth:
            raise NotFound("Month not found. Write it as 2026-11.") from None
        return cls(month=given["month"])


class Reopening(Body):
    """The reason for reopening a month."""

    reason: Annotated[str, Field(description="Kept on record with the month; 1 to 500 characters")] = ""


@api.get("/periods", needs=Action.SEE_CLAIMS, tag=MONTHS)
def list_periods(query: AnyPage, session: Session) -> Periods:
    """List the months from the current month back to the first date of service, with totals."""
    found = closing.list_months(session, current_actor().practice_id, now=now())
    if query.cursor:
        found = [one for one in found if one.month < _month_from_cursor(query.cursor)]
    shown = closing.with_current_totals(session, current_actor().practice_id, found[: query.limit])
    more = len(found) > len(shown)
    return Periods(
        periods=[Period.of(one) for one in shown],
        next_cursor=calendar_months.format_code(shown[-1].month) if more else None,
    )


def _month_from_cursor(cursor: str) -> dt.date:
    try:
        return calendar_months.parse_month(cursor)
    except calendar_months.BadMonth:
        raise BadCursor from None


@api.get("/periods/<month>", needs=Action.SEE_CLAIMS, tag=MONTHS)
def show_period(path: PeriodPath, session: Session) -> PeriodDetails:
    """Show one month with its write-offs and its history.

    `stops` lists what closing it would stop; it is empty for a closed month.
    """
    practice_id, day = current_actor().practice_id, calendar_months.parse_month(path.month)
    (month,) = closing.with_current_totals(session, practice_id, [closing.find(session, practice_id, day)])
    written_off = month_write_offs.for_month(session, practice_id, day)
    stops = Stops.of(session, practice_id, day) if month.state is PeriodState.OPEN else Stops.none()
    return PeriodDetails(
        **vars(Period.of(month)),
        stops=stops,
        write_offs_by_reason=[NetWriteOffs.of(row) for row in written_off.by_reason],
        write_offs_by_user=[NetWriteOffs.of(row) for row in written_off.by_user],
        reversed_write_offs=written_off.reversed_write_offs,
        voided_postings=written_off.voided,
        payer_reversals=written_off.payer_reversals,
    )


@api.get("/periods/<month>/stops", needs=Action.SEE_CLAIMS, tag=MONTHS)
def show_stops(path: PeriodPath, session: Session) -> Stops:
    """List what closing the month would stop: schedules that run in it, and previews that wait for CONFIRM.

    Earlier months that are still open are listed, too. Closing this month does not close them.
    """
    return Stops.of(session, current_actor().practice_id, calendar_months.parse_month(path.month))


@api.post("/periods/<month>/close", needs=Action.CLOSE_MONTH, tag=MONTHS, problems=[409])
def close_period(path: PeriodPath, session: Session) -> PeriodAndStops:
    """Close a month so that nothing can be posted to it. A month that is already closed does not change.

    `stops` lists the schedules and previews that can no longer post to it. To check first, use
    /periods/{month}/stops.
    """
    actor, day = current_actor(), calendar_months.parse_month(path.month)
    month = closing.close(session, day, by=actor, now=now())
    return PeriodAndStops(**vars(Period.of(month)), stops=Stops.of(session, actor.practice_id, day))


@api.post("/periods/<month>/reopen", needs=Action.CLOSE_MONTH, tag=MONTHS, problems=[409])
def reopen_period(path: PeriodPath, body: Reopening) -> Period:
    """Reopen a closed month. A reason is required."""
    with transaction(app_context().sessions) as session:
        month = closing.reopen(
            session, calendar_months.parse_month(path.month), reason=body.reason, by=current_actor(), now=now()
        )
    with app_context().sessions() as session:  # after the commit, because postings wait for it
        (month,) = closing.with_current_totals(session, current_actor().practice_id, [month])
    return Period.of(month)
