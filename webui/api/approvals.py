"""Approvals: list the jobs and postings that need one; approve and reject jobs."""

from collections.abc import Iterable
from typing import Annotated

from pydantic import Field
from sqlalchemy.orm import Session

from core.access.permissions import Action
from core.jobs import commands
from core.jobs.approval import inbox
from core.ledger import posting_requests
from core.ledger.posting_requests import RequestRow
from webui.api.blueprint import JOBS, api
from webui.api.job_models import ChangedSeen, Confirmed, Rejection, SettleJobAnswer, SettleJobSummary
from webui.api.job_responses import confirmed_answer, job_answer, job_summaries, run_job_command
from webui.api.models import Answer
from webui.api.posting_requests import PostingRequestAnswer
from webui.api.request_parsing import Body, JobPath
from webui.shared.app_context import now
from webui.shared.token_auth import current_actor


class Approval(Body):
    """The confirmation that approves a job."""

    confirmation: Annotated[str, Field(description="CONFIRM, in capitals")] = ""
    changed_since_preview: ChangedSeen = None


class Approvals(Answer):
    """Jobs and postings over a limit, oldest first."""

    waiting_for_me: Annotated[list[SettleJobAnswer], Field(description="Jobs that you can approve or reject")]
    waiting_for_others: Annotated[
        list[SettleJobAnswer], Field(description="Jobs that you requested, so another user must decide")
    ]
    decided: Annotated[
        list[SettleJobSummary], Field(description="Your jobs that were decided in the last 7 days, newest first")
    ]
    postings_waiting_for_me: Annotated[
        list[PostingRequestAnswer], Field(description="Postings over a per-claim limit that you can approve or reject")
    ]
    postings_waiting_for_others: Annotated[
        list[PostingRequestAnswer], Field(description="Postings that you entered, so another user must decide")
    ]
    postings_decided: Annotated[
        list[PostingRequestAnswer],
        Field(description="Your postings that were decided in the last 7 days, newest first"),
    ]


@api.get("/approvals", needs=Action.SEE_CLAIMS, tag=JOBS)
def list_approvals(session: Session) -> Approvals:
    """List what needs your approval, your own jobs and postings that need approval, and recent decisions on those."""
    actor, at = current_actor(), now()
    return Approvals(
        waiting_for_me=[job_answer(session, job) for job in inbox.jobs_to_approve(session, actor, now=at)],
        waiting_for_others=[job_answer(session, job) for job in inbox.my_jobs_awaiting_approval(session, actor)],
        decided=job_summaries(session, actor.practice_id, inbox.my_decided_jobs(session, actor, now=at)),
        postings_waiting_for_me=_answers(posting_requests.list_to_approve(session, actor, now=at)),
        postings_waiting_for_others=_answers(posting_requests.list_own_waiting(session, actor, now=at)),
        postings_decided=_answers(posting_requests.list_own_decided(session, actor, now=at)),
    )


def _answers(rows: Iterable[RequestRow]) -> list[PostingRequestAnswer]:
    return [PostingRequestAnswer.of(row) for row in rows]


# Core checks who may, by the job's kind and requesters.
@api.post("/settle-jobs/<job_id>/approve", needs=Action.SEE_CLAIMS, tag=JOBS, status=202, problems=[409])
def approve_job(path: JobPath, body: Approval) -> Confirmed:
    """Approve a job over a limit. It runs as previewed. Repeating the request gives the same answer."""
    return run_job_command(
        commands.approve, path.key(current_actor()), confirmed_answer, confirmation=body.confirmation,
        changed_seen=body.changed_since_preview,
    )  # fmt: skip


@api.post("/settle-jobs/<job_id>/reject", needs=Action.SEE_CLAIMS, tag=JOBS, problems=[409])
def reject_job(path: JobPath, body: Rejection, session: Session) -> SettleJobAnswer:
    """Reject a job over a limit, with a reason. The job never runs and changes nothing."""
    job = commands.reject(session, path.key(current_actor()), reason=body.reason, by=current_actor(), now=now())
    return job_answer(session, job)
