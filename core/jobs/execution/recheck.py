"""Check again, under the claims' locks, what the preview would settle."""

from collections import Counter
from dataclasses import replace
from typing import Any, NamedTuple

from sqlalchemy import CTE, Subquery, and_, case, func, or_, select, update
from sqlalchemy.orm import Session

from core.claims.claim_id_array import ClaimIds
from core.jobs import stale
from core.jobs.execution.chunks import Chunk
from core.ledger.posting import SplitAmount
from core.models.claims import Claim, LineItem
from core.models.job_items import JobItem, Outcome
from core.models.jobs import JobKind, SettleJob
from core.models.ledger import Posting, Responsibility
from core.policy import facts, rules
from core.policy.facts import Facts
from core.policy.rules import Moment
from core.policy.terms import Terms, frozen_numbers
from core.practices import exclusions
from core.practices.exclusions import ActiveExclusions

SkippedByCode = Counter[str]  # number of claims by the code of the rule


class RecheckResult(NamedTuple):
    """The claims to settle, with their balances and what their items promised, and the number of skipped claims."""

    settled: ClaimIds
    skipped: SkippedByCode
    owed: SplitAmount
    promised: SplitAmount


def recheck_claims(session: Session, job: SettleJob, chunk: Chunk, locked: ClaimIds) -> RecheckResult:
    """Decide on the locked claims by the rules of the run.

    A rule can only turn a claim that would settle into a skip.
    """
    if not locked:
        return RecheckResult(ClaimIds(), SkippedByCode(), SplitAmount(0, 0), SplitAmount(0, 0))
    applied_rules = rules.rules_at(Moment.RUN, kind=job.kind)
    practice_id = chunk.job.practice_id
    settles_money = job.kind is JobKind.SETTLE
    excluded = (
        exclusions.lock_active_exclusions(session, practice_id, on=job.as_of)
        if settles_money
        else exclusions.NO_EXCLUSIONS
    )
    seen = _run_facts(job, balance_mismatches(session, practice_id, locked), excluded)
    code = rules.first_match(seen, applied_rules)
    settles = code.is_(None)
    # The rules at the run read only the item and the claim, so nothing else is joined. A test checks that.
    decided = (
        update(JobItem)
        .where(
            chunk.items(),
            locked.has(JobItem.claim_id),
            Claim.practice_id == practice_id,
            Claim.id == JobItem.claim_id,
        )
        .values(
            outcome=case((settles, Outcome.SETTLED.value), else_=Outcome.SKIPPED.value),
            code=func.coalesce(code, JobItem.verdict_code),
            version_after=case((settles, Claim.version + 1)),
            why=rules.rule_values(seen, applied_rules),
        )
        .returning(
            JobItem.claim_id,
            JobItem.outcome,
            JobItem.code,
            JobItem.insurance_cents,
            JobItem.patient_cents,
            Claim.insurance_due,
            Claim.patient_due,
        )
        .cte("decided")
    )
    return _result_totals(session, decided, [rule.code for rule in applied_rules])


def _result_totals(session: Session, decided: CTE, codes: list[str]) -> RecheckResult:
    settled = decided.c.outcome == Outcome.SETTLED
    sums = [
        func.coalesce(func.sum(decided.c[name]).filter(settled), 0)
        for name in ("insurance_due", "patient_due", "insurance_cents", "patient_cents")
    ]
    by_code = [func.count().filter(~settled, decided.c.code == code) for code in codes]
    ids = ClaimIds.of(decided.c.claim_id, settled)
    array, size, *figures = session.execute(select(*ids, *sums, *by_code)).one()
    owed, promised = (SplitAmount(*map(int, figures[first : first + 2])) for first in (0, 2))
    return RecheckResult(
        ClaimIds(array, size), SkippedByCode(dict(zip(codes, figures[4:], strict=True))), owed, promised
    )


def _run_facts(job: SettleJob, mismatched_ids: ClaimIds, excluded: ActiveExclusions) -> Facts:
    terms = Terms(
        setting=job.setting,
        as_of=job.as_of,
        target_status=job.target_status,
        reason=job.reason,
        **frozen_numbers(job.rule_values),
        excluded=excluded,
    )
    of_claim = facts.facts_for_claim(terms)
    promised: dict[str, Any] = {
        "previewed_version": JobItem.claim_version,
        "previewed_status": JobItem.billing_status_before,
    }
    return replace(
        of_claim,
        changed_since_preview=stale.changed_since_preview_clause(),
        balance_mismatch=mismatched_ids.has(JobItem.claim_id),
        over_small_balance=facts.over_small_balance(
            terms,
            settles_insurance=JobItem.settles_insurance.expression,
            settles_patient=JobItem.settles_patient.expression,
        ),
        values={**of_claim.values, **promised},
    )


def balance_mismatches(session: Session, practice_id: int, claim_ids: ClaimIds) -> ClaimIds:
    """Return the claims whose balances differ from the sum of their lines, or whose lines differ from their postings.

    This is a separate statement. When it was joined to the items, PostgreSQL had no statistics for them yet and
    planned to compare every claim with every other claim.
    """
    books = _books(practice_id, claim_ids)
    differs = or_(
        func.coalesce(books.c.line_differs, False),
        Claim.insurance_due != func.coalesce(books.c.insurance_due, 0),
        Claim.patient_due != func.coalesce(books.c.patient_due, 0),
    )
    found = select(*ClaimIds.of(Claim.id)).outerjoin(books, books.c.claim_id == Claim.id)
    of_claims = (Claim.practice_id == practice_id, claim_ids.has(Claim.id))
    return ClaimIds(*session.execute(found.where(*of_claims, differs)).one())


def _books(practice_id: int, claim_ids: ClaimIds) -> Subquery:
    """Return, for each claim with lines, the sums of its lines and whether a line differs from its postings."""
    owed = func.sum(Posting.amount_cents)
    ledger = (
        select(
            Posting.claim_id,
            Posting.line,
            func.coalesce(owed.filter(Posting.responsibility == Responsibility.INSURANCE), 0).label("insurance_due"),
            func.coalesce(owed.filter(Posting.responsibility == Responsibility.PATIENT), 0).label("patient_due"),
        )
        .where(Posting.practice_id == practice_id, claim_ids.has(Posting.claim_id))
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
        .where(LineItem.practice_id == practice_id, claim_ids.has(LineItem.claim_id))
        .group_by(LineItem.claim_id)
        .subquery("books")
    )
