"""The list of jobs, and the page of one job in each status."""

from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any, Final

from flask import flash, redirect, render_template, request, url_for
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response

from core import paging
from core.access.permissions import Action
from core.audit import job_history
from core.claims import feed
from core.db.bounds import BIGINT_MAX
from core.enums.job_items import Outcome
from core.enums.jobs import FINAL_STATUSES, IN_PROGRESS_STATUSES, JobFile, JobStatus
from core.errors import Refusal
from core.jobs import codes, commands, job_queries, naming, preview_again, reversed_totals
from core.jobs.approval import day_sum
from core.jobs.execution import retry
from core.jobs.job_filter import BadJobFilter, JobFilter
from core.jobs.keys import JobKey
from core.jobs.preview import cost_share, selections
from core.jobs.preview.totals import PreviewTotals
from core.jobs.results import chosen_reasons, item_groups, outcomes, progress
from core.jobs.results.progress import Progress
from core.jobs.reversal import create_reversal
from core.models.jobs import SettleJob
from webui.claims import filter_words
from webui.jobs import approval_facts, job_filter_form, preview_facts
from webui.jobs.job_labels import RUN_LABELS
from webui.shared import acts, page_arguments, partials
from webui.shared.app_context import app_context, hint_workers, now
from webui.shared.auth import Pages, current_actor

PAGE_JOBS: Final = 50
PAGE_ITEMS: Final = 50
CHART_SECONDS: Final = 60
REMAINING: Final = "remaining"

blueprint = Pages("jobs", __name__, url_prefix="/jobs")
JOB_ID_RULE: Final = f"<int(max={BIGINT_MAX}):job_id>"
COMMANDS: Final = {
    "pause": commands.pause,
    "resume": commands.resume,
    "cancel": commands.cancel,
    "discard": commands.discard,
}


@blueprint.get("", needs=Action.SEE_CLAIMS)
def index() -> Response:
    """List the practice's matching jobs, newest first. With a faulty filter, show the faults and no jobs."""
    try:
        return _list(job_filter_form.read())
    except BadJobFilter as refusal:
        answer = _list(None, faults=refusal.facts["faults"])
        answer.status_code = refusal.http_status
        return answer


def _list(wanted: JobFilter | None, **extra: Any) -> Response:
    practice_id = current_actor().practice_id
    jobs: list[SettleJob] = []
    with app_context().sessions() as db:
        if wanted is not None:
            before = page_arguments.number("before")
            jobs = job_queries.list_jobs(db, practice_id, before_id=before, matching=wanted, limit=PAGE_JOBS + 1)
        shown, last = paging.cut(jobs, PAGE_JOBS)
        facts = {
            "jobs": shown,
            "by_job": progress.for_jobs(db, practice_id, [job.id for job in shown], now=now()),
            "names": job_queries.names_of_users(db, practice_id, _user_ids(*shown)),
            "reversed": reversed_totals.for_jobs(db, practice_id, [job.id for job in shown]),
            **job_filter_form.choices(db, practice_id),
        }
    return _render_page_or_partial(
        "jobs/index.html",
        "jobs/_list.html",
        status=wanted and wanted.status,
        asked=job_filter_form.asked(),
        listed=wanted is not None,
        older=last and last.id,
        moving=any(job.status in IN_PROGRESS_STATUSES for job in shown),
        **facts,
        **extra,
    )


@blueprint.get(f"/{JOB_ID_RULE}", needs=Action.SEE_CLAIMS)
def show(job_id: int) -> Response:
    """Show one job. The page polls while the job is in progress, or until an approver decides."""
    return render_job(job_id)


def render_job(job_id: int, **extra: Any) -> Response:
    """Return the page of one job. `extra` contains the errors in a form."""
    key = acts.job_key(job_id)
    at = now()
    with app_context().sessions() as db:
        job = job_queries.find(db, key)
        so_far = progress.for_job(db, key, now=at)
        points = progress.claims_per_second(db, key, now=at, seconds=CHART_SECONDS)
        reversals = job_queries.reversals_of(db, key)
        facts = {
            "job": job,
            "progress": so_far,
            "points": points,
            "totals": PreviewTotals.model_validate(job.preview) if job.preview else None,
            "names": job_queries.names_of_users(db, key.practice_id, _user_ids(job)),
            "table": _outcome_table(db, key, job, so_far),
            "moving": job.status in IN_PROGRESS_STATUSES,
            "polls": job.status in IN_PROGRESS_STATUSES,
            "ended": job.status in FINAL_STATUSES,
            "now": at,
            "run": RUN_LABELS[job.kind],
            "reversals": reversals,
            "open_reversal": next(filter(create_reversal.is_open_and_whole, reversals), None),
            "reversed": reversed_totals.for_jobs(db, key.practice_id, [key.job_id]).get(key.job_id),
            "only": next(iter(outcomes.items(db, key, limit=1)), None)
            if job.reverses_job_id and so_far.total == 1
            else None,
            "history": job_history.for_job(db, key),
            **_filter_facts(db, job),
            **_files_and_codes(db, key, job, so_far),
            **_permissions(job),
        }
        facts |= _facts_for_status(db, job) | extra
    return _render_page_or_partial("jobs/show.html", "jobs/_job.html", **facts)


@blueprint.post(f"/{JOB_ID_RULE}/<any({', '.join(COMMANDS)}):name>", needs=Action.SEE_CLAIMS)
def run_command(job_id: int, name: str) -> Response:
    """Pause, resume, cancel or discard the job. The cancel button of a list's preview leads back to the list."""
    answer = _run_command(COMMANDS[name], job_id)
    return redirect(url_for("claim_list.show", job=job_id)) if "to_list" in request.form else answer


@blueprint.post(f"/{JOB_ID_RULE}/retry-failed", needs=Action.SEE_CLAIMS)
def retry_failed(job_id: int) -> Response:
    """Retry the failed claims that can succeed, or only those with the codes that the user left checked."""
    chosen = request.form.getlist("code")
    every = not chosen and "choose" not in request.form  # the form has no check boxes
    return _run_command(commands.retry_failed, job_id, chosen=None if every else chosen)


def _run_command(command: Callable[..., SettleJob], job_id: int, **values: Any) -> Response:
    # The required permission depends on the job's kind, so core checks it.
    try:
        job = acts.run(command, acts.job_key(job_id), **values)
    except Refusal as refusal:
        flash(acts.sentence_on_page(refusal), "warn")
    else:
        hint_workers(job)
        if "to_list" in request.form:
            flash("The preview is canceled. Your list is kept.", "info")
    return redirect(url_for("jobs.show", job_id=job_id))


@blueprint.post(f"/{JOB_ID_RULE}/name", needs=Action.SEE_CLAIMS)  # core checks who may
def rename(job_id: int) -> Response:
    """Change the job's name, or remove it."""
    typed = request.form.get("name", "")
    try:
        acts.run(naming.rename, acts.job_key(job_id), name=typed)
    except naming.BadJobName as fault:
        page = render_job(job_id, name_fault=fault.message, typed_name=typed)
        page.status_code = fault.http_status
        return page
    return redirect(url_for("jobs.show", job_id=job_id), code=HTTPStatus.SEE_OTHER)


def _facts_for_status(db: Session, job: SettleJob) -> dict[str, Any]:
    """Return what the page shows only in this status: the preview, or what an approver needs."""
    match job.status:
        case JobStatus.PREPARING | JobStatus.PREVIEWED:
            return preview_facts.preview_page_facts(db, job, request.args)
        case JobStatus.AWAITING_APPROVAL:
            return approval_facts.approval_page_facts(db, job, request.args)
        case _ if job.preview is not None and job.confirmed_at is None:
            return preview_facts.preview_claims_facts(db, job, request.args)
        case _:
            return {}


def _filter_facts(db: Session, job: SettleJob) -> dict[str, Any]:
    """Return the filter that chose the job's claims, also in words."""
    chosen = selections.origin(job).get("filter") or {}
    terms = filter_words.describe_filter(chosen, feed.filter_choices(db, job.practice_id)) if chosen else []
    return {"filter": chosen, "filter_terms": terms}


def _files_and_codes(db: Session, key: JobKey, job: SettleJob, so_far: Progress) -> dict[str, Any]:
    """Return what a stopped job shows: its claims by code, what a retry would try, and its files."""
    if job.confirmed_at is None or job.status in IN_PROGRESS_STATUSES:
        return {"codes": [], "files": [], "retry": None}
    counts = {
        JobFile.SETTLED: so_far.settled,
        JobFile.NOT_SETTLED: so_far.skipped + so_far.failed,
        JobFile.NOT_PROCESSED: so_far.remaining,
    }
    offer, groups = retry.offer(db, job) if so_far.failed else None, outcomes.by_code(db, key)
    files = [(file, count) for file, count in counts.items() if count]
    return {"codes": groups, "reason_rows": chosen_reasons.rows(groups, offer), "retry": offer, "files": files}


def _permissions(job: SettleJob) -> dict[str, bool]:
    """Return what this user may do to this job, by role and status."""
    actor = current_actor()
    return {
        "may_control": commands.may(actor, job, Action.CONTROL_JOB),
        "may_discard": commands.may(actor, job, Action.PREVIEW_JOB),
        "may_rename": naming.may_rename(actor, job),
        "may_reverse": actor.may(Action.REVERSE_JOB),
        "is_reversible": create_reversal.is_reversible(job),
    }


def _outcome_table(db: Session, key: JobKey, job: SettleJob, so_far: Progress) -> dict[str, Any] | None:
    """Return a page of the job's claims with one outcome, or None before CONFIRM."""
    if job.confirmed_at is None:
        return None
    counts = {
        Outcome.FAILED.value: so_far.failed,
        Outcome.SKIPPED.value: so_far.skipped,
        Outcome.SETTLED.value: so_far.settled,
        REMAINING: so_far.remaining,
    }
    wanted = request.args.get("outcome")
    outcome = wanted if wanted in counts else _default_outcome(counts, finished=job.status in FINAL_STATUSES)
    after = page_arguments.number("after") or 0
    code = request.args.get("code") or None
    group = item_groups.of_query(db, key.practice_id, request.args)
    page: dict[str, Any] = {"after_position": after, "limit": PAGE_ITEMS + 1, "again_at": now()}
    rows = outcomes.items(db, key, outcome=outcome, code=code, group=group, **page)
    shown, last = paging.cut(rows, PAGE_ITEMS)
    return {
        "counts": counts,
        "outcome": outcome,
        "code": code,
        "group": group,
        "after": after,
        "rows": shown,
        "next": last and last.position,
    }


def _default_outcome(counts: dict[str, int], *, finished: bool) -> str:
    """Return the outcome to show first: failed or skipped, and after the job any other that has claims."""
    looked_at = counts if finished else (Outcome.FAILED.value, Outcome.SKIPPED.value)
    return next((name for name in looked_at if counts[name]), Outcome.SKIPPED.value)


def _render_page_or_partial(page: str, part: str, **facts: Any) -> Response:
    if not partials.is_partial_request():
        return Response(render_template(page, **facts), mimetype="text/html")
    return partials.partial_response(render_template(part, **facts))


def _user_ids(*jobs: SettleJob) -> list[int]:
    columns = ("requested_by", "confirmed_by", "decided_by", "without_approval_chosen_by")
    return [person for job in jobs for column in columns if (person := getattr(job, column))]


@blueprint.app_template_filter("code_words")
def code_words(code: str | None) -> str:
    """Return the sentence of a code, or an empty string."""
    return codes.describe(code) if code else ""


@blueprint.app_template_filter("cost_share_reason")
def cost_share_reason(job: SettleJob) -> str:
    """Return the reason that a user gave for writing off cost sharing."""
    return cost_share.reason_of(job)


@blueprint.app_template_filter("selection_words")
def selection_words(job: SettleJob) -> str:
    """Return what the job's request selected."""
    return selections.describe(job)


@blueprint.app_template_filter("why_words")
def why_words(values: Mapping[str, Any] | None) -> list[tuple[str, str]]:
    """Return the label and value of each fact that a rule used."""
    return codes.rule_values(values)


blueprint.add_app_template_filter(codes.rule_name)
blueprint.add_app_template_filter(day_sum.write_off_total, "previewed_cents")
blueprint.add_app_template_filter(preview_again.is_of_list, "is_of_list")
