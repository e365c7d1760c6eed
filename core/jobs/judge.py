"""The run's check: what the preview promised to settle, seen again under the claims' locks, against the ledger."""

from dataclasses import replace
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, Subquery, and_, any_, bindparam, case, cast, func, or_, select, update
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Session

from core.claims.models import Claim, LineItem
from core.jobs.chunks import Chunk
from core.jobs.models import JobItem, Outcome, SettleJob
from core.ledger.models import Posting, Responsibility
from core.policy import facts, rules
from core.policy.facts import Facts, Terms
from core.policy.rules import Moment


def among(column: Any, ids: list[int]) -> ColumnElement[bool]:
    """The condition that `column` is one of the ids: one parameter, however many they are."""
    condition: ColumnElement[bool] = column == any_(cast(bindparam(None, ids, unique=True), ARRAY(BigInteger)))
    return condition


def judge(session: Session, job: SettleJob, chunk: Chunk, locked: list[int]) -> tuple[list[int], int]:
    """Give the locked claims their outcome by the rules of the run; the ids of the settled, the count of the skipped.

    A rule can only turn into a skip what the preview promised to settle.
    """
    if not locked:
        return [], 0
    books = _books(chunk.job.practice_id, locked)
    asked = rules.rules_at(Moment.RUN, kind=job.kind)
    seen = _run_facts(job, books)
    judged = (
        select(
            Claim.id,
            Claim.version,
            rules.first_match(seen, asked).label("code"),
            rules.why(seen, asked).label("why"),
        )
        .select_from(facts.source())
        .join(JobItem, and_(*chunk.job.of(JobItem), JobItem.claim_id == Claim.id))
        .outerjoin(books, books.c.claim_id == Claim.id)
        .where(
            Claim.practice_id == chunk.job.practice_id,
            among(Claim.id, locked),
            chunk.items(),
        )
        .subquery("judged")
    )
    settles = judged.c.code.is_(None)
    decided = (
        update(JobItem)
        .where(chunk.items(), JobItem.claim_id == judged.c.id)
        .values(
            outcome=case((settles, Outcome.SETTLED.value), else_=Outcome.SKIPPED.value),
            code=func.coalesce(judged.c.code, JobItem.verdict_code),
            version_after=case((settles, judged.c.version + 1)),
            why=judged.c.why,
        )
        .returning(JobItem.claim_id, JobItem.outcome)
    )
    rows = session.execute(decided, execution_options={"synchronize_session": False}).all()
    settled = [claim_id for claim_id, outcome in rows if outcome is Outcome.SETTLED]
    return settled, len(rows) - len(settled)


def _run_facts(job: SettleJob, books: Subquery) -> Facts:
    terms = Terms(
        setting=job.setting,
        as_of=job.as_of,
        target_status=job.target_status,
        reason=job.reason,
    )
    mismatch = or_(
        func.coalesce(books.c.line_differs, False),
        Claim.insurance_due != func.coalesce(books.c.insurance_due, 0),
        Claim.patient_due != func.coalesce(books.c.patient_due, 0),
    )
    of_claim = facts.of_claim(terms)
    promised: dict[str, Any] = {
        "previewed_version": JobItem.claim_version,
        "previewed_status": JobItem.billing_status_before,
    }
    return replace(
        of_claim,
        changed_since_preview=Claim.version != JobItem.claim_version,
        balance_mismatch=mismatch,
        values={**of_claim.values, **promised},
    )


def _books(practice_id: int, claim_ids: list[int]) -> Subquery:
    """For each claim with lines: the sums of its lines, and whether a line differs from its postings."""
    owed = func.sum(Posting.amount_cents)
    ledger = (
        select(
            Posting.claim_id,
            Posting.line,
            func.coalesce(owed.filter(Posting.responsibility == Responsibility.INSURANCE), 0).label("insurance_due"),
            func.coalesce(owed.filter(Posting.responsibility == Responsibility.PATIENT), 0).label("patient_due"),
        )
        .where(Posting.practice_id == practice_id, among(Posting.claim_id, claim_ids))
        .group_by(Posting.claim_id, Posting.line)
        .subquery("ledger")
    )
    of_line = and_(ledger.c.claim_id == LineItem.claim_id, ledger.c.line == LineItem.number)
    differs = or_(
        LineItem.insurance_due != func.coalesce(ledger.c.insurance_due, 0),
        LineItem.patient_due != func.coalesce(ledger.c.patient_due, 0),
    )
    return (
        select(
            LineItem.claim_id,
            func.sum(LineItem.insurance_due).label("insurance_due"),
            func.sum(LineItem.patient_due).label("patient_due"),
            func.bool_or(differs).label("line_differs"),
        )
        .select_from(LineItem)
        .outerjoin(ledger, of_line)
        .where(LineItem.practice_id == practice_id, among(LineItem.claim_id, claim_ids))
        .group_by(LineItem.claim_id)
        .subquery("books")
    )
