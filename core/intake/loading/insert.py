"""Insert staged rows into the practice as sets. Balances are summed from the staged postings."""

import datetime as dt
from functools import cache, lru_cache
from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    FromClause,
    Insert,
    Select,
    Table,
    and_,
    case,
    insert,
    literal,
    null,
    select,
)
from sqlalchemy.orm import Session, aliased

from core.access.permissions import Actor
from core.enums.ledger import PostingKind
from core.intake.loading import stages
from core.intake.loading.references import CLAIM_REFERENCES
from core.ledger.balances import CLAIM_CACHED_COLUMNS, LINE_CACHED_COLUMNS, claim_sums, line_sums, or_zero
from core.models.claims import Claim, LineItem
from core.models.ledger import Posting
from core.models.practices import BillingStatus, Office, Patient, Payer, Provider

REFERENCE_TABLES: Final[tuple[tuple[Any, Table], ...]] = (
    (Office, stages.OFFICE),
    (Provider, stages.PROVIDER),
    (Payer, stages.PAYER),
    (Patient, stages.PATIENT),
)
COLLECTION_COLUMNS: Final = ("statements_sent", "last_statement_on", "denied_on", "denial_group", "denial_carc")
STAGED_CLAIM_COLUMNS: Final = (
    "external_id",
    "claim_type",
    "service_date",
    "service_time",
    "billing_status",
    "primary_status",
    "secondary_status",
    "hold",
    "allowed",
    "expected",
    "first_edi_on",
    "last_edi_on",
    *COLLECTION_COLUMNS,
)
STAGED_POSTING_COLUMNS: Final = (
    "line",
    "responsibility",
    "kind",
    "amount_cents",
    "paid_by",
    "group_code",
    "reason_code",
    "posted_on",
)

# In a row of a file, charges come first. Not by ctid: an UPDATE of the stage with a join mixes it up.
_KIND: Final = case({PostingKind.CHARGE.value: 0, PostingKind.PAYMENT.value: 1, PostingKind.ADJUSTMENT.value: 2},
                    value=stages.POSTING.c.kind, else_=3)  # fmt: skip
POSTING_ORDER: Final = (stages.POSTING.c.at, _KIND, stages.POSTING.c.source_id.collate("C"))


def insert_reference_rows(session: Session, practice_id: int) -> None:
    """Insert the staged billing statuses, offices, providers, payers and patients."""
    session.execute(_reference_rows(practice_id))


@lru_cache
def _reference_rows(practice_id: int) -> Select[Any]:
    """Return one statement, because a round trip for each takes longer than the insertion of a few rows."""
    status = stages.BILLING_STATUS
    # After the standard statuses.
    statuses = select(literal(practice_id), status.c.name, status.c.at + 1000)
    insertions = [insert(BillingStatus).from_select(["practice_id", "name", "position"], statuses)]
    for table, stage in REFERENCE_TABLES:
        columns = [column.name for column in stage.c if column.name != "at"]
        staged = select(literal(practice_id), *(stage.c[name] for name in columns)).order_by(stage.c.at)
        insertions.append(insert(table).from_select(["practice_id", *columns], staged))
    return select(literal(1)).add_cte(*(one.cte(f"insertion_{place}") for place, one in enumerate(insertions)))


def sum_lines(session: Session) -> None:
    """Sum the staged postings of each line, once for totals, claims and lines."""
    stages.clear_stages(session, stages.LINE_SUM)
    session.execute(_line_sums())
    stages.analyze(session, stages.LINE_SUM.name)


@cache
def _line_sums() -> Insert:
    postings = stages.POSTING
    entries = select(
        postings.c.claim.label("claim_id"),
        postings.c.line,
        postings.c.responsibility,
        postings.c.kind,
        postings.c.amount_cents,
        postings.c.paid_by,
        postings.c.posted_on,
    ).subquery("entries")
    summed = line_sums(entries)
    return insert(stages.LINE_SUM).from_select(summed.selected_columns.keys(), summed)


def insert_claims(
    session: Session, practice_id: int, *, source: str | None, by: Actor | None = None, now: dt.datetime
) -> None:
    """Insert the staged claims with their lines and postings. The rows that they refer to must exist.

    Call `sum_lines` first. `source` says where the postings came from. A source and a source id are unique together in
    the practice.
    """
    session.execute(_claims(practice_id, claim_sums(stages.LINE_SUM).subquery("claim_sums")))
    session.execute(_lines(practice_id, stages.LINE_SUM))
    session.execute(_postings(practice_id, source=source, by=by, now=now))


def _claims(practice_id: int, sums: FromClause) -> Insert:
    staged = stages.CLAIM
    records = {name: aliased(one.table) for name, one in CLAIM_REFERENCES.items()}
    columns = {
        "id": staged.c.id,
        **{one.column.key: records[name].id for name, one in CLAIM_REFERENCES.items()},
        **{name: staged.c[name] for name in STAGED_CLAIM_COLUMNS},
        **{name: or_zero(sums, name) for name in CLAIM_CACHED_COLUMNS},
    }
    rows = select(literal(practice_id), literal(1), literal(value=False), *columns.values()).select_from(staged)
    for name, one in CLAIM_REFERENCES.items():
        named = and_(records[name].practice_id == practice_id, records[name].external_id == staged.c[name])
        rows = rows.join(records[name], named, isouter=not one.is_required)
    rows = rows.outerjoin(sums, sums.c.claim_id == staged.c.external_id).order_by(staged.c.id)
    return insert(Claim).from_select(
        ["practice_id", "version", "balance_mismatch", *columns], rows, include_defaults=False
    )


def _lines(practice_id: int, sums: FromClause) -> Insert:
    staged, claim = stages.LINE, stages.CLAIM
    columns = {
        "claim_id": claim.c.id,
        "number": staged.c.number,
        "procedure_code": staged.c.procedure_code,
        **{name: or_zero(sums, name) for name in LINE_CACHED_COLUMNS},
    }
    rows = (
        select(literal(practice_id), *columns.values())
        .select_from(staged)
        .join(claim, claim.c.external_id == staged.c.claim)
        .outerjoin(sums, and_(sums.c.claim_id == staged.c.claim, sums.c.line == staged.c.number))
        .order_by(claim.c.id, staged.c.number)
    )
    return insert(LineItem).from_select(["practice_id", *columns], rows, include_defaults=False)


def _postings(practice_id: int, *, source: str | None, by: Actor | None, now: dt.datetime) -> Insert:
    staged, claim = stages.POSTING, stages.CLAIM
    columns = {
        "claim_id": claim.c.id,
        "created_at": literal(now),
        "user_id": literal(by.user_id if by else None, BigInteger),
        "source": null() if source is None else literal(source),
        "source_id": staged.c.source_id,
        **{name: staged.c[name] for name in STAGED_POSTING_COLUMNS},
    }
    rows = (
        select(literal(practice_id), *columns.values())
        .select_from(staged)
        .join(claim, claim.c.external_id == staged.c.claim)
        .order_by(claim.c.id, *POSTING_ORDER)
    )
    return insert(Posting).from_select(["practice_id", *columns], rows, include_defaults=False)
