"""Approvals: jobs and postings that need one, and the approver's CONFIRM on a job's preview or reason to reject it."""

import datetime as dt
from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Any, Final

from flask import Flask, g, render_template, request
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response

from core import reading
from core.access.approvers import ReasonMissing
from core.access.permissions import Action, Actor, VerificationNeeded
from core.errors import Refusal
from core.jobs import commands, job_queries, requesters, stale
from core.jobs.approval import decide, inbox, limits
from core.jobs.approval.limits import OverLimit
from core.jobs.commands import ConfirmationMismatch
from core.ledger import posting_decisions, posting_requests
from core.models.jobs import SettleJob
from webui.jobs import job_pages, preview_facts
from webui.shared import acts
from webui.shared.app_context import app_context, hint_workers, now
from webui.shared.auth import Pages, current_actor, signed_in_actor

DECISIONS_SHOWN: Final = 5  # recent decisions shown above the list of jobs; the Approvals page has all

blueprint = Pages("approvals", __name__)


def register(app: Flask) -> None:
    """Add the pages, and give every page the number of decisions to make and recent decisions on the user's jobs."""
    app.register_blueprint(blueprint)
    app.context_processor(lambda: {"waiting_for_me": _count_waiting_for_me, "recent_decisions": _recent_decisions})
    app.add_template_filter(exceeded_limits, "over_limits")


@blueprint.get("/approvals", needs=Action.SEE_CLAIMS)
def index() -> str:
    """Show the jobs and postings that I may approve, mine that need approval, and decisions on mine."""
    actor, at = current_actor(), now()
    with app_context().sessions() as db:
        mine, others = inbox.jobs_to_approve(db, actor, now=at), inbox.my_jobs_awaiting_approval(db, actor)
        decided = inbox.my_decided_jobs(db, actor, now=at)
        approvers = {job.id: [user.name for user in requesters.approvers(db, job, now=at)] for job in others}
        blocked = inbox.jobs_for_other_approvers(db, actor, now=at)
        changed = {job.id: stale.describe(job, stale.count(db, job)) for job in (*mine, *others)}
        names = _user_names(db, [*mine, *others, *decided])
        own_postings = posting_requests.list_own_waiting(db, actor, now=at)
        postings = {
            "postings": posting_requests.list_to_approve(db, actor, now=at),
            "own_postings": own_postings,
            "blocked_postings": [
                (row, posting_decisions.why_not_approve(db, row.request, actor.user_id, now=at))
                for row in posting_requests.list_for_other_approvers(db, actor, now=at)
            ],
            "decided_postings": posting_requests.list_own_decided(db, actor, now=at),
            "posting_approvers": {
                row.request.id: posting_requests.approver_names(db, row.request, now=at) for row in own_postings
            },
        }
    return render_template(
        "approvals/index.html",
        mine=mine,
        blocked=blocked,
        others=others,
        decided=decided,
        approvers=approvers,
        changed=changed,
        names=names,
        **postings,
        now=at,
        answers=requesters.accountable_user,
        expires_at=decide.expires_at,
        may_approve=actor.may(Action.APPROVE_JOB),
    )


# Core checks who may, by the job's kind and requesters.
@blueprint.post(f"/jobs/{job_pages.JOB_ID_RULE}/approve", needs=Action.SEE_CLAIMS)
def approve(job_id: int) -> Response:
    """Approve the job if CONFIRM is typed. Otherwise show the fault at the field and change nothing."""
    _actor, typed = current_actor(), request.form.get("confirmation", "")
    try:
        key, seen = acts.job_key(job_id), reading.number(request.form.get("changed_seen", ""))
        job = acts.run(commands.approve, key, confirmation=typed, changed_seen=seen)
    except ConfirmationMismatch as fault:
        return _job_page_with_error(job_id, fault.http_status, fault=fault.message, typed=typed)
    except VerificationNeeded as refusal:
        return _job_page_with_error(job_id, refusal.http_status, typed=typed)  # which has the field
    except Refusal as refusal:
        return acts.redirect_with(acts.sentence_on_page(refusal), "jobs.show", tone="warn", job_id=job_id)
    hint_workers(job)
    return acts.redirect_with("You approved this job as previewed.", "jobs.show", job_id=job_id)


@blueprint.post(f"/jobs/{job_pages.JOB_ID_RULE}/reject", needs=Action.SEE_CLAIMS)
def reject(job_id: int) -> Response:
    """Reject the job with a reason for the requester."""
    _actor, reason = current_actor(), request.form.get("reason", "")
    try:
        acts.run(commands.reject, acts.job_key(job_id), reason=reason)
    except ReasonMissing as fault:
        return _job_page_with_error(job_id, fault.http_status, reason_fault=fault.message, reason=reason)
    except Refusal as refusal:
        return acts.redirect_with(acts.sentence_on_page(refusal), "jobs.show", tone="warn", job_id=job_id)
    return acts.redirect_with(
        "Rejected. No claim was changed. The requester will see your reason.", "jobs.show", job_id=job_id
    )


def exceeded_limits(job: SettleJob, names: Mapping[int, str]) -> list[OverLimit]:
    """Return the exceeded limits, in words. `names` has the requesters."""
    whose = preview_facts.whose_limit(requesters.requester_ids(job), names)
    return limits.describe(job.limits_exceeded, whose=whose)


def _job_page_with_error(job_id: int, status: HTTPStatus, **extra: Any) -> Response:
    page = job_pages.render_job(job_id, **extra)
    page.status_code = status
    return page


def _count_waiting_for_me() -> int:
    """Count the jobs and postings that this user may approve, once per page."""
    if "waiting_for_me" not in g:
        actor = signed_in_actor()
        with app_context().sessions() as db:
            g.waiting_for_me = _count(db, actor) if actor else 0
    count: int = g.waiting_for_me
    return count


def _count(db: Session, actor: Actor) -> int:
    at = now()
    return inbox.count_jobs_to_approve(db, actor, now=at) + posting_requests.count_to_approve(db, actor, now=at)


def _recent_decisions() -> dict[str, Any]:
    """Return recent decisions on this user's jobs, with the names of the approvers."""
    at: dt.datetime = now()
    with app_context().sessions() as db:
        decided = inbox.my_decided_jobs(db, current_actor(), now=at)
        return {
            "decided": decided[:DECISIONS_SHOWN],
            "more": len(decided) - DECISIONS_SHOWN,
            "names": _user_names(db, decided[:DECISIONS_SHOWN]),
        }


def _user_names(db: Session, shown: Iterable[SettleJob]) -> dict[int, str]:
    people = {person for job in shown for person in (job.requested_by, job.confirmed_by, job.decided_by)}
    return job_queries.names_of_users(db, current_actor().practice_id, people)
