"""Settle jobs: preview, confirm, progress, items."""

from typing import Annotated, Literal, TypeVar

from flask import jsonify, request, url_for
from pydantic import Field
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response as BaseResponse

from core.access.permissions import Action
from core.db.engine import transaction
from core.intake.claim_list import check
from core.jobs import codes, commands, job_queries, naming
from core.jobs.naming import JobName
from core.jobs.preview.job_request import SELECTION_CLAIM_IDS_MAX, ClaimIdText, JobRequest, Listed
from core.jobs.results import outcome_sentences, outcomes, progress
from core.models.jobs import SettleJob
from core.reading import NOTE_CHARACTERS_MAX, Day
from webui.api.blueprint import JOBS, Reply, api
from webui.api.job_models import (
    ChangedSeen,
    Confirmed,
    CreatedJob,
    ItemsPage,
    SettleJobAnswer,
)
from webui.api.job_responses import confirmed_answer, job_answer, run_job_command
from webui.api.progress_models import ProgressAnswer
from webui.api.request_parsing import Body, JobPath, OnceHeaders, Page
from webui.shared.app_context import app_context, hint_workers, now
from webui.shared.token_auth import current_actor

JobAnswer = TypeVar("JobAnswer", bound=SettleJobAnswer)


class ItemsQuery(Page):
    """A page of a job's items."""

    outcome: Literal["settled", "skipped", "failed", "remaining"] | None = None


class Confirmation(Body):
    """The confirmation that starts a job."""

    confirmation: Annotated[str, Field(description="CONFIRM, in capitals")] = ""
    cost_share_reason: Annotated[
        str | None,
        Field(
            description="Reason for writing off Medicare or Medicaid cost sharing, up to 500 characters. Required "
            "if the preview's totals contain a cost_share; otherwise the answer is 422 cost_share_reason_missing, or "
            "cost_share_reason_repeats if it only repeats the write-off reason"
        ),
    ] = None
    changed_since_preview: ChangedSeen = None
    name: Annotated[JobName | None, Field(description="A name for the job; null keeps the one that it has")] = None


class NameBody(Body):
    """The job's new name."""

    name: JobName


class Reversal(Body):
    """What to reverse."""

    claim_ids: Annotated[
        Annotated[list[ClaimIdText], Field(max_length=SELECTION_CLAIM_IDS_MAX)] | None,
        Field(description="Some of the job's settled claims; null means all"),
    ]
    note: Annotated[str, Field(max_length=NOTE_CHARACTERS_MAX, description="The reason, saved with the job")]
    posting_date: Annotated[
        Day | None,
        Field(description="A day in an open month, from the write-offs' date up to today; null means today"),
    ] = None


@api.post("/settle-jobs", needs=Action.PREVIEW_JOB, tag=JOBS, status=201, problems=[409])
def create_job(header: OnceHeaders, body: JobRequest) -> Reply[CreatedJob]:
    """Preview a job: freeze the selected claims, each with its verdict.

    Each of `claim_ids` must exist. Use `claim_numbers` for a list from elsewhere, such as a spreadsheet: the job
    contains the claims that exist, and `not_found` has the other numbers. If none exists, the answer is 422
    `nothing_selected`.

    For up to 20,000 claims, the answer is the preview. A larger job is `preparing`, and its preview follows later.

    A new practice chooses its Balance Writeoff setting before it settles its first claims. Until then, the answer is
    409 `write_off_setting_not_chosen`.
    """
    actor = current_actor()
    with transaction(app_context().sessions) as session:
        job = commands.request_preview(
            session,
            body,
            by=actor,
            idempotency_key=header.idempotency_key,
            chunk_claims=app_context().settings.chunk_claims,
            now=now(),
        )
        selected = body.selection
        numbers = selected.claim_numbers if isinstance(selected, Listed) else ()
        missing = check.missing_numbers(session, actor.practice_id, numbers) if numbers else []
        answer = CreatedJob(**dict(job_answer(session, job)), not_found=missing)
    return _created(job, answer)


@api.post("/settle-jobs/<job_id>/reverse", needs=Action.REVERSE_JOB, tag=JOBS, status=201, problems=[409])
def reverse_job(path: JobPath, header: OnceHeaders, body: Reversal) -> Reply[SettleJobAnswer]:
    """Preview a reversal of a completed or canceled job, or of some of its claims. Confirm it like any other job.

    If a later payment reversed part of a write-off, the payment stays and only the rest is reversed. A claim with any
    other later change is skipped as `touched_since`. A claim whose write-off later payments already reversed is skipped
    as `late_payment`.
    """
    with transaction(app_context().sessions) as session:
        job = commands.request_reversal(
            session,
            path.key(current_actor()),
            claim_ids=body.claim_ids,
            note=body.note,
            posting_date=body.posting_date,
            by=current_actor(),
            idempotency_key=header.idempotency_key,
            chunk_claims=app_context().settings.chunk_claims,
            now=now(),
        )
        answer = job_answer(session, job)
    return _created(job, answer)


def _created(job: SettleJob, answer: JobAnswer) -> Reply[JobAnswer]:
    """Return the answer to a request for a job: its preview, or that a worker is preparing it."""
    hint_workers(job)
    return Reply(answer, {"Location": url_for("api.show_job", job_id=job.id)})


@api.get("/settle-jobs/<job_id>", needs=Action.SEE_CLAIMS, tag=JOBS)
def show_job(path: JobPath, session: Session) -> SettleJobAnswer:
    """Show one job with its frozen totals."""
    return job_answer(session, job_queries.find(session, path.key(current_actor())))


# Core checks who may confirm, by the job's kind.
@api.post("/settle-jobs/<job_id>/confirm", needs=Action.SEE_CLAIMS, tag=JOBS, status=202, problems=[409])
def confirm_job(path: JobPath, body: Confirmation) -> Confirmed:
    """Confirm a previewed job. It runs once in the background, even if you confirm it again.

    A job over a limit waits for another user's approval instead; its status is `awaiting_approval`.
    """
    return run_job_command(
        commands.confirm, path.key(current_actor()), confirmed_answer, confirmation=body.confirmation,
        cost_share_reason=body.cost_share_reason or "", changed_seen=body.changed_since_preview, name=body.name,
    )  # fmt: skip


@api.put("/settle-jobs/<job_id>/name", needs=Action.SEE_CLAIMS, tag=JOBS)  # core checks who may
def rename_job(path: JobPath, body: NameBody, session: Session) -> SettleJobAnswer:
    """Change the name of your job, or as an administrator of any job. The name is a label, not evidence."""
    key = path.key(current_actor())
    job = naming.rename(session, key, name=body.name, by=current_actor(), now=now())
    return job_answer(session, job)


@api.get("/settle-jobs/<job_id>/progress", needs=Action.SEE_CLAIMS, tag=JOBS,
         responses={200: ProgressAnswer, 304: {"description": "Unchanged since that ETag"}})  # fmt: skip
def show_progress(path: JobPath, session: Session) -> BaseResponse:
    """Show a job's progress. Send the ETag back as If-None-Match to get 304 while nothing has changed."""
    key = path.key(current_actor())
    found, job = progress.for_job(session, key, now=now()), job_queries.find(session, key)
    kind, name = job.kind, job.name
    words = {"words": outcome_sentences.sentence(found, kind), "status_words": codes.status_words(found.status)}
    response = jsonify({**progress.as_json(found), **words, "kind": kind, "name": name})
    response.add_etag()  # of the answer itself, so that it changes exactly when the answer does
    return response.make_conditional(request)


@api.get("/settle-jobs/<job_id>/items", needs=Action.SEE_CLAIMS, tag=JOBS)
def list_items(path: JobPath, query: ItemsQuery, session: Session) -> ItemsPage:
    """List a job's claims in order, each with its outcome and reason."""
    key, after = path.key(current_actor()), query.after() or 0
    job_queries.find(session, key)
    rows = outcomes.items(
        session, key, outcome=query.outcome, after_position=after, limit=query.limit + 1, again_at=now()
    )
    items, cursor = query.cut(rows, "position")
    return ItemsPage(items=items, next_cursor=cursor)
