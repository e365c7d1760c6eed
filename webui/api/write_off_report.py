"""The write-offs report, and the claims behind each of its amounts."""

import datetime as dt
from typing import Annotated, Self

from flask import Response
from pydantic import BeforeValidator, Field
from sqlalchemy.orm import Session

from core.access.permissions import Action
from core.books import report_request, write_off_claims, write_off_report
from core.books.write_off_groups import Asked
from core.books.write_off_report import Amounts, ReportRow
from core.enums.write_off_report import Column, Dimension
from webui.api.blueprint import CLAIMS, CSV_FILE, XLSX_FILE, api
from webui.api.models import Answer
from webui.api.request_parsing import AnyPage, Parameters
from webui.claims.write_off_report import GROUPS, send_report_file
from webui.shared.app_context import app_context
from webui.shared.token_auth import current_actor, current_day

_By = Annotated[
    tuple[Dimension, ...],
    BeforeValidator(lambda given: (given,) if isinstance(given, str) else given),
    Field(description="Repeat it to group by several; default: month and reason"),
]
_First = Annotated[str, Field(description="First month, e.g. 2026-01; default: eleven months before the last")]
_Last = Annotated[str, Field(description="Last month; default: the current month")]


class ReportQuery(Parameters):
    """The months, and what to group by."""

    first: _First = ""
    last: _Last = ""
    by: _By = ()

    def asked(self, session: Session) -> Asked:
        """Return what is asked for. Raise `BadMonth` and `BadReport`."""
        return report_request.parse_asked(self.first, self.last, self.by, today=current_day(session))


class ReportClaimsQuery(AnyPage):
    """An amount of the report: its column, its months, and the codes of its group."""

    column: Annotated[Column, Field(description="The amount")] = Column.NET
    first: _First = ""
    last: _Last = ""
    reason: Annotated[str | None, Field(description="Name of the write-off reason")] = None
    payer_class: str | None = None
    payer: Annotated[str | None, Field(description="Payer ID; empty for self-pay")] = None
    provider: Annotated[str | None, Field(description="Provider ID")] = None
    person: Annotated[str | None, Field(description="Code of the user or schedule, from the report")] = None


class ReportAmounts(Answer):
    """Written off − reversed − recovered − adjusted later = net."""

    written_off_cents: int
    insurance_cents: Annotated[int, Field(description="Insurance part of what was written off")]
    patient_cents: Annotated[int, Field(description="Patient part of what was written off")]
    reversed_cents: Annotated[int, Field(description="Reversed by jobs")]
    recovered_cents: Annotated[int, Field(description="Reversed by payments after the write-off; can be negative")]
    adjusted_later_cents: Annotated[int, Field(description="Reversed by later adjustments and transfers")]
    net_cents: int
    charges_cents: Annotated[
        int | None,
        Field(description="Charges of the same months, payers and providers; null for a group by reason or user"),
    ]
    rate_basis_points: Annotated[int | None, Field(description="Net per charges, in hundredths of a percent")]

    @classmethod
    def of(cls, one: Amounts) -> Self:
        """Return the amounts as an answer."""
        return cls(
            written_off_cents=one.written_off_cents, insurance_cents=one.insurance_cents,
            patient_cents=one.patient_cents, reversed_cents=one.reversed_cents, recovered_cents=one.recovered_cents,
            adjusted_later_cents=one.replaced_cents, net_cents=one.net_cents, charges_cents=one.charges_cents,
            rate_basis_points=one.rate_basis_points,
        )  # fmt: skip


class GroupValue(Answer):
    """A value that a row is grouped by."""

    code: Annotated[str, Field(description="For /reports/write-offs/claims")]
    name: str


class WriteOffGroup(ReportAmounts):
    """The amounts of one group."""

    group: Annotated[dict[Dimension, GroupValue], Field(description="By what was asked for")]

    @classmethod
    def of_row(cls, row: ReportRow) -> Self:
        """Return the row as an answer."""
        return cls(**vars(ReportAmounts.of(row.amounts)), group=row.values)


class WriteOffReport(Answer):
    """Write-offs of a range of months."""

    first: dt.date
    last: Annotated[dt.date, Field(description="First day of the last month")]
    rows: list[WriteOffGroup]
    total: ReportAmounts


class ReportClaim(Answer):
    """A claim, and its part of the amount."""

    claim_id: str
    service_date: dt.date
    payer: str
    provider: str
    cents: int


class ReportClaims(Answer):
    """A page of claims, the largest amounts first."""

    claims: list[ReportClaim]
    count: Annotated[int, Field(description="Claims on all pages")]
    cents: Annotated[int, Field(description="Sum of all pages: the amount in the report")]
    next_cursor: str | None


@api.get("/reports/write-offs", needs=Action.SEE_CLAIMS, tag=CLAIMS)
def show_write_off_report(query: ReportQuery, session: Session) -> WriteOffReport:
    """Return what was written off, why and by whom, and how much of it was reversed or recovered."""
    asked = query.asked(session)
    found = write_off_report.report(session, current_actor().practice_id, asked)
    return WriteOffReport(
        first=asked.first, last=asked.last, rows=[WriteOffGroup.of_row(row) for row in found.rows],
        total=ReportAmounts.of(found.total),
    )  # fmt: skip


@api.get("/reports/write-offs.csv", needs=Action.SEE_CLAIMS, tag=CLAIMS, file=CSV_FILE)
def export_write_off_report(query: ReportQuery) -> Response:
    """Download the write-offs report as CSV."""
    return _file(query, "csv")


@api.get("/reports/write-offs.xlsx", needs=Action.SEE_CLAIMS, tag=CLAIMS, file=XLSX_FILE)
def export_write_off_report_xlsx(query: ReportQuery) -> Response:
    """Download the write-offs report as XLSX."""
    return _file(query, "xlsx")


def _file(query: ReportQuery, form: str) -> Response:
    with app_context().sessions() as session:
        asked = query.asked(session)
    return send_report_file(asked, form, by=current_actor())


@api.get("/reports/write-offs/claims", needs=Action.SEE_CLAIMS, tag=CLAIMS)
def list_report_claims(query: ReportClaimsQuery, session: Session) -> ReportClaims:
    """List the claims behind an amount of the report. Claims without a net effect are left out."""
    asked = report_request.parse_asked(query.first, query.last, [], today=current_day(session))
    group = {one.value: getattr(query, one.value) for one in GROUPS}
    amount = report_request.parse_amount(query.column, asked, group)
    found = write_off_claims.page(
        session, current_actor().practice_id, amount, cursor=query.cursor or None, limit=query.limit
    )
    return ReportClaims(claims=found.rows, count=found.claims, cents=found.cents, next_cursor=found.next_cursor)
