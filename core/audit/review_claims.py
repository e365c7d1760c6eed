"""Adjustments and refunds over a limit, and write-offs soon after a legal hold or an exclusion ended."""

import datetime as dt
from typing import Any, Final

from sqlalchemy import and_, select, text
from sqlalchemy.orm import Session

from core.audit.findings import CLAIMS_SHOWN_MAX, FINDINGS_MAX, Finding, FindingKind, Week
from core.counting import counted
from core.models.practices import Exclusion, Payer, Practice
from core.money import UNLIMITED, format_cents

ADDED_UP_OVER: Final = dt.timedelta(days=30)
UNPROTECTED_FOR: Final = dt.timedelta(days=7)

# No index leads from a user to postings. The audit log names the claims. OFFSET 0 makes PostgreSQL look up the postings
# of each claim by the index, instead of reading those of all claims.
_ADJUSTED: Final = text(
    """WITH posted AS (
         SELECT DISTINCT e.user_id, c.id AS claim_id, c.external_id FROM audit_entry e
         JOIN claim c ON c.practice_id = e.practice_id AND c.external_id = substr(e.subject, 7)
         WHERE e.practice_id = :practice_id AND e.act = 'claim.posted' AND e.at > :since AND e.at < :ends
           AND e.facts->>'kind' = 'adjustment')
       SELECT a.user_id, a.external_id, sum(-p.amount_cents)::bigint, max(p.created_at), count(*)
       FROM posted a CROSS JOIN LATERAL (
         SELECT p.* FROM posting p WHERE p.practice_id = :practice_id AND p.claim_id = a.claim_id
           AND p.user_id = a.user_id AND p.source = 'entry' AND p.kind = 'adjustment' AND p.amount_cents < 0
           AND p.created_at > :since AND p.created_at < :ends OFFSET 0) p
       WHERE NOT EXISTS (SELECT FROM posting r WHERE r.practice_id = p.practice_id AND r.reverses_id = p.id)
         AND NOT EXISTS (SELECT FROM posting_request q WHERE q.practice_id = p.practice_id AND q.state = 'posted'
           AND q.source_id = split_part(p.source_id, ':', 1))
       GROUP BY 1, 2 HAVING sum(-p.amount_cents) > :most AND max(p.created_at) >= :begins
       ORDER BY 4 DESC LIMIT :rows"""
)

# The per-job limit applies only to jobs, so many small entries together may exceed it without approval.
_ENTERED_IN_ALL: Final = text(
    """WITH posted AS (
         SELECT DISTINCT e.user_id, c.id AS claim_id FROM audit_entry e
         JOIN claim c ON c.practice_id = e.practice_id AND c.external_id = substr(e.subject, 7)
         WHERE e.practice_id = :practice_id AND e.act = 'claim.posted' AND e.at >= :begins AND e.at < :ends
           AND e.facts->>'kind' = :kind)
       SELECT a.user_id, count(DISTINCT p.claim_id), sum(-p.amount_cents)::bigint, max(p.created_at)
       FROM posted a CROSS JOIN LATERAL (
         SELECT p.* FROM posting p WHERE p.practice_id = :practice_id AND p.claim_id = a.claim_id
           AND p.user_id = a.user_id AND p.source = 'entry' AND p.kind = :kind AND p.amount_cents < 0
           AND p.created_at >= :begins AND p.created_at < :ends OFFSET 0) p
       WHERE NOT EXISTS (SELECT FROM posting r WHERE r.practice_id = p.practice_id AND r.reverses_id = p.id)
         AND NOT EXISTS (SELECT FROM posting_request q WHERE q.practice_id = p.practice_id AND q.state = 'posted'
           AND q.source_id = split_part(p.source_id, ':', 1))
       GROUP BY 1 HAVING sum(-p.amount_cents) > :most ORDER BY 4 DESC LIMIT :rows"""
)
_ENTERED_WORDS: Final = {
    "adjustment": "Adjusted {claims} by {dollars} in this week {limit}.",
    "payment": "Entered payments of {dollars} on {claims} in this week {limit}. Compare them with the deposits.",
}
_REFUNDED: Final = text(
    """SELECT e.user_id, substr(e.subject, 7), sum((e.facts->>'amount_cents')::bigint)::bigint, max(e.at)
       FROM audit_entry e
       WHERE e.practice_id = :practice_id AND e.act = 'claim.refunded' AND e.at >= :begins AND e.at < :ends
         AND e.user_id IS NOT NULL
       GROUP BY 1, 2 HAVING sum((e.facts->>'amount_cents')::bigint) > :most ORDER BY 4 DESC LIMIT :rows"""
)

# A user can upload a file that no payer sent. Its answers are not held if they only adjust.
_UNPAID: Final = text(
    """SELECT r.user_id, r.trace, count(*), sum(p.cents)::bigint, max(r.received_at)
       FROM remittance r
       JOIN remittance_claim a ON a.practice_id = r.practice_id AND a.remittance_id = r.id AND a.paid_cents = 0
         AND a.outcome IN ('posted', 'warned')
       CROSS JOIN LATERAL (
         SELECT sum(-p.amount_cents) AS cents FROM posting p
         WHERE p.practice_id = a.practice_id AND p.claim_id = a.claim_id AND p.source = 'remittance'
           AND p.kind = 'adjustment' AND p.created_at >= r.received_at AND p.created_at < :ends OFFSET 0) p
       WHERE r.practice_id = :practice_id AND r.user_id IS NOT NULL AND r.received_at >= :begins
         AND r.received_at < :ends AND p.cents > 0
       GROUP BY r.user_id, r.id, r.trace HAVING sum(p.cents) > :most ORDER BY 5 DESC LIMIT :rows"""
)

_ENDED: Final = """
    SELECT e.id AS ended, e.at, e.user_id, 'hold' AS what, c.id AS claim_id, c.external_id FROM audit_entry e
    JOIN claim c ON c.practice_id = e.practice_id AND c.external_id = substr(e.subject, 7)
    WHERE e.practice_id = :practice_id AND e.act IN ('claim.held', 'claim.released') AND e.at > :since AND e.at < :ends
      AND e.facts->>'was' = 'legal_hold' AND e.facts->>'hold' IS DISTINCT FROM 'legal_hold'
    UNION ALL
    SELECT x.id, x.ended_at, x.ended_by, 'exclusion', c.id, c.external_id FROM exclusion x
    JOIN claim c ON c.practice_id = x.practice_id AND c.patient_id = x.patient_id
    WHERE x.practice_id = :practice_id AND x.ended_by IS NOT NULL AND x.ended_at > :since AND x.ended_at < :ends"""
_UNPROTECTED: Final = text(
    f"""SELECT t.what, t.at, t.user_id, max(p.created_at), count(DISTINCT t.external_id),
               array_agg(DISTINCT t.external_id ORDER BY t.external_id), array_agg(DISTINCT p.job_id),
               array_agg(DISTINCT j.confirmed_by)
        FROM ({_ENDED}) t
        CROSS JOIN LATERAL (
          SELECT p.* FROM posting p WHERE p.practice_id = :practice_id AND p.claim_id = t.claim_id
            AND p.kind = 'write_off' AND p.created_at > t.at AND p.created_at <= t.at + :window
            AND p.created_at >= :begins AND p.created_at < :ends OFFSET 0) p
        JOIN settle_job j ON j.practice_id = p.practice_id AND j.id = p.job_id
        GROUP BY t.what, t.ended, t.at, t.user_id ORDER BY 4 DESC LIMIT :rows"""  # noqa: S608 – constants
)


def adjusted_by_hand(session: Session, practice: Practice, week: Week) -> list[Finding]:
    """Return each user and claim whose adjustments by hand over 30 days exceed the practice's per-claim limit.

    The last of them is in the week. Voided ones do not count, nor those that another user approved.
    """
    if practice.claim_limit_cents >= UNLIMITED:
        return []
    rows = session.execute(
        _ADJUSTED, {**_bounds(practice, week, ADDED_UP_OVER, from_=week.ends), "most": practice.claim_limit_cents}
    )
    limit = format_cents(practice.claim_limit_cents)
    return [
        Finding(
            FindingKind.ADJUSTED, at, f"Adjusted claim {claim} by {format_cents(cents)} in {entries:,} "
            f"{'entry' if entries == 1 else 'entries'} (limit {limit}).", (user_id,), (), (claim,), 1,
        )
        for user_id, claim, cents, at, entries in rows
    ]  # fmt: skip


def entered_in_all(session: Session, practice: Practice, week: Week) -> list[Finding]:
    """Return each user whose adjustments, or payments, by hand in the week exceed the practice's per-job limit."""
    most = practice.job_limit_cents
    if most >= UNLIMITED:
        return []
    limit = f"(limit for a job {format_cents(most)})"
    bounds = {**_bounds(practice, week, ADDED_UP_OVER, from_=week.ends), "most": most}
    return [
        Finding(
            FindingKind.ADJUSTED, at,
            words.format(claims=counted(claims, "claim"), dollars=format_cents(cents), limit=limit), (user_id,), (), (),
            claims,
        )
        for kind, words in _ENTERED_WORDS.items()
        for user_id, claims, cents, at in session.execute(_ENTERED_IN_ALL, {**bounds, "kind": kind})
    ]  # fmt: skip


def adjusted_unpaid(session: Session, practice: Practice, week: Week) -> list[Finding]:
    """Return the remittances of the week that adjusted unpaid claims by more than the practice's per-job limit."""
    most = practice.job_limit_cents
    if most >= UNLIMITED:
        return []
    rows = session.execute(_UNPAID, {**_bounds(practice, week, ADDED_UP_OVER, from_=week.ends), "most": most})
    return [
        Finding(
            FindingKind.ADJUSTED, at, f"Imported remittance {trace}, which adjusted {counted(claims, 'claim')} by "
            f"{format_cents(cents)} without a payment (limit for a job {format_cents(most)}).", (user_id,), (), (),
            claims,
        )
        for user_id, trace, claims, cents, at in rows
    ]  # fmt: skip


def refunded(session: Session, practice: Practice, week: Week) -> list[Finding]:
    """Return each user and claim whose refunds of the week exceed the practice's per-claim limit."""
    most = practice.claim_limit_cents
    if most >= UNLIMITED:
        return []
    rows = session.execute(_REFUNDED, {**_bounds(practice, week, ADDED_UP_OVER, from_=week.ends), "most": most})
    return [
        Finding(
            FindingKind.ADJUSTED, at, f"Refunded {format_cents(cents)} on claim {claim} (limit {format_cents(most)}).",
            (user_id,), (), (claim,), 1,
        )
        for user_id, claim, cents, at in rows
    ]  # fmt: skip


def unprotected(session: Session, practice: Practice, week: Week) -> list[Finding]:
    """Return the legal holds and patients' exclusions that a user ended up to 7 days before a write-off."""
    window = {**_bounds(practice, week, UNPROTECTED_FOR, from_=week.begins), "window": UNPROTECTED_FOR}
    found = []
    for what, ended_at, user_id, at, count, claims, job_ids, requesters in session.execute(_UNPROTECTED, window):
        ended = f"Ended {'a legal hold' if what == 'hold' else 'the exclusion of a patient'} on {_day(ended_at, week)}"
        people = tuple(dict.fromkeys((user_id, *(one for one in requesters if one))))
        words = f"{ended}, before a write-off."
        shown = tuple(claims[:CLAIMS_SHOWN_MAX])
        found.append(Finding(FindingKind.UNPROTECTED, at, words, people, tuple(sorted(job_ids)), shown, count))
    return found


def payers_included(session: Session, practice: Practice, week: Week) -> list[Finding]:
    """Return the exclusions of payers that a user ended in the week. A payer may have thousands of claims."""
    ended = select(Payer.name, Exclusion.ended_at, Exclusion.ended_by).join(
        Payer, and_(Payer.practice_id == Exclusion.practice_id, Payer.id == Exclusion.payer_id)
    )
    of_week = (Exclusion.ended_at >= week.begins, Exclusion.ended_at < week.ends, Exclusion.ended_by.is_not(None))
    return [
        Finding(FindingKind.LOOSENED, at, f"Ended the exclusion of payer {name} on {_day(at, week)}", (user_id,))
        for name, at, user_id in session.execute(ended.where(Exclusion.practice_id == practice.id, *of_week))
        if at and user_id
    ]


def _bounds(practice: Practice, week: Week, before: dt.timedelta, *, from_: dt.datetime) -> dict[str, Any]:
    since = from_ - before
    return {
        "practice_id": practice.id, "since": since, "begins": week.begins, "ends": week.ends, "rows": FINDINGS_MAX,
    }  # fmt: skip


def _day(at: dt.datetime, week: Week) -> str:
    return f"{at.astimezone(week.begins.tzinfo):%m/%d/%Y}"
