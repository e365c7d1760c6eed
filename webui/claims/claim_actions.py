"""Actions on one claim: post a payment, an adjustment or a transfer; put it on hold; release it."""

import secrets
from http import HTTPStatus
from typing import Any, Final

from flask import flash, redirect, request, url_for
from sqlalchemy.orm import Session
from werkzeug.datastructures import MultiDict
from werkzeug.wrappers import Response

from core import reading
from core.access.permissions import Action
from core.claims import holds
from core.claims.holds import BadHold, LegalHold
from core.claims.locks import ClaimBusy
from core.enums.claims import Hold
from core.enums.ledger import PostingKind
from core.enums.posting_requests import RequestState
from core.errors import BadInput, Refusal
from core.ledger import entries, manual_postings, posting_requests
from core.ledger.entries import Adjustment, BadEntry, Payment, Transfer
from core.ledger.entry_postings import EntryMismatch
from core.ledger.manual_postings import PostingResult
from core.money import CENTS_MAX, BadAmount, format_cents, parse_amount
from core.practices.periods import PeriodBusy, PeriodClosed
from core.reading import as_sentence
from webui.claims import claim_page
from webui.claims.exclusions import parse_optional_date
from webui.shared import acts
from webui.shared.auth import Pages
from webui.shared.labels import message_for_page, words

Entry = Payment | Adjustment | Transfer

_KEY_CHARACTERS_MAX: Final = 100
_ACCEPTED_FIELDS: Final = ("line", "responsibility", "amount")  # a warning is about these
_ALREADY_POSTED: Final = (
    "This form was already submitted with different values. Check the ledger below. To post these values too, submit "
    "the form again."
)
_LOOKS_LIKE: Final = "This line already has a payment with the same amount, payer and date. Check for a duplicate."
_FIELDS_BY_KIND: Final[dict[str, tuple[str, ...]]] = {
    PostingKind.PAYMENT: ("responsibility", "paid_by"),
    PostingKind.ADJUSTMENT: ("responsibility", "group_code", "reason_code"),
    PostingKind.TRANSFER: ("responsibility",),
}


class LeavesCredit(Refusal):
    """The posting would leave a credit."""

    http_status = HTTPStatus.UNPROCESSABLE_ENTITY


# The field that shows a refusal. "" is the form as a whole.
_FIELD_BY_REFUSAL: Final[dict[type[Refusal], str]] = {
    LeavesCredit: "credit",
    PeriodClosed: "posted_on",
    ClaimBusy: "",
    PeriodBusy: "",
}
# What a user can do about a field that core refuses.
_FIELD_MESSAGES: Final = {
    "kind": "Choose what to post.",
    "line": "Choose one of the claim’s lines.",
    "responsibility": "Choose insurance or patient.",
    "paid_by": "Choose who paid.",
    "group_code": "Choose the adjustment’s group code.",
    "reason_code": "Enter the reason code (CARC) from the remittance: up to two letters and one to three digits.",
    "posted_on": "Enter a date, or leave it blank for today.",
    "note": f"Shorten the note to {reading.NOTE_CHARACTERS_MAX} characters.",
}

blueprint = Pages("claim_work", __name__, url_prefix="/claims")


class UnknownHold(BadInput):
    """Choose a hold type."""


@blueprint.post("/<claim_id:claim_id>/postings", needs=Action.POST)
def post(claim_id: str) -> Response | tuple[str, int]:
    """Post the form's entry once, no matter how often the form is sent. Faults appear at their fields."""
    entry, faults = _parse_posting_form(request.form)
    if entry is None:
        return _claim_page_with_errors(claim_id, faults)
    key = request.form.get("idempotency_key", "")[:_KEY_CHARACTERS_MAX] or secrets.token_urlsafe(16)
    try:
        posted = acts.run(_post_unless_credit, claim_id, entry, idempotency_key=key)
    except EntryMismatch:
        return _claim_page_with_errors(claim_id, {"": _ALREADY_POSTED})
    except BadEntry as refusal:
        return _claim_page_with_errors(
            claim_id,
            {
                name: message_for_page(refusal, as_sentence(message))
                for name, message in refusal.facts["faults"].items()
            },
        )
    except tuple(_FIELD_BY_REFUSAL) as refusal:
        return _claim_page_with_errors(
            claim_id, {_FIELD_BY_REFUSAL[type(refusal)]: refusal.message}, refusal.http_status
        )
    if posted.request is not None:
        flash(_describe_request(posted), "warn")
        return redirect(url_for("claims.show", claim_id=claim_id), code=HTTPStatus.SEE_OTHER)
    what = f"{words(PostingKind(entry.kind))} of {format_cents(entry.amount_cents)}"
    flash(
        f"{what} posted to line {entry.line}.{_describe_side_effects(posted)}",
        "warn" if posted.credit_cents or posted.looks_like or posted.restored_cents else "good",
    )
    return redirect(url_for("claims.show", claim_id=claim_id), code=HTTPStatus.SEE_OTHER)


def _post_unless_credit(session: Session, claim_id: str, entry: Entry, **given: Any) -> PostingResult:
    """Post the entry, unless it leaves a credit that the user has not accepted. Raise `LeavesCredit`.

    An entry that was already posted is not refused. Its credit may come from a later posting.
    """
    is_repeated = manual_postings.is_known(session, by=given["by"], idempotency_key=given["idempotency_key"])
    posted = manual_postings.post(session, claim_id, entry, **given)
    if posted.credit_cents and not is_repeated and not acts.is_accepted("accept_credit", _ACCEPTED_FIELDS):
        side = words(entry.responsibility).lower()
        raise LeavesCredit(
            f"Line {entry.line} would have a credit of {format_cents(posted.credit_cents)} ({side}). Check the amount, "
            "the line and the responsibility."
        )
    return posted


def _describe_request(posted: PostingResult) -> str:
    """Return sentences on an entry over the limit: whether it waits, and why."""
    assert posted.request is not None
    what = f"{words(posted.request.kind)} of {format_cents(posted.request.amount_cents)}"
    if posted.request.state is not RequestState.WAITING:
        return f"The {what[0].lower()}{what[1:]} was already {posted.request.state.value}. Nothing was posted."
    duplicate = f" {_LOOKS_LIKE}" if posted.looks_like else ""
    return f"{what} waits for approval. {posting_requests.why(posted.request)}.{duplicate}"


def _describe_side_effects(posted: PostingResult) -> str:
    """Return a sentence on what the entry did besides changing the balance."""
    effects = []
    if posted.recovery is not None and posted.recovery.recovered_cents > 0:
        jobs = ", ".join(f"job {job}" for job in posted.recovery.job_ids)
        of_jobs = f" from {jobs}" if jobs else ""
        effects.append(f"It reversed {format_cents(posted.recovery.recovered_cents)} of the write-off{of_jobs}.")
    if posted.restored_cents:
        effects.append(
            f"{format_cents(posted.restored_cents)} of an earlier write-off was restored on the other balance."
        )
    if posted.written_off_elsewhere:
        places = ", ".join(
            f"line {one.line} ({words(one.responsibility).lower()}, {format_cents(one.cents)})"
            for one in posted.written_off_elsewhere
        )
        effects.append(
            "No write-off was reversed, because this line has none for this responsibility. "
            f"Write-offs on this claim: {places}."
        )
    if posted.looks_like:
        effects.append(_LOOKS_LIKE)
    if posted.credit_cents:
        effects.append(f"The line now has a credit balance of {format_cents(posted.credit_cents)}.")
    return "".join(f" {one}" for one in effects)


@blueprint.post("/<claim_id:claim_id>/hold", needs=Action.HOLD)
def hold(claim_id: str) -> Response | tuple[str, int]:
    """Put the claim on hold with a reason, or release it."""
    wanted = request.form.get("hold", "")
    if wanted and wanted not in set(Hold):
        raise UnknownHold
    kind = Hold(wanted) if wanted else None
    until, fault = parse_optional_date(request.form.get("until", ""))
    if fault:
        return _claim_page_with_hold_errors(claim_id, {"until": fault})
    try:
        why = request.form.get("why", "")
        acts.run(holds.set_hold, claim_id, kind, reason=why, until=until)
    except BadHold as refusal:
        return _claim_page_with_hold_errors(claim_id, refusal.facts["faults"])
    except (ClaimBusy, LegalHold) as refusal:
        flash(refusal.message, "warn")
    else:
        message = f"The claim is on hold: {words(kind)}." if kind else "The claim was released from hold."
        flash(f"{message} Existing previews will skip this claim because it has changed.", "good")
    if request.form.get("back") == "exclusions":
        return redirect(url_for("exclusions.index", _anchor="held-heading"), code=HTTPStatus.SEE_OTHER)
    return redirect(url_for("claims.show", claim_id=claim_id), code=HTTPStatus.SEE_OTHER)


def _parse_posting_form(form: MultiDict[str, str]) -> tuple[Payment | Adjustment | Transfer | None, dict[str, str]]:
    """Return the entry, or all faults by field."""
    given = _posting_fields(form)
    amount, fault = parse_amount_field(form.get("amount", ""))
    faults = {"amount": fault} if fault else {}
    if "\x00" in given["note"]:
        faults["note"] = "The note contains a character that can’t be saved. Retype the note."
    try:
        entry = entries.parse_entry({**given, "amount_cents": amount})
    except BadEntry as refusal:
        faults |= {name: _FIELD_MESSAGES.get(name, words) for name, words in refusal.facts["faults"].items()}
    return (None if faults else entry), faults


def _posting_fields(form: MultiDict[str, str]) -> dict[str, Any]:
    """Return the fields for core, without those that the kind does not have."""
    kind, line, note = form.get("kind", ""), form.get("line", ""), form.get("note", "").strip()
    number = reading.number(line)
    given: dict[str, Any] = {"kind": kind, "line": line if number is None else number, "note": note}
    for name in _FIELDS_BY_KIND.get(kind, ()):
        given[name] = form.get(name, "").strip()
    if "reason_code" in given:
        given["reason_code"] = given["reason_code"].upper()
    if form.get("posted_on", "").strip():
        given["posted_on"] = form["posted_on"].strip()
    return given


def parse_amount_field(text: str) -> tuple[int, str | None]:
    """Return the cents, or one cent and a fault, so that the other fields are checked too."""
    try:
        cents = parse_amount(text)
    except BadAmount as refusal:
        return 1, refusal.message
    if not 1 <= cents <= CENTS_MAX:
        return 1, "Enter an amount above zero."
    return cents, None


def _claim_page_with_hold_errors(claim_id: str, faults: dict[str, str]) -> tuple[str, int]:
    """Return the claim's page with the hold form as it was filled in."""
    page = claim_page.render_claim(claim_id, hold_faults=faults, hold_typed=request.form)
    return page, HTTPStatus.UNPROCESSABLE_ENTITY


def _claim_page_with_errors(
    claim_id: str, faults: dict[str, str], status: int = HTTPStatus.UNPROCESSABLE_ENTITY
) -> tuple[str, int]:
    """Return the claim's page with the form as it was filled in."""
    return claim_page.render_claim(claim_id, faults=faults, typed=request.form), status
