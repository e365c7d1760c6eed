"""Try the claims of a job again that were not settled, by reason: in a retry of the job, in a new job, or both."""

import secrets

from flask import flash
from werkzeug.wrappers import Response as BaseResponse

from core.access.permissions import Action
from core.counting import counted
from core.db.engine import transaction
from core.enums.jobs import JobKind
from core.errors import NotAllowed, Refusal
from core.jobs import commands, job_queries, preview_again
from core.jobs.keys import JobKey
from core.jobs.results import chosen_reasons
from core.jobs.results.chosen_reasons import ChosenReasons
from core.models.jobs import SettleJob
from core.policy.overridable import overridable
from webui.jobs import status_change
from webui.jobs.job_pages import JOB_ID_RULE
from webui.jobs.status_change import StatusChangeForm
from webui.shared import acts
from webui.shared.app_context import app_context, hint_workers, now
from webui.shared.auth import Pages, current_actor

blueprint = Pages("try_again", __name__, url_prefix="/jobs")


@blueprint.post(f"/{JOB_ID_RULE}/try-again", needs=Action.SEE_CLAIMS)  # core checks who may, by the job's kind
def try_again(job_id: int) -> BaseResponse | tuple[str, int]:
    """Retry the chosen failed claims that can be retried, and preview the other chosen claims in a new job."""
    key = acts.job_key(job_id)
    with transaction(app_context().sessions) as db:
        job = job_queries.find(db, key)
    if not commands.may(current_actor(), job, Action.CONTROL_JOB):
        raise NotAllowed
    chosen = status_change.reasons_chosen()
    if chosen is None:
        return acts.redirect_with("Check at least one reason first.", "jobs.show", tone="warn", job_id=job_id)
    try:
        if not _retry_and_count_rest(key, chosen):
            return acts.redirect_to("jobs.show", job_id=job_id)
        if job.kind is not JobKind.REVERSE:
            return _preview(job, chosen)
        new = _reverse(job, chosen)
    except Refusal as refusal:
        return acts.redirect_with(acts.sentence_on_page(refusal), "jobs.show", tone="warn", job_id=job_id)
    hint_workers(new)
    return acts.redirect_to("jobs.show", job_id=new.id)


def _retry_and_count_rest(key: JobKey, chosen: ChosenReasons) -> int:
    """Retry the failed claims, and return how many claims are left for a new job."""
    with transaction(app_context().sessions) as db:
        job = job_queries.find(db, key)
        retried = chosen_reasons.retryable(db, job, chosen)
        if retried:
            commands.retry_failed(db, key, chosen=chosen.failed, by=current_actor(), now=now())
        rest = chosen_reasons.count_for_new_job(db, job, chosen)
    if retried:
        hint_workers(job)
        flash(f"Job {key.job_id:,} retries {counted(retried, 'failed claim')}.", "good")
    elif not rest:
        flash("None of these claims can be tried again now.", "warn")
    return rest


def _preview(job: SettleJob, chosen: ChosenReasons) -> BaseResponse | tuple[str, int]:
    """Ask for the reason of a new job with these claims, filled in as in the old one. A status change needs none."""
    overridden = tuple(overridable(job.overridden_rules))
    change = StatusChangeForm(job.target_status, None, job.id, chosen, job.reason_code or "", job.note, overridden)
    is_status = job.kind is JobKind.STATUS
    return status_change.preview_or_refusal(change) if is_status else status_change.render_reason_step(change)


def _reverse(job: SettleJob, chosen: ChosenReasons) -> SettleJob:
    """Preview a reversal of these claims of the original job."""
    assert job.reverses_job_id is not None
    original = JobKey(job.practice_id, job.reverses_job_id)
    with transaction(app_context().sessions) as db:
        return preview_again.preview_not_settled(
            db,
            JobKey(job.practice_id, job.id),
            lambda selection: commands.request_reversal(
                db,
                original,
                claim_ids=selection["claim_ids"],
                note=job.note,
                by=current_actor(),
                idempotency_key=secrets.token_urlsafe(16),
                now=now(),
                chunk_claims=app_context().settings.chunk_claims,
            ),
            chosen,
        )
