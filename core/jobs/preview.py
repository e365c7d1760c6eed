"""The preview: every selected claim with its verdict, frozen as the job's items in one statement."""

from dataclasses import replace
from typing import Any, Final

from pydantic import BaseModel
from sqlalchemy import (
    ColumnElement,
    Subquery,
    and_,
    case,
    func,
    insert,
    literal,
    or_,
    select,
    text,
    true,
)
from sqlalchemy.orm import Session, aliased

from core.claims.models import Claim, LineItem
from core.jobs import cost_share, selection as selections
from core.jobs.cost_share import CostShare
from core.jobs.keys import JobKey
from core.jobs.lifecycle import OPEN_STATUSES
from core.jobs.models import JobChunk, JobItem, JobKind, SettleJob, Verdict
from core.jobs.requests import Selection
from core.ledger.models import Posting, PostingKind
from core.policy import facts, rules
from core.policy.facts import Facts, Terms
from core.policy.rules import Moment
from core.practices.models import Payer, Provider

HASHED_FROM_CLAIMS: Final = 100_000  # so many are added up faster by going through all claims than one by one
GROUPS_SHOWN_MAX: Final = 200  # payers or providers of one preview, by dollars; the rest is one group "others"


class Group(BaseModel):
    """What will be written off for one payer or provider."""

    key: str
    name: str
    claims: int
    insurance_cents: int
    patient_cents: int


class CodeCount(BaseModel):
    """How many claims one rule decided."""

    code: str
    claims: int
    action: str


class PreviewTotals(BaseModel):
    """The frozen totals of a preview."""

    claims: int
    will_settle: int
    with_money: int
    status_only: int
    skipped: int
    write_offs: int  # postings
    insurance_cents: int
    patient_cents: int
    by_payer: list[Group]
    by_provider: list[Group]
    by_code: list[CodeCount]
    in_other_jobs: int  # a warning to people
    cost_share: CostShare | None = None  # where it writes off what Medicare left to its patients


def freeze_items(session: Session, job: SettleJob, selected: Selection, *, terms: Terms) -> int:
    """Write an item for each selected claim, with the rules' verdict. One statement, one moment; give how many."""
    return write_items(session, job, **dict(verdicts(job, selected, terms=terms).c.items()))


def verdicts(job: SettleJob, selected: Selection, *, terms: Terms) -> Subquery:
    """Each selected claim as the item that it would be: the rules' verdict, and what would be written off."""
    claim_facts = facts_of_job(job, terms)
    asked = rules.rules_at(Moment.PREVIEW, kind=job.kind, include=cost_share.include_of(job))
    picked = (
        select(
            Claim.id,
            Claim.version,
            Claim.billing_status,
            Claim.insurance_due,
            Claim.patient_due,
            *(side.label(name) for name, side in _sides(job, claim_facts).items()),
            rules.first_match(claim_facts, asked).label("code"),
            rules.why(claim_facts, asked).label("why"),
        )
        .select_from(facts.source())
        .where(selections.condition(job.practice_id, selected, terms=terms))
        .subquery("picked")
    )
    skips = func.coalesce(picked.c.code.in_(rules.skip_codes()), False)
    return select(
        picked.c.id.label("claim_id"),
        picked.c.version.label("claim_version"),
        picked.c.billing_status.label("billing_status_before"),
        picked.c.settles_insurance,
        picked.c.settles_patient,
        case((and_(~skips, picked.c.settles_insurance), picked.c.insurance_due), else_=0).label("insurance_cents"),
        case((and_(~skips, picked.c.settles_patient), picked.c.patient_due), else_=0).label("patient_cents"),
        case((skips, Verdict.SKIP.value), else_=Verdict.SETTLE.value).label("verdict"),
        picked.c.code.label("verdict_code"),
        picked.c.why,
    ).subquery("verdicts")


def facts_of_job(job: SettleJob, terms: Terms) -> Facts:
    """What the rules read at the preview of `job`: a schedule leaves to other open jobs what they hold."""
    of_claim = cost_share.of_night(job, facts.of_claim(terms))
    return of_claim if job.schedule_id is None else left_to_others(of_claim, job.practice_id)


def left_to_others(of_claim: Facts, practice_id: int) -> Facts:
    """The same facts, with the job that holds the claim where an open job does."""
    held = (
        select(func.min(JobItem.job_id))
        .join(SettleJob, and_(SettleJob.practice_id == JobItem.practice_id, SettleJob.id == JobItem.job_id))
        .where(
            JobItem.practice_id == practice_id,
            JobItem.claim_id == Claim.id,
            JobItem.outcome.is_(None),
            SettleJob.status.in_(OPEN_STATUSES),
        )
        .correlate(Claim)
        .scalar_subquery()
    )
    return replace(of_claim, in_other_job=held.is_not(None), values={**of_claim.values, "other_job": held})


def write_items(session: Session, job: SettleJob, **columns: ColumnElement[Any]) -> int:
    """Write the job's items from expressions, numbered in claim order; give how many."""
    position = func.row_number().over(order_by=columns["claim_id"])
    rows = select(literal(job.practice_id), literal(job.id), position, *columns.values())
    made = insert(JobItem).from_select(["practice_id", "job_id", "position", *columns], rows)
    # A million rows are counted by the server's own answer, not by sending them back.
    result = session.connection().execute(made, execution_options={"preserve_rowcount": True})
    return int(result.rowcount)


def _sides(job: SettleJob, claim_facts: Facts) -> dict[str, ColumnElement[bool]]:
    """Which responsibilities are written off; none where only the status moves."""
    moves_money = literal(job.kind is JobKind.SETTLE)
    return {
        "settles_insurance": and_(moves_money, claim_facts.settles_insurance),
        "settles_patient": and_(moves_money, claim_facts.settles_patient),
    }


def make_chunks(session: Session, key: JobKey, *, claims: int, chunk_claims: int) -> None:
    """Cut positions 1 to `claims` into open chunks of at most `chunk_claims`."""
    first = func.generate_series(1, claims, chunk_claims).column_valued("first")
    ranges = select(
        literal(key.practice_id),
        literal(key.job_id),
        first,
        func.least(first + chunk_claims - 1, claims),
    )
    names = ["practice_id", "job_id", "first_position", "last_position"]
    session.execute(insert(JobChunk).from_select(names, ranges))


def totals(session: Session, job: SettleJob) -> PreviewTotals:
    """Add up the frozen items by responsibility, payer, provider and code."""
    key = JobKey(job.practice_id, job.id)
    if (job.claims_total or 0) >= HASHED_FROM_CLAIMS:
        # Of items just written the database has no statistics; it expects one and would look each claim up.
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
    return PreviewTotals(
        claims=overall.claims,
        will_settle=overall.will_settle,
        with_money=overall.with_money,
        status_only=overall.will_settle - overall.with_money,
        skipped=overall.claims - overall.will_settle,
        write_offs=_reversed(session, job) if job.kind is JobKind.REVERSE else _write_offs(session, key),
        insurance_cents=overall.insurance_cents,
        patient_cents=overall.patient_cents,
        by_payer=groups(session, key, Payer, Claim.primary_payer_id, none="No insurance"),
        by_provider=groups(session, key, Provider, Claim.billing_provider_id, none="No provider"),
        by_code=_codes(session, key),
        in_other_jobs=_in_other_jobs(session, key),
        cost_share=cost_share.of_job(session, job),
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
    """How many write-offs of the original a reverse job will answer."""
    key = JobKey(job.practice_id, job.id)
    of_item = and_(Posting.practice_id == JobItem.practice_id, Posting.claim_id == JobItem.claim_id)
    of_original = (Posting.job_id == job.reverses_job_id, Posting.kind == PostingKind.WRITE_OFF)
    answered = select(func.count()).where(*key.of(JobItem), JobItem.verdict == Verdict.SETTLE, of_item, *of_original)
    return session.scalars(answered).one()


def groups(
    session: Session, key: JobKey, named: Any, group_id: Any, *, none: str, picked: ColumnElement[bool] | None = None
) -> list[Group]:
    """What the picked items (those that will settle, unless told) write off, for each payer or provider."""
    if picked is None:
        picked = JobItem.verdict == Verdict.SETTLE
    of_item = and_(Claim.practice_id == JobItem.practice_id, Claim.id == JobItem.claim_id)
    summed = (
        select(
            group_id.label("id"),
            func.count().label("claims"),
            func.sum(JobItem.insurance_cents).label("insurance_cents"),
            func.sum(JobItem.patient_cents).label("patient_cents"),
        )
        .where(*key.of(JobItem), picked, of_item)
        .group_by(group_id)
        .subquery()
    )
    by_name = and_(named.practice_id == key.practice_id, named.id == summed.c.id)
    rows = session.execute(
        select(named.external_id, named.name, summed)
        .select_from(summed)
        .outerjoin(named, by_name)
        .order_by((summed.c.insurance_cents + summed.c.patient_cents).desc(), named.name)
    ).all()
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


def _codes(session: Session, key: JobKey) -> list[CodeCount]:
    rows = session.execute(
        select(JobItem.verdict_code, JobItem.verdict, func.count())
        .where(*key.of(JobItem), JobItem.verdict_code.is_not(None))
        .group_by(JobItem.verdict_code, JobItem.verdict)
        .order_by(func.count().desc(), JobItem.verdict_code)
    ).all()
    return [CodeCount(code=code, claims=claims, action=verdict) for code, verdict, claims in rows]


def _in_other_jobs(session: Session, key: JobKey) -> int:
    """How many of the claims another open job holds; no look at the items unless there is such a job."""
    of_practice = (SettleJob.practice_id == key.practice_id, SettleJob.id != key.job_id)
    open_jobs = session.scalars(select(SettleJob.id).where(*of_practice, SettleJob.status.in_(OPEN_STATUSES))).all()
    if not open_jobs:
        return 0
    other = aliased(JobItem)
    same_claim = (
        other.practice_id == JobItem.practice_id,
        other.claim_id == JobItem.claim_id,
    )
    held = select(true()).where(*same_claim, other.job_id.in_(open_jobs), other.outcome.is_(None)).exists()
    return session.scalars(select(func.count()).select_from(JobItem).where(*key.of(JobItem), held)).one()
