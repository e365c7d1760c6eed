"""The totals of a preview, by responsibility, payer, provider and rule."""

from collections.abc import Collection, Iterable, Sequence
from typing import Any, Final

from pydantic import BaseModel
from sqlalchemy import (
    ColumnElement,
    Row,
    and_,
    func,
    or_,
    select,
    text,
)
from sqlalchemy.orm import Session

from core.jobs.keys import JobKey
from core.jobs.preview import cost_share, open_balances
from core.jobs.preview.cost_share import CostShare
from core.jobs.preview.open_balances import StaysOpen
from core.ledger import write_offs
from core.models.claims import Claim, LineItem
from core.models.job_items import JobItem, Verdict, is_reserved
from core.models.jobs import JobKind, SettleJob, is_open
from core.models.ledger import Posting
from core.models.practices import SELF_PAY, Payer, Provider
from core.policy import rules
from core.practices import names

FULL_SCAN_FROM_CLAIMS: Final = (
    100_000  # with at least this many claims, one pass over all of them is faster than a lookup for each
)
GROUPS_SHOWN_MAX: Final = 200  # payers or providers shown, by dollars; the others are one group


class Group(BaseModel):
    """What will be written off for one payer or provider."""

    key: str
    name: str
    claims: int
    insurance_cents: int
    patient_cents: int


class CodeCount(BaseModel):
    """The number of claims that one rule decided."""

    code: str
    claims: int
    action: str
    overridden: bool = False  # the job overrides the rule and settles them
    insurance_cents: int = 0  # of the claims to settle
    patient_cents: int = 0


class PreviewTotals(BaseModel):
    """The frozen totals of a preview."""

    claims: int
    will_settle: int
    with_money: int
    status_only: int
    skipped: int
    write_offs: int  # number of postings
    insurance_cents: int
    patient_cents: int
    by_payer: list[Group]
    by_provider: list[Group]
    by_code: list[CodeCount]
    in_other_jobs: int  # shown as a warning
    cost_share: CostShare | None = None  # None if no cost sharing is written off
    stays_open: StaysOpen | None = None  # None unless the job settles, or if frozen by an earlier version


def for_job(session: Session, job: SettleJob) -> PreviewTotals:
    """Add up the frozen items by responsibility, payer, provider and code."""
    key = JobKey(job.practice_id, job.id)
    if (job.claims_total or 0) >= FULL_SCAN_FROM_CLAIMS:
        # PostgreSQL has no statistics for rows just inserted. It expects one row and would look up each claim.
        session.execute(text("SET LOCAL enable_nestloop = off"))
    money = or_(JobItem.insurance_cents > 0, JobItem.patient_cents > 0)
    settles = JobItem.verdict == Verdict.SETTLE
    overall = session.execute(
        select(
            func.count().label("claims"),
            func.count().filter(settles).label("will_settle"),
            func.count().filter(settles, money).label("with_money"),
            func.coalesce(func.sum(JobItem.insurance_cents), 0).label("insurance_cents"),
            func.coalesce(func.sum(JobItem.patient_cents), 0).label("patient_cents"),
        ).where(*key.of(JobItem))
    ).one()
    payers = _group_rows(session, key, Payer, Claim.primary_payer_id, more=open_balances.columns())
    return PreviewTotals(
        claims=overall.claims,
        will_settle=overall.will_settle,
        with_money=overall.with_money,
        status_only=overall.will_settle - overall.with_money,
        skipped=overall.claims - overall.will_settle,
        write_offs=_reversed(session, job) if job.kind is JobKind.REVERSE else _write_offs(session, key),
        insurance_cents=overall.insurance_cents,
        patient_cents=overall.patient_cents,
        by_payer=_groups(payers, none=SELF_PAY),
        by_provider=groups(session, key, Provider, Claim.billing_provider_id, none="No provider"),
        by_code=_codes(session, key, overridden=rules.overridable(job.overridden_rules)),
        in_other_jobs=_in_other_jobs(session, key),
        cost_share=cost_share.total_for_job(session, job),
        stays_open=open_balances.total(payers) if job.kind is JobKind.SETTLE else None,
    )


def _write_offs(session: Session, key: JobKey) -> int:
    of_item = and_(
        LineItem.practice_id == JobItem.practice_id,
        LineItem.claim_id == JobItem.claim_id,
    )
    insurance = func.count().filter(JobItem.settles_insurance, LineItem.insurance_due > 0)
    patient = func.count().filter(JobItem.settles_patient, LineItem.patient_due > 0)
    return session.scalars(
        select(insurance + patient).where(*key.of(JobItem), JobItem.verdict == Verdict.SETTLE, of_item)
    ).one()


def _reversed(session: Session, job: SettleJob) -> int:
    """Count the write-offs of the original that a reversal will reverse."""
    key = JobKey(job.practice_id, job.id)
    # Counted claim by claim: without statistics on the items and on the original's postings, PostgreSQL would compare
    # all with all.
    of_item = (Posting.practice_id == JobItem.practice_id, Posting.claim_id == JobItem.claim_id)
    of_original = (write_offs.owning_job() == job.reverses_job_id, write_offs.is_unreversed())
    answered = select(func.count()).where(*of_item, *of_original).correlate(JobItem).scalar_subquery()
    return int(
        session.scalars(select(func.sum(answered)).where(*key.of(JobItem), JobItem.verdict == Verdict.SETTLE)).one()
        or 0
    )


def groups(
    session: Session, key: JobKey, named: Any, group_id: Any, *, none: str, picked: ColumnElement[bool] | None = None
) -> list[Group]:
    """Return what the selected items write off for each payer or provider. The default is all claims to settle."""
    return _groups(_group_rows(session, key, named, group_id, picked=picked), none=none)


def _group_rows(
    session: Session,
    key: JobKey,
    named: Any,
    group_id: Any,
    *,
    picked: ColumnElement[bool] | None = None,
    more: Iterable[ColumnElement[Any]] = (),
) -> Sequence[Row[Any]]:
    """Return the sums of each payer or provider, with `more` sums of the items and their claims."""
    if picked is None:
        picked = JobItem.verdict == Verdict.SETTLE
    of_item = and_(Claim.practice_id == JobItem.practice_id, Claim.id == JobItem.claim_id)
    summed = (
        select(
            group_id.label("id"),
            func.count().label("claims"),
            func.sum(JobItem.insurance_cents).label("insurance_cents"),
            func.sum(JobItem.patient_cents).label("patient_cents"),
            *more,
        )
        .where(*key.of(JobItem), picked, of_item)
        .group_by(group_id)
        .subquery()
    )
    by_name = and_(named.practice_id == key.practice_id, named.id == summed.c.id)
    return session.execute(
        select(named.external_id, names.display_name(session, key.practice_id, named).label("name"), summed)
        .select_from(summed)
        .outerjoin(named, by_name)
        .order_by((summed.c.insurance_cents + summed.c.patient_cents).desc(), named.name)
    ).all()


def _groups(rows: Iterable[Row[Any]], *, none: str) -> list[Group]:
    found = [
        Group(
            key=row.external_id or "",
            name=row.name or none,
            claims=row.claims,
            insurance_cents=row.insurance_cents,
            patient_cents=row.patient_cents,
        )
        for row in rows
    ]
    return _shortened(found)


def _shortened(groups: list[Group]) -> list[Group]:
    shown, rest = groups[:GROUPS_SHOWN_MAX], groups[GROUPS_SHOWN_MAX:]
    if rest:
        shown.append(
            Group(
                key="",
                name=f"{len(rest)} others",
                claims=sum(group.claims for group in rest),
                insurance_cents=sum(group.insurance_cents for group in rest),
                patient_cents=sum(group.patient_cents for group in rest),
            )
        )
    return shown


def _codes(session: Session, key: JobKey, *, overridden: Collection[str]) -> list[CodeCount]:
    insurance, patient = (func.coalesce(func.sum(c), 0) for c in (JobItem.insurance_cents, JobItem.patient_cents))
    rows = session.execute(
        select(JobItem.verdict_code, JobItem.verdict, func.count(), insurance, patient)
        .where(*key.of(JobItem), JobItem.verdict_code.is_not(None))
        .group_by(JobItem.verdict_code, JobItem.verdict)
        .order_by(func.count().desc(), JobItem.verdict_code)
    ).all()
    return [
        CodeCount(
            code=code, claims=claims, action=verdict, overridden=code in overridden,
            insurance_cents=int(insurance_cents), patient_cents=int(patient_cents),
        )
        for code, verdict, claims, insurance_cents, patient_cents in rows
    ]  # fmt: skip


def _in_other_jobs(session: Session, key: JobKey) -> int:
    """Count the claims that other open jobs have reserved. Without other open jobs, do not read the items."""
    of_practice = (SettleJob.practice_id == key.practice_id, SettleJob.id != key.job_id)
    open_jobs = session.scalars(select(SettleJob.id).where(*of_practice, is_open())).all()
    if not open_jobs:
        return 0
    # Grouped instead of joined: without statistics on a first large job, PostgreSQL may join each item with all others.
    mine = and_(JobItem.job_id == key.job_id, JobItem.verdict == Verdict.SETTLE)
    held = and_(JobItem.job_id.in_(open_jobs), is_reserved())
    both = (
        select(JobItem.claim_id)
        .where(JobItem.practice_id == key.practice_id, or_(mine, held))
        .group_by(JobItem.claim_id)
        .having(and_(func.bool_or(mine), func.bool_or(held)))
    )
    return session.scalars(select(func.count()).select_from(both.subquery("both"))).one()
