"""Credit balances."""

import datetime as dt
from typing import Annotated, Self

from flask import Response
from pydantic import Field
from sqlalchemy.orm import Session

from core.access.permissions import Action
from core.enums.ledger import Responsibility
from core.enums.practices import PayerClass
from core.ledger import credit_balances
from core.ledger.credit_balances import CreditsFilter
from webui.api.blueprint import CLAIMS, CSV_FILE, XLSX_FILE, api
from webui.api.models import Answer
from webui.api.request_parsing import AnyPage, Parameters
from webui.claims.credit_balances import send_credits_file
from webui.shared.app_context import app_context
from webui.shared.token_auth import current_actor, current_day


class CreditsFileQuery(Parameters):
    """Filters for credits."""

    responsibility: Responsibility | None = None
    payer_class: Annotated[PayerClass | None, Field(description="The primary or secondary payer's class")] = None
    at_least_cents: Annotated[credit_balances.AtLeastCents | None, Field(description="Minimum credit on the line")] = (
        None
    )

    def narrowed(self) -> CreditsFilter:
        """Return only the filter."""
        return CreditsFilter(
            responsibility=self.responsibility, payer_class=self.payer_class, at_least_cents=self.at_least_cents
        )


class CreditsQuery(AnyPage, CreditsFileQuery):
    """Filters and a page of credits."""


class Credit(Answer):
    """A credit balance on a line, for one responsibility."""

    claim_id: str
    patient: Annotated[str, Field(validation_alias="patient_name")]
    service_date: dt.date
    line: int
    procedure_code: str
    responsibility: Responsibility
    credit_cents: Annotated[int, Field(description="The credit as a positive amount")]
    claim_due_cents: Annotated[int, Field(description="Balance on the claim for this responsibility, all lines")]
    payer: Annotated[str | None, Field(description="Primary payer")]
    payer_class: PayerClass | None
    secondary_payer: str | None
    secondary_payer_class: PayerClass | None
    since: Annotated[dt.date, Field(description="Date of the posting that created the credit")]
    days: int
    return_by: Annotated[
        dt.date | None,
        Field(description="For Medicare or Medicaid overpayments: 60 days from today, as if identified today"),
    ]
    return_to: Annotated[str | None, Field(description="The payer to refund: primary or secondary")]

    @classmethod
    def of(cls, credit: credit_balances.Credit, today: dt.date) -> Self:
        """Return the credit as an answer."""
        return cls.model_validate({**vars(credit), **credit.values_on(today)})


class CreditTotals(Answer):
    """Totals for all matching credits."""

    lines: int
    claims: int
    insurance_cents: int
    patient_cents: int


class Credits(Answer):
    """A page of credits, oldest date of service first."""

    credits: list[Credit]
    totals: CreditTotals
    next_cursor: str | None


@api.get("/credits", needs=Action.SEE_CLAIMS, tag=CLAIMS)
def list_credits(query: CreditsQuery, session: Session) -> Credits:
    """List every line with a credit balance."""
    practice_id, wanted = current_actor().practice_id, query.narrowed()
    today = current_day(session)
    page = credit_balances.page(session, practice_id, wanted, cursor=query.cursor or None, limit=query.limit)
    totals = credit_balances.totals(session, practice_id, wanted)
    return Credits(credits=[Credit.of(row, today) for row in page.rows], totals=totals, next_cursor=page.next_cursor)


@api.get("/credits.csv", needs=Action.SEE_CLAIMS, tag=CLAIMS, file=CSV_FILE)
def export_credits(query: CreditsFileQuery) -> Response:
    """Download every matching line with a credit balance as CSV. The audit log records the download."""
    return _file(query, "csv")


@api.get("/credits.xlsx", needs=Action.SEE_CLAIMS, tag=CLAIMS, file=XLSX_FILE)
def export_credits_xlsx(query: CreditsFileQuery) -> Response:
    """Download every matching line with a credit balance as XLSX. The audit log records the download."""
    return _file(query, "xlsx")


def _file(query: CreditsFileQuery, form: str) -> Response:
    with app_context().sessions() as session:
        today = current_day(session)
    return send_credits_file(query.narrowed(), form, today=today, by=current_actor())
