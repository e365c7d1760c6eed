"""Confirm Batch Status Change: what a previewed job will do to each claim, and the CONFIRM that starts it."""

from contextlib import suppress
from http import HTTPStatus
from typing import Any, Final

from flask import Flask, jsonify, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as BaseResponse

from core import reading
from core.access.permissions import Action, VerificationNeeded
from core.enums.jobs import JobStatus
from core.errors import Refusal
from core.jobs import commands, job_queries, naming, preview_again
from core.jobs.commands import ConfirmationMismatch
from core.jobs.keys import JobKey
from core.jobs.naming import BadJobName
from core.jobs.preview.cost_share import CostShareReasonMissing
from core.jobs.preview.totals import PreviewTotals
from core.jobs.stale import PreviewStale
from webui.jobs import job_pages, preview_facts
from webui.shared import acts
from webui.shared.app_context import app_context, hint_workers, now
from webui.shared.auth import requires

_LIST_KEYS: Final = ("verdict", "code", "payer", "provider", "over", "after")
NEW_PREVIEW: Final = (
    "More claims changed after you saw the preview. Nothing was started. This is a new preview of the same claims."
)
DIALOG_HEADER: Final = "X-Dialog"  # requests the dialog's content without the page


def register(app: Flask) -> None:
    """Add the dialog to the job pages."""
    add, a_job = app.add_url_rule, f"/jobs/{job_pages.JOB_ID_RULE}"
    add(f"{a_job}/confirm", "confirm.show", show)
    add(f"{a_job}/confirm", "confirm.confirm", confirm, methods=["POST"])
    add(f"{a_job}/preview", "confirm.claims", claims)


@requires(Action.SEE_CLAIMS)
def show(job_id: int) -> BaseResponse | tuple[str, int]:
    """Show the dialog over the feed. Without JavaScript it is part of the job's page."""
    if not in_dialog():
        return redirect(url_for("jobs.show", job_id=job_id))
    return render_job_dialog(job_id)


@requires(Action.SEE_CLAIMS)
def claims(job_id: int) -> BaseResponse | str:
    """Show more claims of the preview, or those with one verdict."""
    if not in_dialog():
        page = url_for("jobs.show", job_id=job_id, **{key: request.args.get(key) for key in _LIST_KEYS})  # type: ignore[arg-type]
        return redirect(f"{page}#preview-claims")
    key = acts.job_key(job_id)
    with app_context().sessions() as db:
        job = job_queries.find(db, key)
        facts = {
            "job": job,
            **preview_facts.preview_claims_facts(db, job, request.args),
        }
    totals = PreviewTotals.model_validate(job.preview) if job.preview else None
    return render_template("jobs/_confirm_claims.html", totals=totals, **facts)


@requires(Action.SEE_CLAIMS)  # core checks who may confirm this kind of job
def confirm(job_id: int) -> BaseResponse | tuple[str, int]:
    """Confirm the job if CONFIRM is typed. Otherwise show the fault at the field and change nothing."""
    typed, reason = request.form.get("confirmation", ""), request.form.get("cost_share_reason", "")
    name = request.form.get("name")
    kept = {"typed": typed, "cost_share_reason": reason, "typed_name": name}
    try:
        job = acts.run(
            commands.confirm,
            acts.job_key(job_id),
            confirmation=typed,
            cost_share_reason=reason,
            name=name,
            changed_seen=reading.number(request.form.get("changed_seen", "")),
        )
    except (ConfirmationMismatch, CostShareReasonMissing) as fault:
        faults = fault.facts["faults"]
        shown = {"fault": faults.get("confirmation"), "cost_share_fault": faults.get("cost_share_reason")}
        return render_job_dialog(job_id, fault.http_status, **shown, **kept)
    except BadJobName as fault:
        return render_job_dialog(job_id, fault.http_status, name_fault=fault.message, **kept)
    except VerificationNeeded as refusal:
        return render_job_dialog(job_id, refusal.http_status, **kept)  # which has the field
    except PreviewStale as refusal:
        return _preview_again(job_id, refusal.http_status, kept | {"typed": ""})
    except Refusal as refusal:
        return render_job_dialog(
            job_id, refusal.http_status, refused=acts.sentence_on_page(refusal), **kept | {"typed": ""}
        )
    hint_workers(job)
    page = url_for("jobs.show", job_id=job_id)
    return jsonify(location=page) if in_dialog() else redirect(page, code=HTTPStatus.SEE_OTHER)


def _preview_again(job_id: int, status: int, kept: dict[str, Any]) -> BaseResponse | tuple[str, int]:
    """Preview the claims again, so that the figures beside the refusal are current."""
    chunk_claims = app_context().settings.chunk_claims
    try:
        job = acts.run(preview_again.preview_same_request, acts.job_key(job_id), chunk_claims=chunk_claims)
    except Refusal as refusal:
        return render_job_dialog(job_id, refusal.http_status, refused=acts.sentence_on_page(refusal), **kept)
    if job.status is JobStatus.PREPARING and kept["typed_name"] is not None:
        with suppress(Refusal):  # the box with the field for the name appears only when a worker has finished
            acts.run(naming.rename, JobKey(job.practice_id, job.id), name=kept["typed_name"])
    hint_workers(job)
    return render_job_dialog(job.id, status, refused=NEW_PREVIEW, **kept)


def in_dialog() -> bool:
    """Return whether the feed requests the content of its dialog."""
    return request.headers.get(DIALOG_HEADER) is not None


def dialog_or_page(part: str) -> str:
    """Return the template of the dialog, or of the page around it."""
    return part if in_dialog() else "jobs/_confirm_page.html"


def render_job_dialog(job_id: int, status: int = HTTPStatus.OK, **extra: Any) -> BaseResponse | tuple[str, int]:
    """Return the dialog of a job in any status, or the job's page. `extra` has the faults."""
    key = acts.job_key(job_id)
    with app_context().sessions() as db:
        job = job_queries.find(db, key)
        facts: dict[str, Any] = {"job": job, "now": now()}
        if job.status in (JobStatus.PREVIEWED, JobStatus.PREPARING):
            facts |= preview_facts.preview_page_facts(db, job, request.args)
    part = "jobs/_already_confirmed.html"
    if job.status in (JobStatus.PREVIEWED, JobStatus.PREPARING):
        part = f"jobs/_{job.status}.html"
        if not in_dialog():  # the job's page has the same box, below the job's number and status
            page = job_pages.render_job(job_id, **extra)
            page.status_code = status
            return page
    return render_template(dialog_or_page(part), part=part, **facts, **extra), status
