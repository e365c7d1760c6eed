"""What was paid too much, and what was paid late: credits and recoveries."""

import datetime as dt
from collections.abc import Mapping
from typing import Annotated, Any, Self

from flask import Response, jsonify
from pydantic import Field

from core.access.permissions import Action
from core.ledger import credits as work_list, recoveries
from core.ledger.credits import CreditsFilter
from core.ledger.models import PaidBy, PostingKind, Responsibility
from core.practices import calendar, periods, queries
from core.practices.models import PayerClass
from webui.api.blueprint import CLAIMS, api
from webui.api.models import Answer, Id
from webui.api.reading import LIMIT_DEFAULT, Limit, Parameters, asks, current_actor
from webui.door import door, now


class CreditsQuery(Parameters):
    """Which credits."""

    responsibility: Responsibility | None = None
    payer_class: Annotated[PayerClass | None, Field(description="Of either payer")] = None
    at_least_cents: Annotated[str | None, Field(description="The credit of the line")] = None
    cursor: Annotated[str, Field(description="next_cursor of the page before; empty for the first page")] = ""
    limit: Limit = LIMIT_DEFAULT

    def narrowed(self) -> CreditsFilter:
        """The filter alone."""
        given = self.model_dump(mode="json", exclude={"cursor", "limit"}, exclude_none=True)
        return CreditsFilter.of(given)


class Credit(Answer):
    """A line and responsibility below zero."""

    claim_id: str
    patient: Annotated[str, Field(validation_alias="patient_name")]
    service_date: dt.date
    line: int
    procedure_code: str
    responsibility: Responsibility
    credit_cents: Annotated[int, Field(description="Above zero")]
    claim_due_cents: Annotated[int, Field(description="Of this responsibility, all lines together")]
    payer: Annotated[str | None, Field(description="The primary")]
    payer_class: PayerClass | None
    secondary_payer: str | None
    secondary_payer_class: PayerClass | None
    since: Annotated[dt.date, Field(description="The date of the posting that took the line below zero")]
    days: int
    return_by: Annotated[
        dt.date | None,
        Field(
            description="Of what Medicare or Medicaid paid: 60 days from today, were it identified today. Information"
        ),
    ]
    return_to: Annotated[str | None, Field(description="Which payer that is, the primary or the secondary")]

    @classmethod
    def of(cls, credit: work_list.Credit, today: dt.date) -> Self:
        """The credit as an answer."""
        return cls.model_validate({**vars(credit), **credit.reckoned(today)})


class CreditTotals(Answer):
    """Of all that match."""

    lines: int
    claims: int
    insurance_cents: int
    patient_cents: int


class Credits(Answer):
    """Some credits, the oldest date of service first."""

    credits: list[Credit]
    totals: CreditTotals
    next_cursor: str | None


class RecoveriesQuery(Parameters):
    """Which late payments."""

    month: Annotated[str | None, Field(description="Such as 2026-11; of all months without it")] = None
    cursor: Annotated[str, Field(description="next_cursor of the page before; empty for the first page")] = ""
    limit: Limit = LIMIT_DEFAULT


class RecoveredMonth(Answer):
    """What late payments took back in a month: recovered = taken back - posted again."""

    month: str
    payments: int
    taken_back_cents: int
    posted_again_cents: int
    recovered_insurance_cents: Annotated[int, Field(validation_alias="insurance_cents")]
    recovered_patient_cents: Annotated[int, Field(validation_alias="patient_cents")]
    recovered_cents: int

    @classmethod
    def of(cls, month: recoveries.RecoveredMonth) -> Self:
        """The month as an answer."""
        given: Mapping[str, Any] = {**vars(month), "recovered_cents": month.recovered_cents}
        return cls.model_validate({**given, "month": periods.name_of(month.month)})


class Recovery(Answer):
    """A payment (on a claim also an adjustment or a transfer) that came after the write-off, and what it took back."""

    posting_id: Id
    kind: PostingKind
    claim_id: str
    line: int
    responsibility: Responsibility
    paid_by: PaidBy | None
    amount_cents: Annotated[int, Field(description="Above zero")]
    posted_on: dt.date
    taken_back_cents: Annotated[
        int, Field(description="Write-offs that stood: the newest, as many as it needed, each whole")
    ]
    posted_again_cents: Annotated[int, Field(description="What it left of the last of them")]
    recovered_cents: int
    settle_job_ids: Annotated[list[Id], Field(validation_alias="job_ids", description="Whose write-offs they were")]
    user: Annotated[str | None, Field(validation_alias="user_name")]


class Recoveries(Answer):
    """Late payments, the newest first, and what they took back by month."""

    months: list[RecoveredMonth]
    recoveries: list[Recovery]
    next_cursor: str | None


@api.get("/credits", tags=[CLAIMS], responses={200: Credits})
@asks(Action.SEE_CLAIMS)
def list_credits(query: CreditsQuery) -> Response:
    """List every line on which a payer or a patient has a credit."""
    practice_id, wanted = current_actor().practice_id, query.narrowed()
    with door().sessions() as session:
        today = calendar.today(queries.find(session, practice_id), now=now())
        page = work_list.page(session, practice_id, wanted, cursor=query.cursor or None, limit=query.limit)
        totals = work_list.totals(session, practice_id, wanted)
    answer = Credits(
        credits=[Credit.of(row, today) for row in page.rows],
        totals=CreditTotals.model_validate(totals._asdict()),
        next_cursor=page.next_cursor,
    )
    return jsonify(answer.json_ready())


@api.get("/recoveries", tags=[CLAIMS], responses={200: Recoveries})
@asks(Action.SEE_CLAIMS)
def list_recoveries(query: RecoveriesQuery) -> Response:
    """List payments that came after a write-off, and what they took back."""
    practice_id = current_actor().practice_id
    month = periods.named(query.month) if query.month else None
    after = recoveries.place(query.cursor) if query.cursor else None
    with door().sessions() as session:
        rows = recoveries.page(session, practice_id, month=month, after=after, limit=query.limit + 1)
        months = recoveries.by_month(session, practice_id)
    shown = rows[: query.limit]
    answer = Recoveries(
        months=[RecoveredMonth.of(one) for one in months],
        recoveries=[Recovery.model_validate(row) for row in shown],
        next_cursor=recoveries.cursor(shown[-1]) if len(rows) > len(shown) else None,
    )
    return jsonify(answer.json_ready())
