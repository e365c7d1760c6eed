"""Jobs as API answers."""

from collections.abc import Callable, Sequence
from typing import Any, Final, TypeVar

from flask import url_for
from sqlalchemy.orm import Session

from core.db.engine import transaction
from core.enums.jobs import JobStatus
from core.jobs import codes, job_queries, requesters, stale
from core.jobs.approval import decide, limits, without_approval
from core.jobs.keys import JobKey
from core.jobs.preview import cost_share, open_balances, selections
from core.jobs.preview.freezing import PREVIEW_EXPIRES_AFTER
from core.jobs.preview.totals import PreviewTotals
from core.models.jobs import SettleJob
from core.money import limit_as_json
from webui.api.job_models import Confirmed, Counts, SettleJobAnswer, SettleJobSummary, Totals
from webui.api.models import Answer
from webui.shared.app_context import app_context, hint_workers, now
from webui.shared.token_auth import current_actor

Model = TypeVar("Model", bound=Answer)
_AS_STORED: Final = (
    "kind", "status", "target_status", "reason_name", "note", "name", "setting", "as_of", "posting_date",
    "claims_expected", "requested_at", "previewed_at", "confirmed_at", "started_at", "finished_at", "halted_because",
    "decided_at", "decision_note",
)  # fmt: skip


def job_summaries(session: Session, practice_id: int, jobs: Sequence[SettleJob]) -> list[SettleJobSummary]:
    """Return the jobs with the names of their requesters."""
    names = job_queries.names_of_users(session, practice_id, {person for job in jobs for person in _user_ids(job)})
    return [SettleJobSummary(**_summary_fields(job, names)) for job in jobs]


def job_answer(session: Session, job: SettleJob) -> SettleJobAnswer:
    """Return the job with its frozen totals."""
    exceeds = bool(job.limits_exceeded)
    choice = without_approval.choice_now(session, job, confirmer=current_actor().user_id, exceeds=exceeds, now=now())
    names = job_queries.names_of_users(session, job.practice_id, {*_user_ids(job), *([choice.by] if choice else [])})
    preview, changed = _preview(job), stale.count(session, job)
    return SettleJobAnswer(
        without_approval=without_approval.describe(choice, names),
        **_summary_fields(job, names),
        totals=Totals.model_validate(preview) if preview else None,
        open_words=open_balances.describe(job),
        changed_since_preview=changed,
        changed_words=stale.describe(job, changed),
    )


def confirmed_answer(session: Session, job: SettleJob) -> Confirmed:
    """Return that the job is confirmed, by whom and when, or that it needs another user's approval."""
    names = job_queries.names_of_users(session, job.practice_id, _user_ids(job))
    choice = without_approval.recorded_choice(job)
    return Confirmed(
        without_approval=without_approval.describe(choice, names),
        id=str(job.id),
        status=(status := "confirmed" if job.confirmed_at is not None else "awaiting_approval"),
        status_words=codes.status_words(status),
        claims=job.claims_total or 0,
        confirmed_by=names.get(job.confirmed_by or 0),
        confirmed_at=job.confirmed_at,
        approved_by=names.get(job.decided_by or 0),
        over=limits.describe(job.limits_exceeded),
        progress=url_for("api.show_progress", job_id=job.id),
    )


def run_job_command(
    command: Callable[..., SettleJob], key: JobKey, answer: Callable[[Session, SettleJob], Model], **arguments: Any
) -> Model:
    """Run one of `core.jobs.commands`, and hint the workers after the commit. Return the answer about the job."""
    with transaction(app_context().sessions) as session:
        job = command(session, key, by=current_actor(), now=now(), **arguments)
        found = answer(session, job)
    hint_workers(job)
    return found


def _user_ids(job: SettleJob) -> set[int | None]:
    return {job.requested_by, job.confirmed_by, job.decided_by, job.without_approval_chosen_by}


def _preview(job: SettleJob) -> PreviewTotals | None:
    return PreviewTotals.model_validate(job.preview) if job.preview is not None else None


def _summary_fields(job: SettleJob, names: dict[int, str]) -> dict[str, Any]:
    """Return the fields that a summary and a full answer share."""
    preview = _preview(job)
    waits_since = job.previewed_at if job.status is JobStatus.PREVIEWED else None
    return {
        "id": str(job.id),
        **{name: getattr(job, name) for name in _AS_STORED},
        "status_words": codes.status_words(job.status),
        "reverses_job_id": str(job.reverses_job_id) if job.reverses_job_id else None,
        "reason": job.reason_code,
        "reason_kind": job.reason,
        "adjustment_code": job.practice_reason.get("adjustment_code", ""),
        "cost_share_reason": cost_share.reason_of(job),
        "include": job.overridden_rules,
        "include_words": [codes.describe(code) for code in job.overridden_rules],
        "selection_words": selections.describe(job),
        "counts": Counts.model_validate(preview) if preview else None,
        "requested_by": names.get(job.requested_by),
        "expires_at": waits_since + PREVIEW_EXPIRES_AFTER if waits_since else None,
        "confirmed_by": names.get(job.confirmed_by or 0) if job.confirmed_at or job.approval_requested_at else None,
        "accountable_user": names.get(requesters.accountable_user(job)),
        "limits": {name: limit_as_json(limit) for name, limit in job.limits.items()},
        "over": limits.describe(job.limits_exceeded),
        "approval_asked_at": job.approval_requested_at,
        "approval_expires_at": decide.expires_at(job) if job.status is JobStatus.AWAITING_APPROVAL else None,
        "decided_by": names.get(job.decided_by or 0),
    }
