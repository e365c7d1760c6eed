"""What payers' answers did to balances in a week, by user and remittance, and the remittances that paid little."""

import datetime as dt
from collections import defaultdict
from typing import Final, NamedTuple

from sqlalchemy import text
from sqlalchemy.orm import Session

from core.audit.findings import Finding, FindingKind, Week
from core.audit.review_limits import ReviewLimits
from core.counting import counted
from core.models.practices import Practice
from core.money import format_cents

PAID_LITTLE: Final = 10  # times this, a payment is still below the adjustment

# The postings of many answers take time, so both findings use one reading. As in `core.audit.review_sums`, OFFSET 0
# makes PostgreSQL look them up by claim.
_ANSWERED: Final = text(
    f"""SELECT coalesce(a.decided_by, r.user_id, 0), coalesce(r.user_id, 0), r.id, r.trace,
               sum(greatest(p.paid, 0))::bigint, sum(greatest(p.adjusted, 0))::bigint, max(a.posted_at),
               count(DISTINCT a.claim_id) FILTER (WHERE p.is_unpaid),
               coalesce(sum(p.adjusted) FILTER (WHERE p.is_unpaid), 0)::bigint
        FROM remittance_claim a JOIN remittance r ON r.practice_id = a.practice_id AND r.id = a.remittance_id
        CROSS JOIN LATERAL (
          SELECT s.*, s.adjusted > 0 AND a.paid_cents * {PAID_LITTLE} < s.adjusted AS is_unpaid FROM (
            SELECT coalesce(sum(-p.amount_cents) FILTER (WHERE p.kind = 'payment'), 0) AS paid,
                   coalesce(sum(-p.amount_cents) FILTER (WHERE p.kind = 'adjustment'), 0) AS adjusted
            FROM posting p WHERE p.practice_id = a.practice_id AND p.claim_id = a.claim_id AND p.source = 'remittance'
              AND starts_with(p.source_id, concat(a.remittance_id, '.', a.ordinal, '.')) OFFSET 0) s OFFSET 0) p
        WHERE a.practice_id = :practice_id AND a.outcome IN ('posted', 'warned') AND a.posted_at >= :begins
          AND a.posted_at < :ends
        GROUP BY 1, 2, 3, 4"""  # noqa: S608 – a constant
)


class Answered(NamedTuple):
    """What the answers of a remittance did that one user posted."""

    user_id: int  # who matched or posted held answers, else who imported the file
    imported_by: int
    remittance_id: int
    trace: str
    paid_cents: int
    adjusted_cents: int
    at: dt.datetime
    unpaid_claims: int  # for which the payer paid little
    unpaid_cents: int  # of their adjustments


def of_week(session: Session, practice: Practice, week: Week) -> list[Answered]:
    """Return what the answers that were posted in the week did."""
    bounds = {"practice_id": practice.id, "begins": week.begins, "ends": week.ends}
    return [Answered(*row) for row in session.execute(_ANSWERED, bounds)]


def adjusted_unpaid(answered: list[Answered], limits: ReviewLimits) -> list[Finding]:
    """Return the remittances that adjusted claims by more than the limit for a job, and paid little or nothing.

    A user can upload a file that no payer sent. Its answers are not held if they only adjust, or pay a cent. They may
    be dated in the future, and so be posted in a later week.
    """
    remittances: defaultdict[int, list[Answered]] = defaultdict(list)
    for one in answered:
        remittances[one.remittance_id].append(one)
    found = []
    for some in remittances.values():
        cents, user_id = sum(one.unpaid_cents for one in some), some[0].imported_by
        if cents <= (limit := limits.job_cents_of(user_id)):
            continue
        claims = sum(one.unpaid_claims for one in some)
        words = (
            f"Imported remittance {some[0].trace}, which adjusted {counted(claims, 'claim')} by {format_cents(cents)} "
            f"and paid less than a tenth of that (limit for a job {format_cents(limit)})."
        )
        found.append(
            Finding(FindingKind.ADJUSTED, max(one.at for one in some), words, (user_id,), (), (), claims, cents)
        )
    return found
