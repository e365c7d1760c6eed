"""Payments after write-off, and what they reversed."""

import datetime as dt
from collections.abc import Mapping
from typing import Annotated, Any, Self

from pydantic import Field
from sqlalchemy.orm import Session

from core import calendar_months, paging
from core.access.permissions import Action
from core.enums.ledger import PaidBy, PostingKind, Responsibility
from core.ledger import recoveries
from webui.api.blueprint import CLAIMS, api
from webui.api.models import Answer, Id
from webui.api.request_parsing import AnyPage
from webui.shared.token_auth import current_actor


class RecoveriesQuery(AnyPage):
    """Filters and a page of payments after write-off."""

    month: Annotated[str | None, Field(description="Month, e.g. 2026-11; all months if omitted")] = None


class RecoveredMonth(Answer):
    """Effect of payments after write-off in a month: recovered = write-offs reversed - re-posted or restored."""

    month: str
    payments: int
    taken_back_cents: Annotated[int, Field(validation_alias="reversed_cents")]
    posted_again_cents: int
    recovered_insurance_cents: Annotated[int, Field(validation_alias="insurance_cents")]
    recovered_patient_cents: Annotated[int, Field(validation_alias="patient_cents")]
    recovered_cents: int

    @classmethod
    def of(cls, month: recoveries.MonthRecoveries) -> Self:
        """Return the month as an answer."""
        given: Mapping[str, Any] = {**vars(month), "recovered_cents": month.recovered_cents}
        return cls.model_validate({**given, "month": calendar_months.format_code(month.month)})


class Recovery(Answer):
    """A payment after a write-off and its effect. On a claim, also an adjustment or a transfer."""

    posting_id: Id
    kind: PostingKind
    is_void: Annotated[bool, Field(description="Whether this is the void of a payment, an adjustment or a transfer")]
    claim_id: str
    line: int
    responsibility: Responsibility
    paid_by: PaidBy | None
    amount_cents: Annotated[int, Field(description="Negative for a posting that raised the balance, e.g. a refund")]
    posted_on: dt.date
    taken_back_cents: Annotated[
        int, Field(validation_alias="reversed_cents", description="Write-offs reversed, newest first, each in full")
    ]
    posted_again_cents: Annotated[
        int,
        Field(
            description="Remainder that was re-posted; for a refund, takeback or void, the write-off that was restored"
        ),
    ]
    recovered_cents: Annotated[
        int,
        Field(description="Reversed less re-posted or restored; negative if a refund restored a write-off"),
    ]
    settle_job_ids: Annotated[
        list[Id], Field(validation_alias="job_ids", description="Jobs that posted these write-offs")
    ]
    user: Annotated[str | None, Field(validation_alias="user_name")]


class Recoveries(Answer):
    """Payments after write-off, newest first, with totals by month."""

    months: list[RecoveredMonth]
    recoveries: list[Recovery]
    next_cursor: str | None


@api.get("/recoveries", needs=Action.SEE_CLAIMS, tag=CLAIMS)
def list_recoveries(query: RecoveriesQuery, session: Session) -> Recoveries:
    """List payments after write-off, with the write-offs that they reversed or restored."""
    practice_id = current_actor().practice_id
    month = calendar_months.parse_month(query.month) if query.month else None
    after = recoveries.parse_cursor(query.cursor) if query.cursor else None
    rows = recoveries.page(session, practice_id, month=month, after=after, limit=query.limit + 1)
    months = recoveries.totals_by_month(session, practice_id)
    shown, last = paging.cut(rows, query.limit)
    return Recoveries(
        months=[RecoveredMonth.of(one) for one in months],
        recoveries=shown,
        next_cursor=last and recoveries.cursor(last),
    )
