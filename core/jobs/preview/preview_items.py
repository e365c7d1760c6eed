"""The items of a preview: every selected claim with its verdict, frozen in one statement."""

import math
from dataclasses import replace
from typing import Any, Final

from sqlalchemy import (
    ColumnElement,
    Subquery,
    and_,
    case,
    func,
    insert,
    literal,
    literal_column,
    null,
    select,
)
from sqlalchemy.orm import Session

from core.enums.job_items import Verdict
from core.enums.jobs import JobKind
from core.jobs.keys import JobKey
from core.jobs.preview import cost_share, selections
from core.jobs.preview.job_request import Selection
from core.models.claims import Claim
from core.models.job_items import JobChunk, JobItem, is_reserved
from core.models.jobs import SettleJob, is_open
from core.policy import facts, rule_sql, rules
from core.policy.facts import Facts
from core.policy.overridable import overridable
from core.policy.rule import Moment
from core.policy.terms import Terms

CHUNK_CLAIMS_MIN: Final = 1_000  # below this, the fixed cost of a chunk weighs more than a second worker helps
CHUNKS_MIN: Final = 16
# As OFFSET of a subquery. Otherwise PostgreSQL evaluates the rules again in each expression that uses their code.
EVALUATE_ONCE: Final[ColumnElement[int]] = literal_column("0")


def freeze_items(session: Session, job: SettleJob, selected: Selection, *, terms: Terms) -> int:
    """Insert an item for each selected claim, with the rules' verdict. Return how many.

    One statement, so that all claims are read at the same moment.
    """
    return write_items(session, job, **dict(verdicts(job, selected, terms=terms).c.items()))


def verdicts(job: SettleJob, selected: Selection, *, terms: Terms) -> Subquery:
    """Return each selected claim as an item: the rules' verdict, and what would be written off."""
    claim_facts = facts_of_job(job, terms)
    applied_rules = rules.rules_at(Moment.PREVIEW, kind=job.kind, include=overridable(job.overridden_rules))
    picked = (
        select(
            Claim.id,
            Claim.version,
            Claim.billing_status,
            Claim.insurance_due,
            Claim.patient_due,
            *(side.label(name) for name, side in _sides(job, claim_facts).items()),
            rule_sql.first_match(claim_facts, applied_rules).label("code"),
            rule_sql.rule_values(claim_facts, applied_rules).label("why"),
            _overridden(job, claim_facts).label("overridden"),
        )
        .select_from(facts.claims_with_payers())
        .where(selections.condition(job.practice_id, selected, terms=terms))
        .offset(EVALUATE_ONCE)
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
        func.coalesce(picked.c.code, picked.c.overridden).label("verdict_code"),
        picked.c.why,
    ).subquery("verdicts")


def _overridden(job: SettleJob, claim_facts: Facts) -> ColumnElement[Any]:
    """Return the rule that the job overrides for a claim, if it overrides the first rule that matches."""
    included = set(overridable(job.overridden_rules))
    if not included:
        return null()
    applied_rules = rules.rules_at(Moment.PREVIEW, kind=job.kind)
    return rule_sql.first_match(claim_facts, [rule for rule in applied_rules if rule.code in included])


def facts_of_job(job: SettleJob, terms: Terms) -> Facts:
    """Return the facts that the rules use at the preview. A scheduled run skips claims reserved by other open jobs."""
    of_claim = cost_share.facts_for_schedule(job, facts.facts_for_claim(terms))
    return of_claim if job.schedule_id is None else exclude_claims_in_open_jobs(of_claim, job.practice_id)


def exclude_claims_in_open_jobs(of_claim: Facts, practice_id: int) -> Facts:
    """Return the facts with the open job that reserved the claim, if any."""
    held = (
        select(func.min(JobItem.job_id))
        .join(SettleJob, and_(SettleJob.practice_id == JobItem.practice_id, SettleJob.id == JobItem.job_id))
        .where(
            JobItem.practice_id == practice_id,
            JobItem.claim_id == Claim.id,
            is_open(),
            is_reserved(),
        )
        .correlate(Claim)
        .scalar_subquery()
    )
    return replace(of_claim, in_other_job=held.is_not(None), values={**of_claim.values, "other_job": held})


def write_items(session: Session, job: SettleJob, **columns: ColumnElement[Any]) -> int:
    """Insert the job's items from expressions, numbered in claim order. Return how many."""
    position = func.row_number().over(order_by=columns["claim_id"])
    rows = select(literal(job.practice_id), literal(job.id), position, *columns.values())
    made = insert(JobItem).from_select(["practice_id", "job_id", "position", *columns], rows)
    # Read the row count from the server's answer instead of sending a million rows back.
    result = session.connection().execute(made, execution_options={"preserve_rowcount": True})
    return int(result.rowcount)


def _sides(job: SettleJob, claim_facts: Facts) -> dict[str, ColumnElement[bool]]:
    """Return which responsibilities are written off: none for a status change."""
    moves_money = literal(job.kind is JobKind.SETTLE)
    return {
        "settles_insurance": and_(moves_money, claim_facts.settles_insurance),
        "settles_patient": and_(moves_money, claim_facts.settles_patient),
    }


def chunk_size(claims: int, *, most: int) -> int:
    """Return the number of claims in each chunk of a job: as many as still keep several workers busy, up to `most`."""
    return min(most, max(CHUNK_CLAIMS_MIN, math.ceil(claims / CHUNKS_MIN)))


def make_chunks(session: Session, key: JobKey, *, claims: int, chunk_claims: int) -> None:
    """Cut positions 1 to `claims` into open chunks of at most `chunk_claims`."""
    size = chunk_size(claims, most=chunk_claims)
    first = func.generate_series(1, claims, size).column_valued("first")
    ranges = select(
        literal(key.practice_id),
        literal(key.job_id),
        first,
        func.least(first + size - 1, claims),
    )
    names = ["practice_id", "job_id", "first_position", "last_position"]
    session.execute(insert(JobChunk).from_select(names, ranges))
