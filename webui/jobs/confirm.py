"""Confirm Bulk Status Change: what a previewed job will do to each claim, and the CONFIRM that starts it."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final

from flask import Flask, jsonify, redirect, render_template, request, url_for
from sqlalchemy.orm import Session
from werkzeug.datastructures import MultiDict
from werkzeug.wrappers import Response as BaseResponse

from core import reading
from core.access.permissions import Action
from core.db.engine import transaction
from core.errors import NotAllowed, NotFound, Refusal
from core.jobs import commands, posting_month, queries
from core.jobs.approval import inbox, limits
from core.jobs.approval.limits import LimitExceeded
from core.jobs.commands import ConfirmationMismatch
from core.jobs.keys import JobKey
from core.jobs.preview import stale
from core.jobs.preview.cost_share import CostShareReasonMissing
from core.jobs.preview.freezing import PREVIEW_EXPIRES_AFTER, is_expired
from core.jobs.preview.totals import PreviewTotals
from core.jobs.results import outcomes
from core.jobs.results.outcomes import ItemRow
from core.models.job_items import Verdict
from core.models.jobs import JobKind, JobStatus, SettleJob
from core.reading import NOTE_CHARACTERS_MAX
from webui.claims.feed_columns import SHORT_LABELS
from webui.jobs import job_pages
from webui.jobs.job_labels import CONFIRM_LABELS
from webui.shared.app_context import app_context, hint_workers, now
from webui.shared.auth import current_actor, requires

LEFT_OUT_SHOWN: Final = 5  # skipped claims named in a reversal's sentence; the table has all
ROWS: Final = 200  # of the preview at a time; for more, there is the file


DIALOG_HEADER: Final = "X-Dialog"  # requests the dialog's content without the page


@dataclass(frozen=True)
class ClaimTable:
    """A page of the preview's claims, and where the next page begins."""

    rows: list[ItemRow]
    verdict: Verdict | None
    over: bool  # only claims over the limit for one claim
    next: int | None
    after: int


def register(app: Flask) -> None:
    """Add the dialog to the job pages."""
    add, a_job = app.add_url_rule, f"/jobs/{job_pages.JOB_ID_RULE}"
    add(f"{a_job}/confirm", "confirm.show", show)
    add(f"{a_job}/confirm", "confirm.confirm", confirm, methods=["POST"])
    add(f"{a_job}/preview", "confirm.claims", claims)


@job_pages.facts_for_status(JobStatus.PREVIEWED, JobStatus.PREPARING)
def preview_page_facts(db: Session, job: SettleJob, args: MultiDict[str, str]) -> dict[str, Any]:
    """Return what the page of a job that waits for CONFIRM shows."""
    if job.status is JobStatus.PREPARING or job.preview is None:
        return {"waited": now() - job.requested_at, **dialog_labels(job)}
    over, changed = limits_exceeded_now(db, job), stale.count(db, job)
    return {
        "changed": changed,
        "changed_words": stale.describe(job, changed),
        "totals": PreviewTotals.model_validate(job.preview),
        "claims": preview_claims_table(db, job, args),
        "expired": is_expired(job, now=now()),
        "expires_at": _expires_at(job),
        "short": SHORT_LABELS,
        "cost_share_max": NOTE_CHARACTERS_MAX,
        "left_out": _claims_left_out(db, job),
        "next_open_date": posting_month.next_open_date_if_closed(db, job, now=now()),
        "over": limits.describe(over),
        "approvers": [user.name for user in inbox.eligible_approvers(db, job, confirmer=_confirmer(job))],
        **claim_limit_facts(db, job, over),
        **dialog_labels(job),
    }


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
        asked = {
            "verdict": request.args.get("verdict"),
            "after": request.args.get("after"),
            "over": request.args.get("over"),
        }
        return redirect(url_for("jobs.show", job_id=job_id, **asked))  # type: ignore[arg-type]
    key = JobKey(current_actor().practice_id, job_id)
    with app_context().sessions() as db:
        job = queries.find(db, key)
        facts = {
            "job": job,
            "claims": preview_claims_table(db, job, request.args),
            **claim_limit_facts(db, job, limits_exceeded_now(db, job)),
            **dialog_labels(job),
        }
    totals = PreviewTotals.model_validate(job.preview) if job.preview else None
    return render_template("jobs/_confirm_claims.html", totals=totals, **facts)


@requires(Action.SEE_CLAIMS)  # core checks who may confirm this kind of job
def confirm(job_id: int) -> BaseResponse | tuple[str, int]:
    """Confirm the job if CONFIRM is typed. Otherwise show the fault at the field and change nothing."""
    actor = current_actor()
    typed, reason = request.form.get("confirmation", ""), request.form.get("cost_share_reason", "")
    try:
        with transaction(app_context().sessions) as db:
            job = commands.confirm(
                db,
                JobKey(actor.practice_id, job_id),
                confirmation=typed,
                cost_share_reason=reason,
                by=actor,
                now=now(),
            )
    except (NotFound, NotAllowed):
        raise
    except ConfirmationMismatch as fault:
        said = {"fault": fault.message, "typed": typed, "cost_share_reason": reason}
        return render_job_dialog(job_id, fault.http_status, **said)
    except CostShareReasonMissing as fault:
        said = {"cost_share_fault": fault.message, "typed": typed, "cost_share_reason": reason}
        return render_job_dialog(job_id, fault.http_status, **said)
    except Refusal as refusal:
        return render_job_dialog(job_id, refusal.http_status, refused=refusal.message)
    hint_workers(job)
    page = url_for("jobs.show", job_id=job_id)
    return jsonify(location=page) if in_dialog() else redirect(page, code=HTTPStatus.SEE_OTHER)


def in_dialog() -> bool:
    """Return whether the feed requests the content of its dialog."""
    return request.headers.get(DIALOG_HEADER) is not None


def dialog_or_page(part: str) -> str:
    """Return the template of the dialog, or of the page around it."""
    return part if in_dialog() else "jobs/_confirm_page.html"


def render_job_dialog(job_id: int, status: int = HTTPStatus.OK, **said: Any) -> tuple[str, int]:
    """Return the dialog of a job in any status. `said` has the faults."""
    key = JobKey(current_actor().practice_id, job_id)
    with app_context().sessions() as db:
        job = queries.find(db, key)
        facts: dict[str, Any] = {"job": job, "now": now()}
        if job.status in (JobStatus.PREVIEWED, JobStatus.PREPARING):
            facts |= preview_page_facts(db, job, request.args)
    part = "jobs/_already_confirmed.html"
    if job.status in (JobStatus.PREVIEWED, JobStatus.PREPARING):
        part = f"jobs/_{job.status}.html"
    return render_template(dialog_or_page(part), part=part, **facts, **said), status


def limits_exceeded_now(db: Session, job: SettleJob) -> list[LimitExceeded]:
    """Return the exceeded limits: the frozen ones, or before CONFIRM those that this user would exceed."""
    previewed = job.status is JobStatus.PREVIEWED
    return limits.if_confirmed_by(db, job, by=_confirmer(job), now=now()) if previewed else job.over


def claim_limit_facts(db: Session, job: SettleJob, over: Sequence[LimitExceeded]) -> dict[str, Any]:
    """Return the limit for one claim, and how many claims exceed it."""
    counts = [one["claims"] for one in over if one["code"] in limits.PER_CLAIM_LIMITS]
    return {"claim_limit": _claim_limit(db, job), "over_claims": max(counts, default=0)}


def _claim_limit(db: Session, job: SettleJob) -> int:
    previewed = job.status is JobStatus.PREVIEWED
    return limits.per_claim_cents(limits.for_confirmer(db, job, _confirmer(job)) if previewed else job.limits)


def _confirmer(job: SettleJob) -> int:
    """Return who would confirm it: this user, or the requester if this user may not."""
    actor = current_actor()
    return actor.user_id if commands.may(actor, job, Action.CONFIRM_JOB) else job.requested_by


def dialog_labels(job: SettleJob) -> dict[str, Any]:
    """Return the dialog's labels by the job's kind, and what this user may do."""
    actor = current_actor()
    return {
        "w": CONFIRM_LABELS[job.kind],
        "settles": job.kind is JobKind.SETTLE,
        "reverses": job.kind is JobKind.REVERSE,
        "money": job.kind is JobKind.SETTLE or (job.kind is JobKind.REVERSE and _moves_money(job)),
        "rows_max": ROWS,
        "may_confirm": commands.may(actor, job, Action.CONFIRM_JOB),
        "may_discard": commands.may(actor, job, Action.PREVIEW_JOB),
    }


def _moves_money(job: SettleJob) -> bool:
    """Return whether the reversal posts anything. The reversal of a status change does not."""
    return job.preview is not None and PreviewTotals.model_validate(job.preview).with_money > 0


def _claims_left_out(db: Session, job: SettleJob) -> list[str]:
    """Return the numbers of the first claims that a reversal skips."""
    if job.kind is not JobKind.REVERSE:
        return []
    rows = outcomes.items(db, JobKey(job.practice_id, job.id), verdict=Verdict.SKIP, limit=LEFT_OUT_SHOWN)
    return [row.claim_id for row in rows]


def preview_claims_table(db: Session, job: SettleJob, args: MultiDict[str, str]) -> ClaimTable:
    """Return the requested claims: with a verdict, or over the limit for one claim, after a position."""
    wanted = args.get("verdict")
    verdict = Verdict(wanted) if wanted in set(Verdict) else None
    position = reading.number(args.get("after", "")) or 0
    above = limits.is_over_claim_limit(_claim_limit(db, job)) if args.get("over") else None
    key = JobKey(job.practice_id, job.id)
    rows = outcomes.items(db, key, verdict=verdict, where=above, after_position=position, limit=ROWS + 1)
    more = rows[ROWS - 1].position if len(rows) > ROWS else None
    return ClaimTable(rows[:ROWS], verdict, above is not None, more, position)


def _expires_at(job: SettleJob) -> dt.datetime | None:
    return job.previewed_at + PREVIEW_EXPIRES_AFTER if job.previewed_at else None
