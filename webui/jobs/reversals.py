"""Reverse a job, or its change to one claim: the reason first, then a preview and CONFIRM as for every job."""

import hashlib
import secrets
from http import HTTPStatus
from typing import Any, Final

from flask import redirect, render_template, request, url_for
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response as BaseResponse

from core import reading
from core.access.permissions import Action
from core.claims import lookup
from core.enums.job_items import Outcome
from core.errors import NotFound, Refusal
from core.jobs import commands, job_queries
from core.jobs.keys import JobKey
from core.jobs.results import outcomes, progress
from core.jobs.reversal import create_reversal
from core.models.job_items import JobItem
from core.models.jobs import SettleJob
from core.practices import practice_days
from core.reading import NOTE_CHARACTERS_MAX
from webui.jobs.job_pages import JOB_ID_RULE
from webui.jobs.posting_date import typed_date
from webui.shared import acts
from webui.shared.app_context import app_context, hint_workers, now
from webui.shared.auth import Pages, current_day, current_practice

_KEY_CHARACTERS_MAX: Final = 100

blueprint = Pages("reversals", __name__, url_prefix="/jobs")


@blueprint.get(f"/{JOB_ID_RULE}/reverse", needs=Action.REVERSE_JOB)
def ask(job_id: int) -> str:
    """Ask for the reason. Nothing is changed yet. `again` is the id of an earlier preview that fills in the form."""
    earlier = reading.number(request.args.get("again", ""))
    if earlier:
        return _render_form(job_id, **_asked_before(job_id, earlier))
    return _render_form(job_id, request.args.get("claim") or None)


@blueprint.post(f"/{JOB_ID_RULE}/reverse", needs=Action.REVERSE_JOB)
def reverse(job_id: int) -> BaseResponse | tuple[str, int]:
    """Preview the reversal. CONFIRM is on its own page."""
    claim_id, note = request.form.get("claim") or None, request.form.get("note", "").strip()
    if claim_id and "\x00" in claim_id:
        raise NotFound
    fault = _note_error(note)
    if fault:
        typed = request.form.get("posting_date", "")
        page = _render_form(job_id, claim_id, note=note, fault=fault, posting_date=typed)
        return page, HTTPStatus.UNPROCESSABLE_ENTITY
    try:
        job = _preview_reversal(job_id, claim_id, note)
    except Refusal as refusal:
        offered = refusal.facts.get("next_open_date")
        date = {"posting_date": offered or request.form.get("posting_date", ""), "is_offered": bool(offered)}
        refused = acts.sentence_on_page(refusal)
        return _render_form(job_id, claim_id, note=note, refused=refused, **date), refusal.http_status
    hint_workers(job)
    return redirect(url_for("jobs.show", job_id=job.id), code=HTTPStatus.SEE_OTHER)


def _asked_before(job_id: int, earlier_id: int) -> dict[str, Any]:
    key = acts.job_key(earlier_id)
    with app_context().sessions() as db:
        earlier = job_queries.find(db, key)
        claims = outcomes.items(db, key, limit=2)
    if earlier.reverses_job_id != job_id:
        raise NotFound
    is_one_claim = earlier.selection.get("claim_ids") is not None and len(claims) == 1
    dated = earlier.posting_date != practice_days.today(current_practice(), now=earlier.requested_at)
    return {
        "claim_id": claims[0].claim_id if is_one_claim else None,
        "note": earlier.note,
        "posting_date": earlier.posting_date.isoformat() if dated else "",
    }


def _preview_reversal(job_id: int, claim_id: str | None, note: str) -> SettleJob:
    # The key includes the request. The same request sent twice creates one job; a different note creates a second job.
    dated = request.form.get("posting_date", "").strip()
    digest = hashlib.sha256(f"{job_id}\n{claim_id}\n{note}\n{dated}".encode()).hexdigest()[:16]
    form_key = request.form.get("idempotency_key", "")[:_KEY_CHARACTERS_MAX] or secrets.token_urlsafe(16)
    return acts.run(
        commands.request_reversal,
        acts.job_key(job_id),
        claim_ids=[claim_id] if claim_id else None,
        idempotency_key=f"{form_key}:{digest}",
        note=note,
        posting_date=typed_date(dated) if dated else None,
        chunk_claims=app_context().settings.chunk_claims,
    )


def _note_error(note: str) -> str | None:
    if not note:
        return "Enter the reason for the reversal. It is the only record of why."
    if len(note) > NOTE_CHARACTERS_MAX:
        return f"Shorten the reason to {NOTE_CHARACTERS_MAX} characters; it has {len(note)}."
    return "The reason contains a character that can’t be saved. Retype the reason." if "\x00" in note else None


def _item_of(db: Session, key: JobKey, claim_id: str) -> outcomes.ItemRow | None:
    """Return the claim as the job settled it, or None if the job did not."""
    claim = lookup.find(db, key.practice_id, claim_id)
    found = outcomes.items(db, key, outcome=Outcome.SETTLED.value, where=JobItem.claim_id == claim.id, limit=1)
    return found[0] if found else None


def _render_form(job_id: int, claim_id: str | None, **extra: Any) -> str:
    key = acts.job_key(job_id)
    with app_context().sessions() as db:
        facts: dict[str, Any] = {
            "job": job_queries.find(db, key),
            "progress": progress.for_job(db, key, now=now()),
            "reversals": job_queries.reversals_of(db, key),
            "item": _item_of(db, key, claim_id) if claim_id else None,
        }
    facts["is_reversible"] = create_reversal.is_reversible(facts["job"])
    return render_template(
        "jobs/reverse.html",
        claim_id=claim_id,
        note_max=NOTE_CHARACTERS_MAX,
        today=current_day(),
        idempotency_key=secrets.token_urlsafe(16),
        **facts,
        **extra,
    )
