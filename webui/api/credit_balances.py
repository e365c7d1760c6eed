"""Credits: what was paid too much."""

import datetime as dt
from typing import Annotated, Self

from flask import Response, jsonify
from pydantic import Field

from core.access.permissions import Action
from core.ledger import credits as work_list
from core.ledger.credits import CreditsFilter
from core.models.ledger import Responsibility
from core.models.practices import PayerClass
from core.practices import practice_days, queries
from webui.api.blueprint import CLAIMS, api
from webui.api.models import Answer
from webui.api.request_parsing import LIMIT_DEFAULT, Limit, Parameters, requires
from webui.shared.app_context import app_context, now
from webui.shared.token_auth import current_actor


class CreditsQuery(Parameters):
    """Which credits."""

    responsibility: Responsibility | None = None
    payer_class: Annotated[PayerClass | None, Field(description="Of either payer")] = None
    at_least_cents: Annotated[work_list.AtLeastCents | None, Field(description="The credit of the line")] = None
    cursor: Annotated[str, Field(description="next_cursor of the page before; empty for the first page")] = ""
    limit: Limit = LIMIT_DEFAULT

    def narrowed(self) -> CreditsFilter:
        """The filter alone."""
        return CreditsFilter(
            responsibility=self.responsibility, payer_class=self.payer_class, at_least_cents=self.at_least_cents
        )


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


@api.get("/credits", tags=[CLAIMS], responses={200: Credits})
@requires(Action.SEE_CLAIMS)
def list_credits(query: CreditsQuery) -> Response:
    """List every line on which a payer or a patient has a credit."""
    practice_id, wanted = current_actor().practice_id, query.narrowed()
    with app_context().sessions() as session:
        today = practice_days.today(queries.find(session, practice_id), now=now())
        page = work_list.page(session, practice_id, wanted, cursor=query.cursor or None, limit=query.limit)
        totals = work_list.totals(session, practice_id, wanted)
    answer = Credits(
        credits=[Credit.of(row, today) for row in page.rows],
        totals=CreditTotals.model_validate(totals._asdict()),
        next_cursor=page.next_cursor,
    )
    return jsonify(answer.json_ready())
