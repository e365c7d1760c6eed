"""Limits, rules, roles and accounts that a user changed within a day of a write-off, and what a user loosened.

A raised limit applies after a day. So a user who raises it and waits has no write-off within a day of the change.
"""

import datetime as dt
from typing import Final

from sqlalchemy import ColumnElement, and_, or_, select, text
from sqlalchemy.orm import Session

from core.access.recent_changes import WINDOW, loosens
from core.access.ties import Ties, granted_by
from core.audit import sentences
from core.audit.findings import Finding, FindingKind, Week
from core.enums.claims import Hold
from core.models.people import AuditEntry
from core.models.practices import Practice

# Which of two values is looser cannot be told from them. Webhooks and users decide who sees the findings. A user can
# wait with an account that they control, until it is no longer new.
_ALWAYS_SHOWN: Final = (
    "layout.saved", "mapping.deleted", "mapping.saved", "month.reopened", "posting_rule.changed",
    "practice.folder_watched", "schedule.changed", "schedule.mode_changed", "second_factor.changed",
    "single_sign_on.changed", "user.added", "user.deactivated", "user.factor_reset", "user.identity_unlinked",
    "user.password_link", "user.reactivated", "user.role_changed", "user.vouched", "webhook.added", "webhook.changed",
    "webhook.deleted",
)  # fmt: skip
# A command on the server has no user, and no other user sees it run.
_BY_COMMAND: Final = ("mapping.saved", "practice.other_created", "single_sign_on.changed", "token.added", "user.added")
ACTS: Final = (
    *_ALWAYS_SHOWN, "appeal_window.changed", "one_person.chosen", "reason.added", "reason.changed",
    "recent_payment_window.changed", "small_balance_limit.changed", "statement_rules.changed", "time_zone.changed",
    "user.identity_linked", "user.limits_changed", "write_off_limits.changed", "write_off_setting.changed",
)  # fmt: skip

# Each change with the users whose write-offs it may have served. A reversal is no write-off.
_JOBS: Final = text(
    """SELECT t.entry_id, array_agg(DISTINCT j.id ORDER BY j.id), max(greatest(t.at, j.confirmed_at))
       FROM unnest(CAST(:entries AS bigint[]), CAST(:times AS timestamptz[]), CAST(:users AS bigint[]))
              AS t(entry_id, at, user_id)
       JOIN settle_job j ON j.practice_id = :practice_id AND j.kind = 'settle'
         AND t.user_id IN (j.requested_by, j.confirmed_by)
         AND j.confirmed_at BETWEEN t.at - :window AND t.at + :window
         AND greatest(t.at, j.confirmed_at) >= :begins AND greatest(t.at, j.confirmed_at) < :ends
         AND (j.preview->>'insurance_cents')::bigint + (j.preview->>'patient_cents')::bigint > 0
       GROUP BY t.entry_id"""
)


def changes(session: Session, practice: Practice, week: Week, names: dict[int, str]) -> list[Finding]:
    """Return the changes within a day of a job that wrote off balances, by the same or a tied user.

    Also return what a user loosened in the week without such a job.
    """
    changed = select(AuditEntry).where(
        AuditEntry.practice_id == practice.id, AuditEntry.at > week.begins - WINDOW, AuditEntry.at < week.ends,
        or_(
            and_(
                AuditEntry.act.in_(ACTS),
                or_(AuditEntry.user_id.is_not(None), AuditEntry.facts["granted_by"].as_string().is_not(None)),
            ),
            and_(AuditEntry.act.in_(_BY_COMMAND), AuditEntry.user_id.is_(None)),
            and_(AuditEntry.act == "claim.held", _keeps_legal_hold()),
        ),
    )  # fmt: skip
    entries = {entry.id: entry for entry in session.scalars(changed)}
    ties = Ties.read(session, practice.id)
    tied = [(entry, user) for entry in entries.values() for user in sorted(_served(entry, ties))]
    rows = session.execute(
        _JOBS,
        {
            "entries": [entry.id for entry, _ in tied], "times": [entry.at for entry, _ in tied],
            "users": [user for _, user in tied], "practice_id": practice.id, "window": WINDOW, "begins": week.begins,
            "ends": week.ends,
        },
    ).all()  # fmt: skip
    near = {
        entry_id: _finding(FindingKind.CHANGED, entries[entry_id], job_ids, at, week=week, names=names)
        for entry_id, job_ids, at in rows
    }
    loosened = [
        _finding(FindingKind.LOOSENED, entry, [], entry.at, week=week, names=names)
        for entry in entries.values()
        if entry.at >= week.begins and entry.id not in near and _is_shown(entry)
    ]
    return [*near.values(), *loosened]


def _keeps_legal_hold() -> ColumnElement[bool]:
    """Return, as SQL, whether a user gave a legal hold another last day, after which it ends by itself."""
    facts = AuditEntry.facts
    is_kept = and_(facts["was"].as_string() == Hold.LEGAL.value, facts["hold"].as_string() == Hold.LEGAL.value)
    return and_(is_kept, facts["until"].as_string().is_not(None))


def _is_shown(entry: AuditEntry) -> bool:
    """Return whether the review shows the act also without a write-off."""
    return entry.act in (*_ALWAYS_SHOWN, "claim.held") or granted_by(entry) is None or loosens(entry)


def _served(entry: AuditEntry, ties: Ties) -> set[int]:
    """Return the user who made the change, the users tied to them, and the user whose account it is."""
    by = granted_by(entry) or 0
    kind, _, key = entry.subject.partition(":")
    account = {int(key)} if kind == "user" and key.isdigit() else set()
    return {by, *ties.controlled_by({by}), *ties.controllers_of(by), *account}


def _finding(
    kind: FindingKind, entry: AuditEntry, job_ids: list[int], at: dt.datetime, *, week: Week, names: dict[int, str]
) -> Finding:
    details = "; ".join(f"{label} {value}" for label, value in sentences.details(entry.facts, names=names))
    changed_on = f" on {entry.at.astimezone(week.begins.tzinfo):%m/%d/%Y}"
    words = (
        sentences.sentence(entry.act, entry.subject, names=names) + changed_on + (f" ({details})" if details else "")
    )
    return Finding(kind, max(at, entry.at), words, (granted_by(entry) or 0,), tuple(job_ids))
