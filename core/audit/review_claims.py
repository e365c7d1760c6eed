"""Adjustments and refunds over a limit, and write-offs soon after a legal hold or an exclusion ended."""

import datetime as dt
from typing import Final

from sqlalchemy import and_, select, text
from sqlalchemy.orm import Session

from core.audit.findings import CLAIMS_SHOWN_MAX, Finding, FindingKind, Week
from core.audit.review_limits import COMMAND_LINE, OF_USERS, ReviewLimits
from core.counting import counted
from core.models.practices import Exclusion, Payer, Practice
from core.money import format_cents

ADDED_UP_OVER: Final = dt.timedelta(days=30)
UNPROTECTED_FOR: Final = dt.timedelta(days=7)

# As in `core.audit.review_sums`, the audit log leads to the postings. A job's write-off has the user who confirmed it.
_ADJUSTED: Final = text(
    f"""WITH posted AS (
         SELECT DISTINCT e.user_id, c.id AS claim_id, c.external_id FROM audit_entry e
         JOIN claim c ON c.practice_id = e.practice_id AND c.external_id = substr(e.subject, 7)
         WHERE e.practice_id = :practice_id AND e.act = 'claim.posted' AND e.at > :since AND e.at < :ends
           AND e.facts->>'kind' = 'adjustment')
       SELECT a.user_id, a.external_id, sum(-p.amount_cents)::bigint, max(p.created_at), count(*),
              array_agg(DISTINCT p.job_id) FILTER (WHERE p.job_id IS NOT NULL), l.claim_cents
       FROM posted a JOIN {OF_USERS} ON l.user_id = a.user_id
       CROSS JOIN LATERAL (
         SELECT p.* FROM posting p WHERE p.practice_id = :practice_id AND p.claim_id = a.claim_id
           AND p.user_id = a.user_id AND p.amount_cents < 0 AND p.created_at > :since AND p.created_at < :ends
           AND (p.kind = 'adjustment' AND p.source <> 'remittance' OR p.kind = 'write_off' AND EXISTS (
             SELECT FROM settle_job j WHERE j.practice_id = p.practice_id AND j.id = p.job_id AND j.decided_by IS NULL))
         OFFSET 0) p
       WHERE NOT EXISTS (SELECT FROM posting r WHERE r.practice_id = p.practice_id AND r.reverses_id = p.id)
         AND NOT EXISTS (SELECT FROM posting_request q WHERE q.practice_id = p.practice_id AND q.state = 'posted'
           AND q.source_id = split_part(p.source_id, ':', 1))
       GROUP BY 1, 2, 7 HAVING sum(-p.amount_cents) > l.claim_cents AND max(p.created_at) >= :begins"""  # noqa: S608 – constants
)

_REFUNDED: Final = text(
    f"""SELECT e.user_id, substr(e.subject, 7), sum((e.facts->>'amount_cents')::bigint)::bigint, max(e.at),
              l.claim_cents
       FROM audit_entry e JOIN {OF_USERS} ON l.user_id = e.user_id
       WHERE e.practice_id = :practice_id AND e.act = 'claim.refunded' AND e.at >= :begins AND e.at < :ends
       GROUP BY 1, 2, 5 HAVING sum((e.facts->>'amount_cents')::bigint) > l.claim_cents"""  # noqa: S608 – constants
)

_IMPORTED_OVER_LIMIT: Final = text(
    """SELECT coalesce(e.user_id, 0), e.at, (e.facts->>'claims_over_limit')::int, e.facts->'first_over_limit'
       FROM audit_entry e
       WHERE e.practice_id = :practice_id AND e.act IN ('postings.imported', 'practice.imported') AND e.at >= :begins
         AND e.at < :ends AND e.facts ? 'claims_over_limit'"""
)

_NEW_CLAIMS: Final = text(
    """SELECT coalesce(e.user_id, 0), max(e.at), sum((e.facts->>'claims')::bigint)::bigint,
              sum((e.facts->>'new_charges_cents')::bigint)::bigint,
              sum((e.facts->>'new_payments_cents')::bigint)::bigint,
              sum((e.facts->>'new_adjustments_cents')::bigint)::bigint
       FROM audit_entry e
       WHERE e.practice_id = :practice_id AND e.act = 'practice.imported' AND e.at >= :begins AND e.at < :ends
         AND e.facts ? 'new_charges_cents'
       GROUP BY 1"""
)

_ENDED: Final = """
    SELECT e.id AS ended, e.at, e.user_id, 'hold' AS what, c.id AS claim_id, c.external_id FROM audit_entry e
    JOIN claim c ON c.practice_id = e.practice_id AND c.external_id = substr(e.subject, 7)
    WHERE e.practice_id = :practice_id AND e.act IN ('claim.held', 'claim.released') AND e.at > :since AND e.at < :ends
      AND e.facts->>'was' = 'legal_hold' AND e.facts->>'hold' IS DISTINCT FROM 'legal_hold'
    UNION ALL
    SELECT i.id, e.at, coalesce(e.user_id, 0), CASE i.field WHEN 'hold' THEN 'hold' ELSE 'payer' END, c.id,
           c.external_id
    FROM audit_entry e
    JOIN import_change i ON i.practice_id = e.practice_id AND i.entry_id = e.id AND i.record = 'claim'
    JOIN claim c ON c.practice_id = i.practice_id AND c.external_id = i.number
    WHERE e.practice_id = :practice_id AND e.act = 'import.changes_taken' AND e.at > :since AND e.at < :ends
      AND (i.field = 'hold' AND i.old = 'legal_hold' OR i.field IN ('primary_payer', 'secondary_payer') AND EXISTS (
        SELECT FROM exclusion x JOIN payer y ON y.practice_id = x.practice_id AND y.id = x.payer_id
        WHERE x.practice_id = i.practice_id AND y.external_id = i.old AND x.created_at < e.at
          AND (x.ended_at IS NULL OR x.ended_at > e.at)))
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
        GROUP BY t.what, t.ended, t.at, t.user_id"""  # noqa: S608 – constants
)
_ENDED_IN_WEEK: Final = text(
    f"""SELECT t.what, t.user_id, max(t.at), count(DISTINCT t.external_id),
               array_agg(DISTINCT t.external_id ORDER BY t.external_id)
        FROM ({_ENDED}) t GROUP BY 1, 2"""  # noqa: S608 – a constant
)
_ENDED_WORDS: Final = {
    "hold": "Ended a legal hold",
    "exclusion": "Ended the exclusion of a patient",
    "payer": "Changed an excluded payer of a claim by an import",
}
_CLASS_CHANGED: Final = text(
    """SELECT e.at, e.user_id, i.number, i.old, i.new FROM audit_entry e
       JOIN import_change i ON i.practice_id = e.practice_id AND i.entry_id = e.id AND i.record = 'payer'
         AND i.field = 'payer_class' AND i.old IN ('medicare', 'medicaid', 'dual')
       WHERE e.practice_id = :practice_id AND e.act = 'import.changes_taken' AND e.at >= :begins AND e.at < :ends"""
)


def adjusted_by_hand(session: Session, practice: Practice, week: Week, limits: ReviewLimits) -> list[Finding]:
    """Return each user and claim whose adjustments and write-offs over 30 days exceed the limit for one claim.

    One of them was by hand, and the last is in the week. Reversed ones do not count, nor those that another user
    approved.
    """
    given = {**limits.given(practice, week), "since": week.ends - ADDED_UP_OVER}
    return [
        Finding(
            FindingKind.ADJUSTED, at, f"Took {format_cents(cents)} off claim {claim} in "
            f"{counted(entries, 'adjustment or write-off', 'adjustments and write-offs')} (limit "
            f"{format_cents(limit)}).", (user_id,), tuple(job_ids or ()), (claim,), 1, cents,
        )
        for user_id, claim, cents, at, entries, job_ids, limit in session.execute(_ADJUSTED, given)
    ]  # fmt: skip


def imported_over_limit(session: Session, practice: Practice, week: Week) -> list[Finding]:
    """Return each import after which a user's payments and adjustments of 30 days on a claim exceeded its limit."""
    bounds = {"practice_id": practice.id, "begins": week.begins, "ends": week.ends}
    return [
        Finding(
            FindingKind.ADJUSTED, at, f"Imported payments and adjustments, which took more than the limit for a claim "
            f"off {counted(count, 'claim')} in 30 days.", (user_id,), (), tuple(claims), count,
        )
        for user_id, at, count, claims in session.execute(_IMPORTED_OVER_LIMIT, bounds)
    ]  # fmt: skip


def imported_claims(session: Session, practice: Practice, week: Week) -> list[Finding]:
    """Return what each user's imports say about the new claims of the week.

    A file or a mapping can make a claim arrive with a lower balance, and no limit applies to it.
    """
    bounds = {"practice_id": practice.id, "begins": week.begins, "ends": week.ends}
    found = []
    for user_id, at, claims, *cents in session.execute(_NEW_CLAIMS, bounds):
        charges, paid, adjusted = map(format_cents, cents)
        words = (
            f"Imported {counted(claims, 'new claim')} with charges of {charges}, payments of {paid} and adjustments of "
            f"{adjusted}. Compare them with the practice management system."
        )
        found.append(Finding(FindingKind.UNDER_LIMIT, at, words, (user_id,)))
    return found


def refunded(session: Session, practice: Practice, week: Week, limits: ReviewLimits) -> list[Finding]:
    """Return each user and claim whose refunds of the week exceed the limit for one claim."""
    return [
        Finding(
            FindingKind.ADJUSTED, at, f"Refunded {format_cents(cents)} on claim {claim} (limit {format_cents(limit)}).",
            (user_id,), (), (claim,), 1, cents,
        )
        for user_id, claim, cents, at, limit in session.execute(_REFUNDED, limits.given(practice, week))
    ]  # fmt: skip


def unprotected(session: Session, practice: Practice, week: Week) -> list[Finding]:
    """Return the legal holds and exclusions that a user or an import ended up to 7 days before a write-off."""
    given = {
        "practice_id": practice.id, "since": week.begins - UNPROTECTED_FOR, "begins": week.begins, "ends": week.ends,
        "window": UNPROTECTED_FOR,
    }  # fmt: skip
    found = []
    for what, ended_at, user_id, at, count, claims, job_ids, requesters in session.execute(_UNPROTECTED, given):
        people = tuple(dict.fromkeys((user_id, *(one for one in requesters if one))))
        words = f"{_ENDED_WORDS[what]} on {_day(ended_at, week)}, before a write-off."
        shown = tuple(claims[:CLAIMS_SHOWN_MAX])
        found.append(Finding(FindingKind.UNPROTECTED, at, words, people, tuple(sorted(job_ids)), shown, count))
    return found


def ended_protections(session: Session, practice: Practice, week: Week) -> list[Finding]:
    """Return the claims whose legal hold or exclusion each user ended in the week, also without a write-off.

    A user can wait with the write-off for more than 7 days.
    """
    given = {"practice_id": practice.id, "since": week.begins, "ends": week.ends}
    return [
        Finding(
            FindingKind.LOOSENED, at, f"{_ENDED_WORDS[what]}. This concerns {counted(count, 'claim')}.", (user_id,), (),
            tuple(claims[:CLAIMS_SHOWN_MAX]), count,
        )
        for what, user_id, at, count, claims in session.execute(_ENDED_IN_WEEK, given)
    ]  # fmt: skip


def payers_included(session: Session, practice: Practice, week: Week) -> list[Finding]:
    """Return what was loosened for a payer in the week: an ended exclusion, or a class that an import changed.

    A payer may have thousands of claims.
    """
    ended = select(Payer.name, Exclusion.ended_at, Exclusion.ended_by).join(
        Payer, and_(Payer.practice_id == Exclusion.practice_id, Payer.id == Exclusion.payer_id)
    )
    of_week = (Exclusion.ended_at >= week.begins, Exclusion.ended_at < week.ends, Exclusion.ended_by.is_not(None))
    found = [
        Finding(FindingKind.LOOSENED, at, f"Ended the exclusion of payer {name} on {_day(at, week)}", (user_id,))
        for name, at, user_id in session.execute(ended.where(Exclusion.practice_id == practice.id, *of_week))
        if at and user_id
    ]
    bounds = {"practice_id": practice.id, "begins": week.begins, "ends": week.ends}
    return found + [
        Finding(
            FindingKind.LOOSENED, at, f"Changed the class of payer {payer} from {old} to {new} by an import on "
            f"{_day(at, week)}", (user_id or COMMAND_LINE,),
        )
        for at, user_id, payer, old, new in session.execute(_CLASS_CHANGED, bounds)
    ]  # fmt: skip


def _day(at: dt.datetime, week: Week) -> str:
    return f"{at.astimezone(week.begins.tzinfo):%m/%d/%Y}"
