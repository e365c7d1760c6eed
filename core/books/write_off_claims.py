"""The claims behind an amount of the write-offs report: the sum of the list is the amount."""

import datetime as dt
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from sqlalchemy import ColumnElement, Select, and_, case, func, or_, select, text, tuple_, union_all
from sqlalchemy.orm import Session, aliased

from core import calendar_months
from core.books.write_off_groups import person_code, reason_name
from core.enums.job_items import Outcome
from core.enums.jobs import JobKind
from core.enums.ledger import PostingKind
from core.enums.practices import SELF_PAY, PayerClass
from core.enums.write_off_report import Column, Dimension
from core.models.claims import Claim
from core.models.job_items import JobItem
from core.models.jobs import SettleJob
from core.models.ledger import Posting
from core.models.practices import Patient, Payer, Provider
from core.paging import read_cursor, write_cursor

_CAUSE: Final = aliased(Posting, name="cause")
_VOIDED: Final = aliased(Posting, name="voided")
_POSTER: Final = aliased(SettleJob, name="poster")
_SIGN: Final = 10**17  # added to cents, because a cursor has no sign


@dataclass(frozen=True)
class Amount:
    """Which amount: its column, its months, and the codes of the group."""

    column: Column
    first: dt.date
    last: dt.date
    group: dict[Dimension, str] = field(default_factory=dict)


class ClaimShare(NamedTuple):
    """A claim, and its part of the amount."""

    id: int
    claim_id: str
    patient: str
    service_date: dt.date
    payer: str
    provider: str
    cents: int


class ClaimPage(NamedTuple):
    """A page of the claims, the largest first, and the number and sum of all."""

    rows: list[ClaimShare]
    claims: int
    cents: int
    next_cursor: str | None


def page(session: Session, practice_id: int, amount: Amount, *, cursor: str | None, limit: int) -> ClaimPage:
    """Return a page of the claims behind the amount. Claims without a net effect are left out. Raise `BadCursor`."""
    session.execute(text("SELECT set_config('jit', 'off', true)"))
    entries = union_all(*_entries(practice_id, amount)).subquery("entries")
    cents = func.sum(entries.c.cents)
    by_claim = (
        select(entries.c.claim_id, cents.label("cents"), func.count().over().label("claims"),
               func.sum(cents).over().label("total"))
        .group_by(entries.c.claim_id).having(cents != 0).cte("by_claim")
    )  # fmt: skip
    found = select(by_claim).order_by(by_claim.c.cents.desc(), by_claim.c.claim_id).limit(limit + 1)
    if cursor:
        after_cents, after_id = read_cursor(cursor, numbers=2)
        found = found.where(tuple_(-by_claim.c.cents, by_claim.c.claim_id) > tuple_(_SIGN - after_cents, after_id))
    rows = session.execute(found).all()
    if not rows:
        return ClaimPage([], 0, 0, None)
    shown = rows[:limit]
    last = shown[-1] if len(rows) > limit else None
    return ClaimPage(
        _named(session, practice_id, {row.claim_id: int(row.cents) for row in shown}),
        rows[0].claims,
        int(rows[0].total),
        write_cursor(_SIGN + int(last.cents), last.claim_id) if last else None,
    )


def _named(session: Session, practice_id: int, cents: dict[int, int]) -> list[ClaimShare]:
    columns = (
        Claim.id, Claim.external_id, Patient.name, Claim.service_date, func.coalesce(Payer.name, SELF_PAY),
        Provider.name,
    )  # fmt: skip
    found = (
        select(*columns)
        .join(Patient, and_(Patient.practice_id == practice_id, Patient.id == Claim.patient_id))
        .join(Provider, and_(Provider.practice_id == practice_id, Provider.id == Claim.billing_provider_id))
        .outerjoin(Payer, and_(Payer.practice_id == practice_id, Payer.id == Claim.primary_payer_id))
        .where(Claim.practice_id == practice_id, Claim.id.in_(cents))
    )
    rows = {row[0]: row for row in session.execute(found)}
    return [ClaimShare(*rows[claim_id], cents[claim_id]) for claim_id in cents]


def _entries(practice_id: int, amount: Amount) -> list[Select[Any]]:
    """Return the queries for claim_id and cents. A net amount subtracts what was reversed and recovered."""
    if amount.column is Column.CHARGES:
        return [_charges(practice_id, amount)]
    back = -1 if amount.column is Column.NET else 1
    wanted = {Column.WRITTEN_OFF, Column.REVERSED, Column.RECOVERED, Column.REPLACED}
    if amount.column is not Column.NET:
        wanted = {amount.column}
    found = []
    if Column.WRITTEN_OFF in wanted:
        found.append(_by_jobs(practice_id, amount, JobKind.SETTLE, 1))
    if Column.REVERSED in wanted:
        found.append(_by_jobs(practice_id, amount, JobKind.REVERSE, back))
    if wanted & {Column.RECOVERED, Column.REPLACED}:
        found.append(_late(practice_id, amount, wanted, back))
    return found


def _by_jobs(practice_id: int, amount: Amount, kind: JobKind, sign: int) -> Select[Any]:
    """Return what jobs of this kind posted, from their items. The reason and user are those of the write-off."""
    owner = func.coalesce(_POSTER.reverses_job_id, _POSTER.id)
    posted = (
        _POSTER.practice_id == practice_id, _POSTER.kind == kind, _POSTER.posting_date >= amount.first,
        _POSTER.posting_date < calendar_months.next_month(amount.last),
    )  # fmt: skip
    found: Any = (
        select(JobItem.claim_id, (sign * (JobItem.insurance_cents + JobItem.patient_cents)).label("cents"))
        .join(_POSTER, and_(*posted, _POSTER.id == JobItem.job_id))
        .where(JobItem.practice_id == practice_id, JobItem.outcome == Outcome.SETTLED)
    )
    return _of_group(_of_owner(found, practice_id, amount, owner), practice_id, amount, JobItem.claim_id)


def _late(practice_id: int, amount: Amount, wanted: set[Column], sign: int) -> Select[Any]:
    """Return what later postings reversed, less what was re-posted or restored."""
    of_cause = and_(
        _CAUSE.practice_id == practice_id, _CAUSE.claim_id == Posting.claim_id, _CAUSE.line == Posting.line,
        _CAUSE.id == Posting.caused_by_id,
    )  # fmt: skip
    of_void = and_(
        _VOIDED.practice_id == practice_id, _VOIDED.claim_id == _CAUSE.claim_id, _VOIDED.line == _CAUSE.line,
        _VOIDED.id == _CAUSE.reverses_id,
    )  # fmt: skip
    is_payment = func.coalesce(_VOIDED.kind, _CAUSE.kind) == PostingKind.PAYMENT
    found: Any = (
        select(Posting.claim_id, (sign * Posting.amount_cents).label("cents"))
        .join(_CAUSE, of_cause)
        .outerjoin(_VOIDED, of_void)
        .where(
            Posting.practice_id == practice_id, Posting.caused_by_id.is_not(None), Posting.posted_on >= amount.first,
            Posting.posted_on < calendar_months.next_month(amount.last),
            or_(*(is_payment if one is Column.RECOVERED else ~is_payment
                  for one in (Column.RECOVERED, Column.REPLACED) if one in wanted)),
        )
    )  # fmt: skip
    return _of_group(
        _of_owner(found, practice_id, amount, Posting.origin_job_id), practice_id, amount, Posting.claim_id
    )


def _charges(practice_id: int, amount: Amount) -> Select[Any]:
    found: Any = select(Posting.claim_id, Posting.amount_cents.label("cents")).where(
        Posting.practice_id == practice_id, Posting.kind == PostingKind.CHARGE, Posting.posted_on >= amount.first,
        Posting.posted_on < calendar_months.next_month(amount.last),
    )  # fmt: skip
    return _of_group(found, practice_id, amount, Posting.claim_id)


def _of_owner(found: Select[Any], practice_id: int, amount: Amount, owner: Any) -> Select[Any]:
    """Keep what belongs to write-offs of the group's reason and user."""
    conditions: list[ColumnElement[bool]] = []
    if Dimension.REASON in amount.group:
        conditions.append(reason_name() == amount.group[Dimension.REASON])
    if Dimension.PERSON in amount.group:
        conditions.append(person_code() == amount.group[Dimension.PERSON])
    if not conditions:
        return found
    return found.outerjoin(SettleJob, and_(SettleJob.practice_id == practice_id, SettleJob.id == owner)).where(
        *conditions
    )


def _of_group(found: Select[Any], practice_id: int, amount: Amount, claim_id: Any) -> Select[Any]:
    """Keep the claims of the group's payer and provider."""
    group = amount.group
    if not group.keys() & {Dimension.PAYER_CLASS, Dimension.PAYER, Dimension.PROVIDER}:
        return found
    found = found.join(Claim, and_(Claim.practice_id == practice_id, Claim.id == claim_id))
    if Dimension.PROVIDER in group:
        of_provider = and_(Provider.practice_id == practice_id, Provider.id == Claim.billing_provider_id)
        found = found.join(Provider, and_(of_provider, Provider.external_id == group[Dimension.PROVIDER]))
    if not group.keys() & {Dimension.PAYER_CLASS, Dimension.PAYER}:
        return found
    found = found.outerjoin(Payer, and_(Payer.practice_id == practice_id, Payer.id == Claim.primary_payer_id))
    if Dimension.PAYER in group:
        found = found.where(func.coalesce(Payer.external_id, "") == group[Dimension.PAYER])
    if Dimension.PAYER_CLASS in group:
        payer_class = case((Payer.id.is_(None), PayerClass.SELF_PAY.value), else_=Payer.payer_class)
        found = found.where(payer_class == group[Dimension.PAYER_CLASS])
    return found
