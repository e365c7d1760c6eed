"""Approvals by new accounts or by one user, and jobs and postings without a second person."""

import datetime as dt
from typing import Any, Final

from sqlalchemy import and_, or_, select, text
from sqlalchemy.orm import Session

from core.access import one_person
from core.access.ties import Ties
from core.audit.findings import CLAIMS_SHOWN_MAX, Finding, FindingKind, Week
from core.enums.jobs import JobKind
from core.jobs import codes, requesters
from core.jobs.approval.day_sum import write_off_total
from core.models.jobs import SettleJob
from core.models.people import AuditEntry
from core.models.practices import Practice
from core.money import format_cents

NEW_FOR: Final = dt.timedelta(days=30)
VOUCHED_WITHIN: Final = dt.timedelta(days=7)

_APPROVED: Final = text(
    """SELECT e.at, e.user_id, e.act, substr(e.subject, strpos(e.subject, ':') + 1), u.created_at > e.at - :new_for,
              v.user_id
       FROM audit_entry e JOIN app_user u ON u.id = e.user_id
       LEFT JOIN LATERAL (
         SELECT v.user_id FROM audit_entry v
         WHERE v.practice_id = e.practice_id AND v.subject = 'user:' || e.user_id AND v.act = 'user.vouched'
           AND v.at > e.at - :vouched_within AND v.at <= e.at
         ORDER BY v.id DESC LIMIT 1) v ON true
       WHERE e.practice_id = :practice_id AND e.act IN ('job.approved', 'claim.posting_approved')
         AND e.at >= :begins AND e.at < :ends
         AND (u.created_at > e.at - :new_for OR v.user_id IS NOT NULL)"""
)
# A job's requesters, and the one of a posting by hand.
_APPROVED_FOR: Final = text(
    """SELECT e.user_id, q.requester, max(e.at), array_agg(DISTINCT q.job_id) FILTER (WHERE q.job_id IS NOT NULL),
              array_agg(DISTINCT substr(e.subject, 7)) FILTER (WHERE q.job_id IS NULL),
              coalesce(sum(q.cents), 0)::bigint
       FROM audit_entry e CROSS JOIN LATERAL (
         SELECT DISTINCT unnest(ARRAY[j.requested_by, j.confirmed_by, j.schedule_created_by]) AS requester,
           j.id AS job_id, (j.preview->>'insurance_cents')::bigint + (j.preview->>'patient_cents')::bigint AS cents
         FROM settle_job j WHERE e.act = 'job.approved' AND j.practice_id = e.practice_id
           AND e.subject = 'job:' || j.id
         UNION ALL SELECT (e.facts->>'user_id')::bigint, NULL, 0 WHERE e.act = 'claim.posting_approved') q
       WHERE e.practice_id = :practice_id AND e.act IN ('job.approved', 'claim.posting_approved')
         AND e.at >= :begins AND e.at < :ends AND q.requester IS NOT NULL
       GROUP BY 1, 2"""
)


def approved_by_new_accounts(session: Session, practice: Practice, week: Week) -> list[Finding]:
    """Return the approvals by an account that was new, or for which a user had just vouched."""
    rows = session.execute(_APPROVED, {**_bounds(practice, week), "vouched_within": VOUCHED_WITHIN})
    found = []
    for at, approver, act, number, is_new, voucher in rows:
        is_job = act == "job.approved"
        because = ["was under 30 days old"] if is_new else []
        because += ["was vouched for less than 7 days before"] if voucher else []
        what = f"job {int(number):,}" if is_job else f"a posting by hand on claim {number}"
        words = f"Approved {what}. The approver's account {' and '.join(because)}."
        people = (approver, voucher) if voucher else (approver,)
        jobs, claims = ((int(number),), ()) if is_job else ((), (number,))
        found.append(Finding(FindingKind.YOUNG_APPROVER, at, words, people, jobs, claims, len(claims)))
    return found


def approved_by_one_person(session: Session, practice: Practice, week: Week) -> list[Finding]:
    """Return each approver and requester whose accounts one user controls, and what the one approved for the other.

    The rules refuse an approver whom a requester controls. The opposite is usual where an administrator added the
    billers. But such an administrator could request with a biller's account.
    """
    ties = Ties.read(session, practice.id)
    found = []
    for approver, requester, at, jobs, claims, cents in session.execute(_APPROVED_FOR, _bounds(practice, week)):
        both = {approver, *ties.controllers_of(approver)} & {requester, *ties.controllers_of(requester)}
        if not both:
            continue
        who = "The approver controls" if approver in both else "Another user controls the approver's and"
        words = f"Approved what this requester asked for. {who} the requester's account."
        words += f" The jobs wrote off {format_cents(cents)}." if cents else ""
        people = tuple(dict.fromkeys((approver, requester, *sorted(both))))
        shown = tuple(claims or ())[:CLAIMS_SHOWN_MAX]
        found.append(
            Finding(FindingKind.YOUNG_APPROVER, at, words, people, tuple(jobs or ()), shown, len(claims or ()), cents)
        )
    return found


def without_second_person(session: Session, practice: Practice, week: Week) -> list[Finding]:
    """Return the jobs and postings over a limit by the choice that one person works here, and each such choice."""
    ran = select(SettleJob).where(
        SettleJob.practice_id == practice.id, SettleJob.without_approval_chosen_by.is_not(None),
        SettleJob.confirmed_at >= week.begins, SettleJob.confirmed_at < week.ends,
    )  # fmt: skip
    of_week = (AuditEntry.practice_id == practice.id, AuditEntry.at >= week.begins, AuditEntry.at < week.ends)
    chosen = select(AuditEntry).where(*of_week, AuditEntry.act == "one_person.chosen")
    posted = select(AuditEntry).where(
        *of_week, AuditEntry.act == "claim.posted", AuditEntry.facts.has_key("without_approval")
    )
    jobs = session.scalars(ran).all()
    found = [
        Finding(
            FindingKind.ALONE, job.confirmed_at, f"Job {job.id:,} ran over a limit without approval.",
            (job.confirmed_by or job.requested_by,), (job.id,),
        )
        for job in jobs
        if job.confirmed_at is not None
    ]  # fmt: skip
    found += [_posted(entry) for entry in session.scalars(posted)]
    return [*found, *(_chosen(session, practice, week, entry) for entry in session.scalars(chosen))]


def overrode_rules(session: Session, practice: Practice, week: Week) -> list[Finding]:
    """Return the jobs without approval that overrode rules, or that wrote off cost sharing for a reason at CONFIRM.

    The reason of a scheduled run stays the same from day to day.
    """
    gave_reason = and_(SettleJob.cost_share_reason != "", SettleJob.schedule_id.is_(None))
    jobs = select(SettleJob).where(
        SettleJob.practice_id == practice.id, SettleJob.kind == JobKind.SETTLE, SettleJob.decided_by.is_(None),
        SettleJob.confirmed_at >= week.begins, SettleJob.confirmed_at < week.ends,
        or_(SettleJob.overridden_rules != [], gave_reason),
    )  # fmt: skip
    found = []
    for job in session.scalars(jobs):
        rules = "; ".join(map(codes.describe, job.overridden_rules))
        words = f"Job {job.id:,} wrote off {format_cents(write_off_total(job))} without approval."
        words += f" Overridden rules: {rules}." if rules else ""
        words += f" Reason for the cost sharing: “{job.cost_share_reason}”" if job.cost_share_reason else ""
        assert job.confirmed_at is not None
        found.append(
            Finding(
                FindingKind.ALONE,
                job.confirmed_at,
                words,
                (requesters.accountable_user(job),),
                (job.id,),
                cents=write_off_total(job),
            )
        )
    return found


def _bounds(practice: Practice, week: Week) -> dict[str, Any]:
    return {
        "practice_id": practice.id,
        "begins": week.begins,
        "ends": week.ends,
        "new_for": NEW_FOR,
    }


def _posted(entry: AuditEntry) -> Finding:
    claim = entry.subject.removeprefix("claim:")
    words = f"Posted to claim {claim} by hand, over the per-claim limit without approval."
    return Finding(FindingKind.ALONE, entry.at, words, (entry.user_id or 0,), (), (claim,), 1)


def _chosen(session: Session, practice: Practice, week: Week, entry: AuditEntry) -> Finding:
    user_id = entry.user_id or 0
    words, people = "Chose that one person works here, so jobs over a limit run without approval.", (user_id,)
    since = entry.at - one_person.ALONE_FOR
    last = one_person.last_other_approver(session, practice.id, user_id, since=since, until=entry.at)
    if last is None:
        return Finding(FindingKind.ALONE, entry.at, words, people)
    day = f"{last.until.astimezone(week.begins.tzinfo):%m/%d/%Y}"
    words += f" Another user could approve until {day}, so this applies 30 days later."
    return Finding(FindingKind.ALONE, entry.at, words, (user_id, last.user_id))
