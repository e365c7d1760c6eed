"""Claim numbers that a user pastes or uploads: what the practice has of them, before they become a selection."""

import json
import secrets
from collections.abc import Iterator
from http import HTTPStatus
from typing import Any, Final

from flask import Response, render_template, request
from sqlalchemy.orm import Session

from core import reading
from core.access.permissions import Action
from core.claims import feed, table_files
from core.claims.table_files import Table
from core.db.engine import transaction
from core.errors import BadInput
from core.intake.claim_list import check
from core.intake.claim_list.check import MissingNumber
from core.intake.claim_list.read_file import read_file
from core.intake.claim_list.read_text import BadClaimList, ClaimList, read_text
from core.jobs import preview_again
from core.jobs.preview.job_request import CLAIM_NUMBERS_MAX
from webui.claims.feed_selection import LISTED_NUMBERS, parse_claim_ids
from webui.shared import acts, file_downloads, page_arguments
from webui.shared.app_context import app_context, now
from webui.shared.auth import Pages, current_actor, current_day
from webui.shared.body_limits import BODY_BYTES_MAX
from webui.shared.temporary_folder import ServerDiskFull, temporary_folder

blueprint = Pages("claim_list", __name__, url_prefix="/feed/claim-numbers")

MISSING_SHOWN: Final = 200  # the download has all


class TwoLists(BadInput):
    """Remove either the pasted numbers or the file. One list is checked at a time."""


@blueprint.get("", needs=Action.PREVIEW_JOB)
def show() -> str:
    """Ask for the numbers, or show those of a job whose preview was canceled."""
    job_id = page_arguments.number("job")
    if not job_id:
        return _form()
    with transaction(app_context().sessions) as db:
        numbers = preview_again.listed_numbers(db, acts.job_key(job_id))
        return _render_check(db, ClaimList(tuple(numbers), len(numbers)))


@blueprint.post("", needs=Action.PREVIEW_JOB)
def check_numbers() -> str | tuple[str, int]:
    """Show which numbers of the list are claims, and take the similar claims that the user checked."""
    if "edit" in request.form:
        return _form("\n".join(parse_claim_ids(request.form["claim_ids"])))
    try:
        with transaction(app_context().sessions) as db:
            return _render_check(db, _sent_list(db))
    except (BadClaimList, ServerDiskFull, TwoLists) as refusal:
        return _form(request.form.get("numbers", ""), fault=refusal.message), refusal.http_status
    except OSError:
        return _form(fault="The file cannot be read."), HTTPStatus.UNPROCESSABLE_ENTITY


@blueprint.post("/not-found.<any(csv, xlsx):form>", needs=Action.PREVIEW_JOB)
def download_missing(form: str) -> Response:
    """Download the numbers that were not found, with the similar claims."""
    numbers = parse_claim_ids(request.form.get("claim_ids", "[]"))
    return file_downloads.send_file(
        by=current_actor(),
        name=f"claim-numbers-not-found-{current_day()}.{form}",
        record=lambda _: None,  # it names no patient
        pieces=lambda db: _missing_file(db, numbers, form),
    )


def _form(numbers: str = "", *, fault: str | None = None) -> str:
    return render_template(
        "feed/list.html",
        numbers=numbers,
        fault=fault,
        is_of_file=fault is not None and bool(request.files.get("file")) and not numbers,
        numbers_max=CLAIM_NUMBERS_MAX,
        megabytes=BODY_BYTES_MAX // 1_000_000,
    )


def _sent_list(db: Session) -> ClaimList:
    """Return the list that was checked before, pasted or uploaded.

    Raise `BadClaimList`, `BadSelection`, `ServerDiskFull` and `TwoLists`.
    """
    form, upload = request.form, request.files.get("file")
    if "claim_ids" in form:
        numbers = tuple(dict.fromkeys(parse_claim_ids(form["claim_ids"])))
        return ClaimList(numbers, max(reading.number(form.get("read", "")) or 0, len(numbers)))
    text = form.get("numbers", "")
    kept = check.separators_in_numbers(db, current_actor().practice_id)
    if upload is None or not upload.filename:
        return read_text(text, kept=kept)
    if text.strip():
        raise TwoLists
    with temporary_folder() as folder:
        path = folder / "file"  # a name from outside is never a path
        upload.save(path)
        return read_file(path, name=upload.filename, kept=kept)


def _render_check(db: Session, listed: ClaimList) -> str:
    practice_id, form = current_actor().practice_id, request.form
    numbers, terms = listed.numbers, feed.terms_for(db, practice_id, now=now())
    found = check.check(db, practice_id, numbers, terms)
    wanted = {one.number for one in found.missing} if "use_all" in form else set(form.getlist("use"))
    taken = None
    if "use_all" in form or "use_checked" in form:
        similar = check.with_similar(numbers, found.missing, wanted)
        taken = len({*numbers} - {*similar})
        numbers, found = similar, check.check(db, practice_id, similar, terms)
    facts: dict[str, Any] = {
        "listed": ClaimList(numbers, listed.read),
        "found": found,
        "sums": feed.totals_of_claim_ids(db, practice_id, numbers),
        "taken": taken,
        "similar": sum(1 for one in found.missing if one.only_near),
        "missing": sorted(found.missing, key=lambda one: not one.near)[:MISSING_SHOWN],
        "statuses": feed.filter_choices(db, practice_id).billing_statuses,
        "scope": LISTED_NUMBERS,
        "claim_ids": json.dumps(numbers),
        "idempotency_key": secrets.token_urlsafe(16),
    }
    return render_template("feed/list_check.html", **facts)


def _missing_file(db: Session, numbers: list[str], form: str) -> Iterator[str] | Iterator[bytes]:
    missing = check.missing_numbers(db, current_actor().practice_id, numbers)
    return table_files.table_file(Table(["Not found", "Did you mean", "Note"], map(_cells, missing)), form)


def _cells(one: MissingNumber) -> tuple[str, str, str]:
    return one.number, ", ".join(one.near), one.damage or ""
