"""Facts for the page of a job that needs approval."""

from typing import Any

from sqlalchemy.orm import Session
from werkzeug.datastructures import MultiDict

from core.access.permissions import Action
from core.jobs import commands, job_queries, requesters, reversed_totals, stale
from core.jobs.approval import day_sum, decide, inbox
from core.jobs.preview.totals import PreviewTotals
from core.models.jobs import SettleJob
from core.policy import rule_scope
from core.policy.rules import RULES_BY_CODE, skip_rules_on_and_off
from core.reading import NOTE_CHARACTERS_MAX
from webui.claims.feed_columns import SHORT_LABELS
from webui.jobs import preview_facts
from webui.shared.app_context import now
from webui.shared.auth import current_actor


def approval_page_facts(db: Session, job: SettleJob, args: MultiDict[str, str]) -> dict[str, Any]:
    """Return the facts for the page of a job that needs approval: the frozen preview and the exceeded limits."""
    actor, at = current_actor(), now()
    approves = commands.may(actor, job, Action.APPROVE_JOB)
    refusal = requesters.why_not_approve(db, job, actor.user_id, now=at) if approves else None
    may_decide = approves and refusal is None
    asked_by = requesters.accountable_user(job)
    of_day = day_sum.recent_jobs(db, job, by=asked_by, at=job.approval_requested_at or at)
    changed = stale.count(db, job)
    return {
        "changed": changed,
        "changed_words": stale.describe(job, changed),
        "totals": PreviewTotals.model_validate(job.preview),
        **preview_facts.open_balance_facts(job),
        **preview_facts.preview_claims_facts(db, job, args),
        "rules": skip_rules_on_and_off(
            job.kind, job.rule_values, reason=job.reason, scheduled=job.schedule_id is not None
        ),
        "rules_not_applied": rule_scope.rules_not_applied(RULES_BY_CODE, job.setting, job.provider_settings.values()),
        "short": SHORT_LABELS,
        "of_day": of_day,
        "of_day_reversed": reversed_totals.for_jobs(db, job.practice_id, [other.id for other in of_day]),
        "asked_by": job_queries.names_of_users(db, job.practice_id, [asked_by]).get(asked_by, "–"),
        "left": inbox.deactivated_requesters(db, job),
        "is_own": requesters.is_own(job, actor.user_id),
        "refusal": refusal,
        "may_decide": may_decide,
        "polls": not may_decide,  # an approver's page keeps what is typed, and the count of changes that it showed
        "approvers": [user.name for user in requesters.approvers(db, job, now=at)],
        "approval_expires_at": decide.expires_at(job),
        "approval_expired": decide.is_expired(job, now=at),
        "reason_max": NOTE_CHARACTERS_MAX,
    }
