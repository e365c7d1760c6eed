"""The totals of a preview, by responsibility, payer, provider and rule."""

from collections.abc import Collection, Iterable, Sequence
from typing import Any, Final

from pydantic import BaseModel
from sqlalchemy import (
    Row,
    and_,
    func,
    or_,
    select,
    text,
)
from sqlalchemy.orm import Session

from core.enums.job_items import Verdict
from core.enums.jobs import JobKind
from core.jobs.keys import JobKey
from core.jobs.preview import cost_share, open_balances
from core.jobs.preview.cost_share import CostShare
from core.jobs.preview.groups import Group, group_rows
from core.jobs.preview.open_balances import StaysOpen
from core.ledger import write_offs
from core.models.claims import LineItem
from core.models.job_items import JobItem, is_reserved
from core.models.jobs import SettleJob, is_open
from core.models.ledger import Posting
from core.policy.overridable import overridable

FULL_SCAN_FROM_CLAIMS: Final = (
    100_000  # with at least this many claims, one pass over all of them is faster than a lookup for each
)


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
    # It looks up each claim. Without nested loops, each claim would read every reversal of the practice.
    to_reverse = _reversed(session, job) if job.kind is JobKind.REVERSE else None
    if (job.claims_total or 0) >= FULL_SCAN_FROM_CLAIMS:
        # PostgreSQL has no statistics for rows just inserted. It expects one row and would look up each claim.
        session.execute(text("SET LOCAL enable_nestloop = off"))
    verdicts = _verdict_rows(session, key)
    to_settle = [row for row in verdicts if row.verdict is Verdict.SETTLE]
    will_settle, with_money = sum(row.claims for row in to_settle), sum(row.with_money for row in to_settle)
    claims = sum(row.claims for row in verdicts)
    grouped = group_rows(session, key, JobItem.verdict == Verdict.SETTLE)
    return PreviewTotals(
        claims=claims,
        will_settle=will_settle,
        with_money=with_money,
        status_only=will_settle - with_money,
        skipped=claims - will_settle,
        write_offs=_write_offs(session, key) if to_reverse is None else to_reverse,
        insurance_cents=sum(int(row.insurance_cents) for row in verdicts),
        patient_cents=sum(int(row.patient_cents) for row in verdicts),
        by_payer=grouped.by_payer(),
        by_provider=grouped.by_provider(),
        by_code=_codes(verdicts, overridden=overridable(job.overridden_rules)),
        in_other_jobs=_in_other_jobs(session, key),
        cost_share=cost_share.total_for_job(session, job, grouped.payers),
        stays_open=open_balances.total(grouped.payers) if job.kind is JobKind.SETTLE else None,
    )


def _verdict_rows(session: Session, key: JobKey) -> Sequence[Any]:
    """Return the sums of the items with each verdict and code."""
    money = or_(JobItem.insurance_cents > 0, JobItem.patient_cents > 0)
    sums = select(
        JobItem.verdict,
        JobItem.verdict_code,
        func.count().label("claims"),
        func.count().filter(money).label("with_money"),
        func.sum(JobItem.insurance_cents).label("insurance_cents"),
        func.sum(JobItem.patient_cents).label("patient_cents"),
    )
    return session.execute(sums.where(*key.of(JobItem)).group_by(JobItem.verdict, JobItem.verdict_code)).all()


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


def _codes(rows: Iterable[Row[Any]], *, overridden: Collection[str]) -> list[CodeCount]:
    coded = (row for row in rows if row.verdict_code is not None)
    return [
        CodeCount(
            code=row.verdict_code, claims=row.claims, action=row.verdict, overridden=row.verdict_code in overridden,
            insurance_cents=int(row.insurance_cents), patient_cents=int(row.patient_cents),
        )
        for row in sorted(coded, key=lambda row: (-row.claims, row.verdict_code))
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
