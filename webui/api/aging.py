"""The A/R aging."""

import datetime as dt
from typing import Annotated, Self

from flask import Response
from pydantic import Field
from sqlalchemy.orm import Session

from core.access.permissions import Action
from core.claims import aging
from core.claims.age_buckets import BUCKETS, Bucket
from core.claims.aging import AgingRow, Sum
from core.enums.ledger import Responsibility
from webui.api.blueprint import CLAIMS, CSV_FILE, XLSX_FILE, api
from webui.api.models import Answer
from webui.claims.aging import send_aging_file
from webui.shared.app_context import app_context
from webui.shared.token_auth import current_actor, current_day


class AgedSum(Answer):
    """Claims with a balance, and its sum."""

    claims: int
    cents: int


class AgeBucket(AgedSum):
    """Balances above zero whose age is in a range of days since the date of service."""

    first_day: int
    last_day: Annotated[int | None, Field(description="Last day of the range; null: no limit")]

    @classmethod
    def in_bucket(cls, one: Sum, bucket: Bucket) -> Self:
        """Return the sum of a bucket as an answer."""
        return cls(claims=one.claims, cents=one.cents, first_day=bucket.first, last_day=bucket.last)


class AgingOfPayer(Answer):
    """The balances of claims with the same primary payer."""

    responsibility: Responsibility
    payer_id: Annotated[str | None, Field(description="Primary payer; null: self-pay")]
    payer: str | None
    buckets: list[AgeBucket]
    owed: Annotated[AgedSum, Field(description="Balances above zero, at any age")]
    credits: Annotated[AgedSum, Field(description="Balances below zero, as a negative sum")]
    net_cents: int

    @classmethod
    def of(cls, side: Responsibility, row: AgingRow) -> Self:
        """Return the row as an answer."""
        return cls(
            responsibility=side,
            payer_id=row.payer_id,
            payer=row.payer,
            buckets=[AgeBucket.in_bucket(one, bucket) for one, bucket in zip(row.owed, BUCKETS, strict=True)],
            owed=row.total,
            credits=row.credits,
            net_cents=row.net_cents,
        )


class AgingReport(Answer):
    """Balances by age, responsibility and primary payer."""

    as_of: Annotated[dt.date, Field(description="Today in the practice's time zone")]
    rows: list[AgingOfPayer]
    net_cents: Annotated[int, Field(description="Net A/R of the practice")]


@api.get("/aging", needs=Action.SEE_CLAIMS, tag=CLAIMS)
def show_aging(session: Session) -> AgingReport:
    """Return the A/R aging as of today."""
    today = current_day(session)
    found = aging.aging(session, current_actor().practice_id, today=today)
    rows = [AgingOfPayer.of(side, row) for side, of in found.rows.items() for row in of]
    return AgingReport(as_of=today, rows=rows, net_cents=found.all.net_cents)


@api.get("/aging.csv", needs=Action.SEE_CLAIMS, tag=CLAIMS, file=CSV_FILE)
def export_aging() -> Response:
    """Download the A/R aging as CSV."""
    return _file("csv")


@api.get("/aging.xlsx", needs=Action.SEE_CLAIMS, tag=CLAIMS, file=XLSX_FILE)
def export_aging_xlsx() -> Response:
    """Download the A/R aging as XLSX."""
    return _file("xlsx")


def _file(form: str) -> Response:
    with app_context().sessions() as session:
        today = current_day(session)
    return send_aging_file(form, today=today, by=current_actor())
