"""What each user took off balances in a week, or gave back, without a second user.

Nothing else adds the parts up over a week. Sums up to the limit for a job have a part of their own in the review. So a
reader sees what several accounts under the limit do together.
"""

import datetime as dt
from collections import defaultdict
from collections.abc import Mapping
from itertools import groupby
from typing import Any, Final, NamedTuple

from sqlalchemy import text
from sqlalchemy.orm import Session

from core.access.ties import Ties
from core.audit.findings import Finding, FindingKind, Week
from core.audit.review_answers import Answered
from core.audit.review_limits import ReviewLimits
from core.counting import counted
from core.enums.claims import PAID_IN_FULL, SETTLED
from core.models.practices import Practice
from core.money import UNLIMITED, format_cents, format_limit

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
    """How the review describes a part of the sum, and what it counts."""

    words: str
    counts: str = "claim"


_REMITTANCES: Final = _Part("posted {count} with payments of {cents} and adjustments of {adjusted}", "remittance")
# Each with a query of user, count, cents, cents of adjustments beside payments, time, and perhaps jobs.
_PARTS: Final = tuple(
    (text(rows), _Part(*words))
    for rows, *words in (
        (_by_hand("adjustment"), "adjusted {count} by {cents}"),
        (_by_hand("payment"), "entered payments of {cents} on {count}"),
        (_by_hand("payment", "claim.voided", _VOIDED), "voided payments of {cents} on {count}"),
        (_OF_CREDITS.format(act="claim.refunded"), "paid {count} of {cents}", "refund"),
        (_OF_CREDITS.format(act="claim.credit_transferred"), "made {count} of credits of {cents}", "transfer"),
        (_IMPORTED, "imported payments of {cents} and adjustments of {adjusted} on {count}"),
        (_IMPORTED_REFUNDS, "imported refunds or lower payments of {cents} in {count}", "import"),
        (_IGNORED, "ignored payers' payments of {cents} on {count}"),
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


def lowered(
    session: Session, practice: Practice, week: Week, limits: ReviewLimits, answered: list[Answered]
) -> list[Finding]:
    """Return what each user took off balances, and what accounts that one user controls did together."""
    sums: defaultdict[int, _Sum] = defaultdict(_Sum)
    bounds = {"practice_id": practice.id, "begins": week.begins, "ends": week.ends}
    for rows, part in _PARTS:
        for user_id, *row in session.execute(rows, bounds):
            sums[user_id].add(part, *row)
    for user_id, group in groupby(sorted(answered), key=lambda one: one.user_id):
        of_user = list(group)
        cents = (sum(one.paid_cents for one in of_user), sum(one.adjusted_cents for one in of_user))
        sums[user_id].add(_REMITTANCES, len(of_user), *cents, max(one.at for one in of_user))
    some = {user_id: one for user_id, one in sums.items() if one.cents}
    found = [_of_user(user_id, one, limits) for user_id, one in some.items()]
    return [*found, *_of_accounts(some, Ties.read(session, practice.id), limits), *_of_all(some)]


def _of_user(user_id: int, one: _Sum, limits: ReviewLimits) -> Finding:
    limit = limits.job_cents_of(user_id)
    kind = FindingKind.ADJUSTED if one.cents > limit else FindingKind.UNDER_LIMIT
    if limit == UNLIMITED:
        kind = FindingKind.WITHOUT_LIMIT
    words = (
        f"In this week: {'; '.join(one.words)}. Together {format_cents(one.cents)} (limit for a job "
        f"{format_limit(limit)})."
    )
    if kind is not FindingKind.UNDER_LIMIT:
        words += " Compare payments with the deposits."
    return Finding(kind, max(one.times), words, (user_id,), tuple(sorted(one.job_ids)), cents=one.cents)


def _of_accounts(sums: Mapping[int, _Sum], ties: Ties, limits: ReviewLimits) -> list[Finding]:
    """Return each user whose own and controlled accounts together exceed the user's limit for a job.

    Each account has a limit for itself. How old it is does not matter, because a user can wait with it.
    """
    controllers = {one for user_id in sums for one in ties.controllers_of(user_id)}
    groups = {user: frozenset({user, *ties.controlled_by({user})} & sums.keys()) for user in controllers}
    found = []
    for user, accounts in groups.items():
        limit, cents = limits.job_cents_of(user), sum(sums[one].cents for one in accounts)
        is_part = any(accounts < other or (accounts == other and by < user) for by, other in groups.items())
        if is_part or cents <= limit or len(accounts) == 1:
            continue
        jobs = tuple(sorted({job for one in accounts for job in sums[one].job_ids}))
        words = (
            f"This user added, reset, linked or changed the accounts of the others. Together, {len(accounts)} accounts "
            f"took {format_cents(cents)} off balances in this week (limit for a job {format_limit(limit)})."
        )
        people = tuple(dict.fromkeys((user, *sorted(accounts))))
        at = max(one for account in accounts for one in sums[account].times)
        found.append(Finding(FindingKind.ADJUSTED, at, words, people, jobs, cents=cents))
    return found


def _of_all(sums: Mapping[int, _Sum]) -> list[Finding]:
    """Return what all users took off balances. It is the largest, so it stands above the sums under the limit."""
    if len(sums) <= 1:
        return []
    cents = sum(one.cents for one in sums.values())
    words = f"All users together, with those above: {format_cents(cents)} by {counted(len(sums), 'user')}."
    at = max(at for one in sums.values() for at in one.times)
    return [Finding(FindingKind.UNDER_LIMIT, at, words, (), cents=cents)]
