"""The new postings on existing claims, listed before the import."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from sqlalchemy import Select, Text, and_, case, cast, func, select
from sqlalchemy.orm import Session

from core.claims.export import escape_formula
from core.db.sums import sum_cents
from core.intake.loading import stages
from core.intake.loading.correction_entry import Entry
from core.intake.loading.insert import STAGED_POSTING_COLUMNS
from core.ledger.late_forecast import reversals_by
from core.models.claims import Claim
from core.money import format_plain_amount

FIRST: Final = 10
NEW_POSTING_COLUMNS: Final = (
    *("claim_id", "service_date", "line", "responsibility", "kind", "amount", "paid_by", "group_code", "reason_code"),
    *("posting_date", "reversed_write_off"),
)
_READ_AT_ONCE: Final = 1_000
_STAGE: Final = stages.POSTING


@dataclass(frozen=True)
class NewPosting:
    """A new posting on an existing claim, and the cents of a write-off that it reverses or, below zero, restores."""

    claim_id: str
    service_date: str
    entry: Entry
    reversed_cents: int

    def facts(self) -> dict[str, Any]:
        """Return it as JSON."""
        return {**vars(self), "entry": {**self.entry._asdict(), "named": self.entry.named}}

    def cells(self) -> tuple[str, ...]:
        """Return it as a row of `NEW_POSTING_COLUMNS`. A payment is below zero, a refund above."""
        one = self.entry
        return (
            escape_formula(self.claim_id), self.service_date, str(one.line), one.responsibility, one.kind_in_file,
            format_plain_amount(one.amount_cents), one.paid_by or "", one.group_code or "", one.reason_code or "",
            one.posted_on, format_plain_amount(self.reversed_cents) if self.reversed_cents else "",
        )  # fmt: skip


@dataclass(frozen=True)
class NewPostings:
    """How many postings are new on existing claims, by how many cents they change the A/R, and the first of them."""

    count: int = 0
    cents: int = 0
    first: list[NewPosting] = field(default_factory=list)

    def facts(self) -> dict[str, Any]:
        """Return it as JSON."""
        return {**vars(self), "first": [one.facts() for one in self.first]}


def list_new_postings(session: Session, practice_id: int) -> NewPostings:
    """Return the new postings. Call it before they are inserted."""
    sums = select(func.count(), sum_cents(_STAGE.c.amount_cents)).join(Claim, _of_claim(practice_id))
    first = [_posting(row) for row in session.execute(_rows(practice_id).limit(FIRST))]
    return NewPostings(*session.execute(sums).one(), first)


def all_new_postings(session: Session, practice_id: int) -> Iterator[NewPosting]:
    """Yield every new posting, in constant memory."""
    yield from map(_posting, session.execute(_rows(practice_id), execution_options={"yield_per": _READ_AT_ONCE}))


def _of_claim(practice_id: int) -> Any:
    return and_(Claim.practice_id == practice_id, Claim.external_id == _STAGE.c.claim)


def _rows(practice_id: int) -> Select[Any]:
    """Return the new postings: those that reverse a write-off first, then in the order of the file."""
    changes = reversals_by(practice_id, select(_STAGE).cte("rows")).subquery("changes")
    cents = func.coalesce(changes.c.cents, 0)
    values = (cast(_STAGE.c[name], Text) if name == "posted_on" else _STAGE.c[name] for name in STAGED_POSTING_COLUMNS)
    return (
        select(Claim.external_id, cast(Claim.service_date, Text), cents, *values)
        .join_from(_STAGE, Claim, _of_claim(practice_id))
        .outerjoin(changes, changes.c.source_id == _STAGE.c.source_id)
        .order_by(case((cents == 0, 1), else_=0), _STAGE.c.at, _STAGE.c.source_id)
    )


def _posting(row: Any) -> NewPosting:
    claim_id, service_date, cents, *values = row
    return NewPosting(claim_id, service_date, Entry(*values), cents)
