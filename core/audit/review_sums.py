"""What a user took off balances in a week, or gave back, without a second user, if it exceeds the limit for a job.

Each part may stay under the limits, because nothing else adds them up over a week.
"""

import datetime as dt
from collections import defaultdict
from typing import Any, Final, NamedTuple

from sqlalchemy import TextClause, text
from sqlalchemy.orm import Session

from core.audit.findings import Finding, FindingKind, Week
from core.audit.review_limits import ReviewLimits
from core.counting import counted
from core.models.claims import PAID_IN_FULL, SETTLED
from core.models.practices import Practice
from core.money import format_cents

# No index leads from a user to postings. The audit log names the claims. OFFSET 0 makes PostgreSQL look up the postings
# of each claim by the index, instead of reading those of all claims.
_BY_HAND: Final = """
    WITH posted AS (
      SELECT DISTINCT e.user_id, c.id AS claim_id FROM audit_entry e
      JOIN claim c ON c.practice_id = e.practice_id AND c.external_id = substr(e.subject, 7)
      WHERE e.practice_id = :practice_id AND e.act = '{act}' AND e.at >= :begins AND e.at < :ends
        AND e.facts->>'kind' = '{kind}')
    SELECT a.user_id, count(DISTINCT p.claim_id), sum(abs(p.amount_cents))::bigint, 0, max(p.created_at)
    FROM posted a CROSS JOIN LATERAL (
      SELECT p.* FROM posting p WHERE p.practice_id = :practice_id AND p.claim_id = a.claim_id
        AND p.user_id = a.user_id AND p.source = 'entry' AND p.created_at >= :begins AND p.created_at < :ends
        AND {which} OFFSET 0) p
    GROUP BY 1"""
_ENTERED: Final = """p.kind = '{kind}' AND p.amount_cents < 0
        AND NOT EXISTS (SELECT FROM posting r WHERE r.practice_id = p.practice_id AND r.reverses_id = p.id)
        AND NOT EXISTS (SELECT FROM posting_request q WHERE q.practice_id = p.practice_id AND q.state = 'posted'
          AND q.source_id = split_part(p.source_id, ':', 1))"""
_VOIDED: Final = """p.kind = 'reversal' AND EXISTS (
          SELECT FROM posting o WHERE o.practice_id = p.practice_id AND o.claim_id = p.claim_id AND o.line = p.line
            AND o.id = p.reverses_id AND o.kind = 'payment' AND o.amount_cents < 0)"""
# A transfer between two claims has an act for each.
_OF_CREDITS: Final = """
    SELECT m.user_id, count(*), sum(m.cents)::bigint, 0, max(m.at) FROM (
      SELECT DISTINCT ON (e.facts->>'posting_id') e.user_id, (e.facts->>'amount_cents')::bigint AS cents, e.at
      FROM audit_entry e
      WHERE e.practice_id = :practice_id AND e.act = '{act}' AND e.at >= :begins AND e.at < :ends
      ORDER BY e.facts->>'posting_id', e.id) m
    GROUP BY 1"""
_IMPORTED: Final = """
    SELECT coalesce(e.user_id, 0), sum((e.facts->>'lowered_claims')::bigint)::bigint,
           sum((e.facts->>'payments_cents')::bigint)::bigint, sum((e.facts->>'adjustments_cents')::bigint)::bigint,
           max(e.at)
    FROM audit_entry e
    WHERE e.practice_id = :practice_id AND e.act IN ('postings.imported', 'practice.imported') AND e.at >= :begins
      AND e.at < :ends AND e.facts ? 'lowered_claims'
    GROUP BY 1"""
_IMPORTED_REFUNDS: Final = """
    SELECT coalesce(e.user_id, 0), count(*), sum((e.facts->>'refunds_cents')::bigint)::bigint, 0, max(e.at)
    FROM audit_entry e
    WHERE e.practice_id = :practice_id AND e.act IN ('postings.imported', 'practice.imported') AND e.at >= :begins
      AND e.at < :ends AND e.facts ? 'refunds_cents'
    GROUP BY 1"""
_ANSWERED: Final = """
    SELECT coalesce(a.decided_by, r.user_id, 0), count(DISTINCT a.claim_id), sum(greatest(p.paid, 0))::bigint,
           sum(greatest(p.adjusted, 0))::bigint, max(a.posted_at)
    FROM remittance_claim a JOIN remittance r ON r.practice_id = a.practice_id AND r.id = a.remittance_id
    CROSS JOIN LATERAL (
      SELECT coalesce(sum(-p.amount_cents) FILTER (WHERE p.kind = 'payment'), 0) AS paid,
             coalesce(sum(-p.amount_cents) FILTER (WHERE p.kind = 'adjustment'), 0) AS adjusted
      FROM posting p WHERE p.practice_id = a.practice_id AND p.claim_id = a.claim_id AND p.source = 'remittance'
        AND starts_with(p.source_id, concat(a.remittance_id, '.', a.ordinal, '.')) OFFSET 0) p
    WHERE a.practice_id = :practice_id AND a.outcome IN ('posted', 'warned') AND a.posted_at >= :begins
      AND a.posted_at < :ends
    GROUP BY 1"""
# The payer paid, and nothing was posted.
_IGNORED: Final = """
    SELECT a.decided_by, count(*), sum(a.paid_cents)::bigint, 0, max(a.decided_at) FROM remittance_claim a
    WHERE a.practice_id = :practice_id AND a.outcome = 'ignored' AND a.paid_cents > 0 AND a.decided_at >= :begins
      AND a.decided_at < :ends
    GROUP BY 1"""
_WRITTEN_OFF: Final = """
    SELECT CASE WHEN j.schedule_id IS NULL THEN coalesce(j.confirmed_by, j.requested_by) ELSE j.requested_by END,
           count(*), sum((j.preview->>'insurance_cents')::bigint + (j.preview->>'patient_cents')::bigint)::bigint, 0,
           max(j.confirmed_at), array_agg(j.id ORDER BY j.id)
    FROM settle_job j
    WHERE j.practice_id = :practice_id AND j.kind = 'settle' AND j.decided_by IS NULL AND j.confirmed_at >= :begins
      AND j.confirmed_at < :ends
    GROUP BY 1"""
# Such a claim leaves the work lists, although a balance is left.
_SET_PAID: Final = f"""
    SELECT s.user_id, count(*), sum(c.insurance_due + c.patient_due)::bigint, 0, max(s.at),
           array_agg(DISTINCT s.job_id) FILTER (WHERE s.job_id IS NOT NULL)
    FROM (
      SELECT j.confirmed_by AS user_id, j.confirmed_at AS at, j.id AS job_id, i.claim_id FROM settle_job j
      JOIN job_item i ON i.practice_id = j.practice_id AND i.job_id = j.id AND i.outcome = 'settled'
      WHERE j.practice_id = :practice_id AND j.kind = 'status' AND j.target_status = '{PAID_IN_FULL}'
        AND j.confirmed_at >= :begins AND j.confirmed_at < :ends
      UNION ALL
      SELECT coalesce(e.user_id, 0), e.at, NULL, c.id FROM audit_entry e
      JOIN import_change i ON i.practice_id = e.practice_id AND i.entry_id = e.id AND i.record = 'claim'
        AND i.field = 'billing_status' AND i.new IN ('{PAID_IN_FULL}', '{SETTLED}')
      JOIN claim c ON c.practice_id = i.practice_id AND c.external_id = i.number
      WHERE e.practice_id = :practice_id AND e.act = 'import.changes_taken' AND e.at >= :begins AND e.at < :ends) s
    JOIN claim c ON c.practice_id = :practice_id AND c.id = s.claim_id AND c.insurance_due + c.patient_due > 0
      AND c.billing_status IN ('{PAID_IN_FULL}', '{SETTLED}')
    GROUP BY 1"""  # noqa: S608 – constants


def _by_hand(kind: str, act: str = "claim.posted", which: str = _ENTERED) -> str:
    return _BY_HAND.format(act=act, kind=kind, which=which.format(kind=kind))


class _Part(NamedTuple):
    """Rows of user, claims or jobs, cents, cents of adjustments beside payments, time and perhaps jobs; their words."""

    rows: TextClause
    words: str
    counts: str = "claim"


_PARTS: Final = tuple(
    _Part(text(rows), *words)
    for rows, *words in (
        (_by_hand("adjustment"), "adjusted {count} by {cents}"),
        (_by_hand("payment"), "entered payments of {cents} on {count}"),
        (_by_hand("payment", "claim.voided", _VOIDED), "voided payments of {cents} on {count}"),
        (_OF_CREDITS.format(act="claim.refunded"), "paid {count} of {cents}", "refund"),
        (_OF_CREDITS.format(act="claim.credit_transferred"), "made {count} of credits of {cents}", "transfer"),
        (_IMPORTED, "imported payments of {cents} and adjustments of {adjusted} on {count}"),
        (_IMPORTED_REFUNDS, "imported refunds or lower payments of {cents} in {count}", "import"),
        (_IGNORED, "ignored payers’ payments of {cents} on {count}"),
        (_ANSWERED, "posted remittances with payments of {cents} and adjustments of {adjusted} on {count}"),
        (_WRITTEN_OFF, "wrote off {cents} in {count} without approval", "job"),
        (_SET_PAID, "closed {count} with balances of {cents} by their billing status"),
    )
)


class _Sum:
    """What a user did in the week."""

    def __init__(self) -> None:
        self.cents = 0
        self.words: list[str] = []
        self.times: list[dt.datetime] = []
        self.job_ids: list[int] = []

    def add(self, part: _Part, count: int, cents: int, adjusted: int, at: dt.datetime, *jobs: Any) -> None:
        """Add a row of the part."""
        self.cents += max(0, cents) + max(0, adjusted)
        amounts = {"cents": format_cents(cents), "adjusted": format_cents(adjusted)}
        self.words.append(part.words.format(count=counted(count, part.counts), **amounts))
        self.times.append(at)
        self.job_ids += jobs[0] or [] if jobs else []


def over_job_limit(session: Session, practice: Practice, week: Week, limits: ReviewLimits) -> list[Finding]:
    """Return each user whose sum of the week exceeds the limit for a job, with its parts."""
    sums: defaultdict[int, _Sum] = defaultdict(_Sum)
    bounds = {"practice_id": practice.id, "begins": week.begins, "ends": week.ends}
    for part in _PARTS:
        for user_id, *row in session.execute(part.rows, bounds):
            sums[user_id].add(part, *row)
    return [
        Finding(
            FindingKind.ADJUSTED, max(one.times), f"In this week: {'; '.join(one.words)}. Together "
            f"{format_cents(one.cents)} (limit for a job {format_cents(limit)}). Compare payments with the deposits.",
            (user_id,), tuple(sorted(one.job_ids)),
        )
        for user_id, one in sums.items()
        if one.cents > (limit := limits.of_users.get(user_id, limits.practice).job_cents)
    ]  # fmt: skip
