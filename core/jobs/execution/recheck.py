"""Check again, under the claims' locks, what the preview would settle."""

from collections import Counter
from dataclasses import replace
from functools import lru_cache
from typing import Any, Final, NamedTuple

from sqlalchemy import CTE, ColumnElement, Select, Subquery, and_, bindparam, case, func, or_, select, update
from sqlalchemy.orm import Session

from core.claims.claim_id_array import ClaimIds, is_in
from core.enums.job_items import Outcome
from core.enums.jobs import JobKind
from core.enums.ledger import Responsibility
from core.jobs import stale
from core.jobs.execution.chunks import ITEMS, Chunk
from core.ledger.posting import SplitAmount
from core.models.claims import Claim, LineItem
from core.models.job_items import JobItem
from core.models.jobs import SettleJob
from core.models.ledger import Posting
from core.policy import facts, rule_sql, rules
from core.policy.facts import Facts
from core.policy.rule import Moment, Rule
from core.policy.terms import Terms, frozen_numbers
from core.practices import exclusions
from core.practices.exclusions import ActiveExclusions

SkippedByCode = Counter[str]  # number of claims by the code of the rule

_JOBS_KEPT: Final = 64  # statements, one for each set of terms


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
    practice_id = chunk.job.practice_id
    settles_money = job.kind is JobKind.SETTLE
    excluded = (
        exclusions.lock_active_exclusions(session, practice_id, on=job.as_of)
        if settles_money
        else exclusions.NO_EXCLUSIONS
    )
    terms = _run_terms(job, excluded)
    mismatched = balance_mismatches(session, practice_id, locked)
    named = {**chunk.named(), "locked": locked.array, "mismatched": mismatched.array}
    array, size, *figures = session.execute(_recheck(job.kind, terms), named).one()
    owed, promised = (SplitAmount(*map(int, figures[first : first + 2])) for first in (0, 2))
    codes = (rule.code for rule in _rules(job.kind))
    return RecheckResult(ClaimIds(array, size), Counter(dict(zip(codes, figures[4:], strict=True))), owed, promised)


def _run_terms(job: SettleJob, excluded: ActiveExclusions) -> Terms:
    return Terms(
        setting=job.setting,
        as_of=job.as_of,
        target_status=job.target_status,
        reason=job.reason,
        **frozen_numbers(job.rule_values),
        excluded=excluded,
    )


def skip_code(job: SettleJob, excluded: ActiveExclusions) -> ColumnElement[str | None]:
    """Return, as SQL over an item and its claim, the code of the rule by which the run would skip it now, or NULL.

    The statement needs the parameter `mismatched`, the claims from `balance_mismatches`.
    """
    return rule_sql.first_match(_run_facts(_run_terms(job, excluded)), _rules(job.kind))


def _rules(kind: JobKind) -> list[Rule]:
    return rules.rules_at(Moment.RUN, kind=kind)


@lru_cache(maxsize=_JOBS_KEPT)
def _recheck(kind: JobKind, terms: Terms) -> Select[Any]:
    """Return the statement that decides on the claims, with the parameters locked and mismatched and the chunk's."""
    seen = _run_facts(terms)
    code = rule_sql.first_match(seen, _rules(kind))
    settles = code.is_(None)
    # The rules at the run read only the item and the claim, so nothing else is joined. A test checks that.
    decided = (
        update(JobItem)
        .where(
            ITEMS,
            is_in(JobItem.claim_id, "locked"),
            Claim.practice_id == bindparam("of_practice"),
            Claim.id == JobItem.claim_id,
        )
        .values(
            outcome=case((settles, Outcome.SETTLED.value), else_=Outcome.SKIPPED.value),
            code=func.coalesce(code, JobItem.verdict_code),
            version_after=case((settles, Claim.version + 1)),
            why=rule_sql.rule_values(seen, _rules(kind)),
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
    return _result_totals(decided, [rule.code for rule in _rules(kind)])


def _result_totals(decided: CTE, codes: list[str]) -> Select[Any]:
    settled = decided.c.outcome == Outcome.SETTLED
    sums = [
        func.coalesce(func.sum(decided.c[name]).filter(settled), 0)
        for name in ("insurance_due", "patient_due", "insurance_cents", "patient_cents")
    ]
    by_code = [func.count().filter(~settled, decided.c.code == code) for code in codes]
    return select(*ClaimIds.of(decided.c.claim_id, settled), *sums, *by_code)


def _run_facts(terms: Terms) -> Facts:
    of_claim = facts.facts_for_claim(terms)
    promised: dict[str, Any] = {
        "previewed_version": JobItem.claim_version,
        "previewed_status": JobItem.billing_status_before,
    }
    return replace(
        of_claim,
        changed_since_preview=stale.changed_since_preview_clause(),
        balance_mismatch=is_in(JobItem.claim_id, "mismatched"),
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
    named = {"of_practice": practice_id, "locked": claim_ids.array}
    return ClaimIds(*session.execute(_MISMATCHES, named).one())


def _mismatches() -> Select[Any]:
    books = _books()
    differs = or_(
        func.coalesce(books.c.line_differs, False),
        Claim.insurance_due != func.coalesce(books.c.insurance_due, 0),
        Claim.patient_due != func.coalesce(books.c.patient_due, 0),
    )
    found = select(*ClaimIds.of(Claim.id)).outerjoin(books, books.c.claim_id == Claim.id)
    return found.where(*_of_locked(Claim.practice_id, Claim.id), differs)


def _of_locked(practice_id: Any, claim_id: Any) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    return practice_id == bindparam("of_practice"), is_in(claim_id, "locked")


def _books() -> Subquery:
    """Return, for each claim with lines, the sums of its lines and whether a line differs from its postings."""
    owed = func.sum(Posting.amount_cents)
    ledger = (
        select(
            Posting.claim_id,
            Posting.line,
            func.coalesce(owed.filter(Posting.responsibility == Responsibility.INSURANCE), 0).label("insurance_due"),
            func.coalesce(owed.filter(Posting.responsibility == Responsibility.PATIENT), 0).label("patient_due"),
        )
        .where(*_of_locked(Posting.practice_id, Posting.claim_id))
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
        .where(*_of_locked(LineItem.practice_id, LineItem.claim_id))
        .group_by(LineItem.claim_id)
        .subquery("books")
    )


_MISMATCHES: Final = _mismatches()
