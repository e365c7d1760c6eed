"""Batch Status Change: from a selection to a previewed job, with a reason if something is posted."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from typing import Any, Final

from flask import Flask, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as BaseResponse

from core import reading
from core.access.permissions import Action
from core.claims import feed
from core.db.engine import transaction
from core.enums.claims import SETTLED
from core.enums.jobs import JobKind
from core.errors import Refusal
from core.jobs import commands, job_queries, preview_again
from core.jobs.keys import JobKey, NoSuchJob
from core.jobs.preview.job_request import JobRequest
from core.jobs.results import chosen_reasons
from core.jobs.results.chosen_reasons import ChosenReasons
from core.models.jobs import SettleJob
from core.models.practices import PracticeReason
from core.policy import rules
from core.policy.overridable import OVERRIDABLE_CODES, overridable
from core.practices import reasons
from core.practices.periods import BadPostingDate, PeriodClosed
from webui.claims.feed_selection import FeedSelection
from webui.jobs import confirm
from webui.jobs.job_pages import JOB_ID_RULE
from webui.jobs.posting_date import typed_date
from webui.shared import acts
from webui.shared.app_context import app_context, hint_workers, now
from webui.shared.auth import current_actor, current_day, current_practice, requires
from webui.shared.labels import message_for_page

_KEY_CHARACTERS_MAX: Final = 100


@dataclass(frozen=True)
class StatusChangeForm:
    """The first step of the dialog as filled in: target, reason, note, and overridden rules."""

    target: str
    selected: FeedSelection | None  # None: the claims of job `again`
    again: int | None
    reasons: ChosenReasons | None = None  # of job `again`, only the claims not settled for these reasons
    reason: str = ""
    note: str = ""
    include: tuple[str, ...] = ()
    posting_date: str = ""  # today if empty
    is_offered: bool = False  # the posting date is the next open date, and the user did not choose it
    faults: dict[str, str] = field(default_factory=dict)


def register(app: Flask) -> None:
    """Add the routes that the feed posts its selection to."""
    app.add_url_rule("/jobs", "feed.change_status", change_status, methods=["POST"])
    app.add_url_rule(f"/jobs/{JOB_ID_RULE}/again", "feed.preview_again", ask_again, methods=["POST"])


@requires(Action.PREVIEW_JOB)
def change_status() -> BaseResponse | tuple[str, int] | str:
    """Preview the change of the selection. For Settled, ask for the reason first."""
    form = request.form
    job_id = reading.number(form.get("again", ""))
    if form.get("again") and not job_id:
        raise NoSuchJob
    change = StatusChangeForm(
        target=form.get("target_status", ""),
        selected=None if job_id else FeedSelection.of(form),
        again=job_id,
        reasons=reasons_chosen(),
        reason=form.get("reason", ""),
        note=form.get("note", "").strip(),
        include=tuple(form.getlist("include")),
        posting_date=form.get("posting_date", "").strip(),
    )
    if change.target == SETTLED and "reason" not in form:
        return render_reason_step(change)
    change.faults.update(_faults(change))
    if change.faults:
        return render_reason_step(change, HTTPStatus.UNPROCESSABLE_ENTITY)
    return preview_or_refusal(change)


def render_reason_step(change: StatusChangeForm, status: int = HTTPStatus.OK) -> tuple[str, int]:
    """Return the first step: reason, note, and the rules that this user may override."""
    actor = current_actor()
    may_override = actor.may(Action.OVERRIDE_RULE)
    claims = _count_claims(change)
    if claims == 0:
        change.faults.setdefault("", "No claim is selected. Close this and select at least one claim.")
    facts: dict[str, Any] = {
        "claims": claims,
        "again_of_list": _is_again_of_list(change),
        "change": change,
        "settles": change.target == SETTLED,
        "reasons": _offered_reasons(),
        "rules": [rules.RULES_BY_CODE[code] for code in OVERRIDABLE_CODES] if may_override else [],
        "setting": current_practice().write_off,
        "note_max": reading.NOTE_CHARACTERS_MAX,
        "today": current_day(),
        "idempotency_key": secrets.token_urlsafe(16),
    }
    part = "jobs/_confirm_reason.html"
    return render_template(confirm.dialog_or_page(part), part=part, **facts), status


def reasons_chosen() -> ChosenReasons | None:
    """Return the reasons that the form has of a job's claims that were not settled, or None."""
    chosen = ChosenReasons(tuple(request.form.getlist("failed")), tuple(request.form.getlist("skipped")))
    return chosen if any(chosen) else None


def _offered_reasons() -> Sequence[PracticeReason]:
    return acts.read(reasons.list_reasons, current_actor().practice_id, active_only=True)


def _is_again_of_list(change: StatusChangeForm) -> bool:
    if change.again is None or change.reasons:
        return False
    with app_context().sessions() as db:
        return preview_again.is_of_list(job_queries.find(db, acts.job_key(change.again)))


def _count_claims(change: StatusChangeForm) -> int:
    """Count the selected claims now. The preview freezes them."""
    practice_id = current_actor().practice_id
    with transaction(app_context().sessions) as db:
        if change.again:
            job = job_queries.find(db, JobKey(practice_id, change.again))
            if change.reasons:
                return chosen_reasons.count_for_new_job(db, job, change.reasons)
            return job.claims_total or 0
        assert change.selected is not None
        return change.selected.totals(db, practice_id, feed.terms_for(db, practice_id, now=now())).claims


def _faults(change: StatusChangeForm) -> dict[str, str]:
    faults = {}
    if change.target == SETTLED and change.reason not in {reason.code for reason in _offered_reasons()}:
        faults["reason"] = "Choose a reason for the write-off."
    if len(change.note) > reading.NOTE_CHARACTERS_MAX:
        faults["note"] = f"Shorten the note to {reading.NOTE_CHARACTERS_MAX} characters; it has {len(change.note)}."
    if "\x00" in change.note:
        faults["note"] = "The note contains a character that can’t be saved. Retype the note."
    return faults


def preview_or_refusal(change: StatusChangeForm) -> BaseResponse | tuple[str, int]:
    """Create the preview and lead to it, or show the first step with the refusal."""
    try:
        job = _create_preview(change, request.form.get("idempotency_key", "")[:_KEY_CHARACTERS_MAX])
    except Refusal as refusal:
        is_of_date = isinstance(refusal, PeriodClosed | BadPostingDate)
        change.faults["posting_date" if is_of_date else ""] = message_for_page(refusal)
        offered = refusal.facts.get("next_open_date")
        if offered:
            change = replace(change, posting_date=offered, is_offered=True)
        return render_reason_step(change, refusal.http_status)
    return _redirect_to_preview(job)


def _create_preview(change: StatusChangeForm, form_key: str) -> SettleJob:
    """Create the job. The same form and request create one job, however often it is sent."""
    actor = current_actor()
    wanted: dict[str, Any] = {"target_status": change.target, "note": change.note}
    if change.target == SETTLED:
        wanted |= {"reason": change.reason, "include": list(change.include)}
        wanted |= {"posting_date": typed_date(change.posting_date).isoformat()} if change.posting_date else {}

    def make(selection: dict[str, Any]) -> SettleJob:
        job_request = JobRequest.of({**wanted, "selection": selection})
        # The key includes the request, so that a changed selection creates a new job instead of a refusal.
        key = f"{form_key or secrets.token_urlsafe(16)}:{job_request.hash()[:16]}"
        return commands.request_preview(
            db, job_request, by=actor, idempotency_key=key, chunk_claims=app_context().settings.chunk_claims, now=now()
        )

    with transaction(app_context().sessions) as db:
        if change.again:
            old = JobKey(actor.practice_id, change.again)
            if change.reasons:
                return preview_again.preview_not_settled(db, old, make, change.reasons)
            return preview_again.preview_again(db, old, make, by=actor, now=now())
        assert change.selected is not None
        return make(change.selected.as_request())


def _redirect_to_preview(job: SettleJob) -> BaseResponse | tuple[str, int]:
    hint_workers(job)
    if confirm.in_dialog():
        return confirm.render_job_dialog(job.id, HTTPStatus.CREATED)
    return redirect(url_for("jobs.show", job_id=job.id), code=HTTPStatus.SEE_OTHER)


@requires(Action.PREVIEW_JOB)
def ask_again(job_id: int) -> BaseResponse | tuple[str, int]:
    """Show the first step again for the claims of an earlier preview that expired or needs a different reason."""
    with transaction(app_context().sessions) as db:
        job = job_queries.find(db, acts.job_key(job_id))
    reason = job.reason_code or ""
    posting_date = "" if job.posting_date == job.as_of else job.posting_date.isoformat()
    overridden = tuple(overridable(job.overridden_rules))
    change = StatusChangeForm(job.target_status, None, job.id, None, reason, job.note, overridden, posting_date)
    return render_reason_step(change) if job.kind is JobKind.SETTLE else preview_or_refusal(change)
