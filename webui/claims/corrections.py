"""Correct what was posted: void a manual posting, and refund or transfer a credit. Each has a page of its own."""

import hashlib
import secrets
from http import HTTPStatus
from typing import Any, Final

from flask import abort, flash, redirect, render_template, request, url_for
from sqlalchemy.orm import Session
from werkzeug.datastructures import MultiDict
from werkzeug.wrappers import Response

from core import reading
from core.access.permissions import Action
from core.claims import lookup
from core.db.bounds import BIGINT_MAX
from core.enums.ledger import PaidBy, Responsibility
from core.errors import Refusal
from core.ledger import credit_moves, entry_postings, ledger_queries, voids
from core.ledger.credit_moves import CreditMoved, MoreThanPaid, OpenBalance
from core.ledger.entries import BadEntry, CreditTransfer, Refund, Void
from core.money import format_cents, format_plain_amount
from core.practices.periods import PeriodClosed
from core.reading import NOTE_CHARACTERS_MAX, as_sentence
from webui.claims.claim_actions import parse_amount_field
from webui.shared import acts
from webui.shared.app_context import app_context
from webui.shared.auth import Pages, current_actor, current_day
from webui.shared.labels import message_for_page, words

_REFUND: Final = "refund"
_TRANSFER: Final = "transfer"
_KEY_CHARACTERS_MAX: Final = 100
_VOID_RULE: Final = f"/<claim_id:claim_id>/postings/<int(max={BIGINT_MAX}):posting_id>/void"
_CREDIT_RULE: Final = "/<claim_id:claim_id>/credits/<int:line>/<side>"
_FIELD_MESSAGES: Final = {
    "note": "Enter the reason. It is kept in the ledger.", "paid_to": "Choose where the credit goes."
}  # fmt: skip

blueprint = Pages("corrections", __name__, url_prefix="/claims")


@blueprint.get(_VOID_RULE, needs=Action.POST)
def ask_void(claim_id: str, posting_id: int) -> str:
    """Ask for the reason for a void. Nothing is changed yet."""
    return _render_void(claim_id, posting_id)


@blueprint.post(_VOID_RULE, needs=Action.POST)
def void(claim_id: str, posting_id: int) -> Response | tuple[str, int]:
    """Void the posting once, no matter how often the form is sent."""
    form = request.form
    try:
        asked = Void.of(_dated({"note": form.get("note", "").strip()}, form))
        done = acts.run(voids.void, claim_id, posting_id, asked, idempotency_key=_key(form, "note", "posted_on"))
    except Refusal as refusal:
        faults = _faults(refusal)
        return _render_void(claim_id, posting_id, faults=faults, typed=form), refusal.http_status
    effects = ["Posting voided. The posting and its void both stay in the ledger."]
    if done.restored_cents:
        effects.append(f"{format_cents(done.restored_cents)} of an earlier write-off was restored.")
    if done.reversed_cents:
        effects.append(f"{format_cents(done.reversed_cents)} of a write-off was reversed.")
    flash(" ".join(effects), "good")
    return redirect(url_for("claims.show", claim_id=claim_id), code=HTTPStatus.SEE_OTHER)


@blueprint.get(_CREDIT_RULE, needs=Action.POST)
def ask_credit(claim_id: str, line: int, side: str) -> str:
    """Ask where the credit on a line goes. Nothing is changed yet."""
    return _render_credit(claim_id, line, _side(side))


@blueprint.post(_CREDIT_RULE, needs=Action.POST)
def move_credit(claim_id: str, line: int, side: str) -> Response | tuple[str, int]:
    """Refund or transfer the credit once, no matter how often the form is sent."""
    form, responsibility = request.form, _side(side)
    cents, fault = parse_amount_field(form.get("amount", ""))
    given = _dated(
        {"line": line, "responsibility": responsibility, "amount_cents": cents, "note": form.get("note", "").strip()},
        form,
    )
    kind, _, to = form.get("to", "").partition(".")
    faults = {"amount": fault} if fault else {}
    try:
        asked: Refund | CreditTransfer
        if kind == _TRANSFER:
            asked = CreditTransfer.of({**given, "to": _place(to)})
        else:
            asked = Refund.of({**given, "paid_to": to})
        if not faults:
            key = _key(form, "to", "amount", "note", "posted_on")
            moved = acts.run(_move, claim_id, asked, idempotency_key=key)
    except MoreThanPaid as refusal:
        faults = {"more": _more_than_paid(to, refusal)}
        return _render_credit(claim_id, line, responsibility, faults=faults, typed=form), refusal.http_status
    except Refusal as refusal:
        faults = {**_faults(refusal), **faults}
        return _render_credit(claim_id, line, responsibility, faults=faults, typed=form), refusal.http_status
    if faults:
        page = _render_credit(claim_id, line, responsibility, faults=faults, typed=form)
        return page, HTTPStatus.UNPROCESSABLE_ENTITY
    done = "transferred" if kind == _TRANSFER else "refunded"
    left = f" {format_cents(moved.credit_cents)} of the credit is left." if moved.credit_cents else ""
    flash(f"{format_cents(cents)} of the credit was {done}.{left}", "good")
    return redirect(url_for("claims.show", claim_id=claim_id), code=HTTPStatus.SEE_OTHER)


def _move(session: Session, claim_id: str, asked: Refund | CreditTransfer, **given: Any) -> CreditMoved:
    """Refund or transfer. Raise `MoreThanPaid` unless the user accepted that."""
    if isinstance(asked, CreditTransfer):
        return credit_moves.transfer(session, claim_id, asked, **given)
    return credit_moves.refund(
        session, claim_id, asked, accept_more=acts.is_accepted("accept_more", ("to", "amount")), **given
    )


def _more_than_paid(to: str, refusal: MoreThanPaid) -> str:
    who = "the patient" if to == PaidBy.PATIENT else words(PaidBy(to))
    paid = format_cents(refusal.facts["paid_cents"])
    return f"This refund is more than {who} paid on this claim ({paid}). Check who receives it."


def _side(text: str) -> Responsibility:
    return Responsibility(text) if text in set(Responsibility) else abort(HTTPStatus.NOT_FOUND)


def _place(to: str) -> dict[str, Any]:
    line, _, rest = to.partition(".")
    side, _, claim_id = rest.partition(".")
    number = reading.number(line)
    return {"line": line if number is None else number, "responsibility": side, "claim_id": claim_id}


def _dated(given: dict[str, Any], form: MultiDict[str, str]) -> dict[str, Any]:
    day = form.get("posted_on", "").strip()
    return {**given, "posted_on": day} if day else given


def _key(form: MultiDict[str, str], *fields: str) -> str:
    # The key includes what was typed: a form sent twice is one action, and a different amount is a new action.
    form_key = form.get("idempotency_key", "")[:_KEY_CHARACTERS_MAX] or secrets.token_urlsafe(16)
    typed = "\n".join(form.get(name, "") for name in fields)
    return f"{form_key}:{hashlib.sha256(typed.encode()).hexdigest()[:16]}"


def _faults(refusal: Refusal) -> dict[str, str]:
    """Return the refusal's sentences by field of the form. "" is the form as a whole."""
    if isinstance(refusal, BadEntry):
        found: dict[str, str] = {}
        for name, message in refusal.facts["faults"].items():
            field = {"amount_cents": "amount", "paid_to": "to", "line": ""}.get(name, name.partition(".")[0])
            typed_nothing = name == "note" or (name == "paid_to" and not request.form.get("to"))
            sentence = _FIELD_MESSAGES.get(name, message) if typed_nothing else message
            found[field] = message_for_page(refusal, as_sentence(sentence))
        return found
    sentence = acts.sentence_on_page(refusal)
    return {"posted_on" if isinstance(refusal, PeriodClosed) else "": sentence}


def _render_void(claim_id: str, posting_id: int, **extra: Any) -> str:
    practice_id = current_actor().practice_id
    with app_context().sessions() as db:
        legs = voids.list_entry(db, practice_id, lookup.find(db, practice_id, claim_id), posting_id)
        ids = {leg.id for leg in legs}
        rows = [
            (claim.external_id, row)
            for claim in voids.claims_of(db, legs)
            for row in ledger_queries.list_ledger_rows(db, practice_id, claim.id)
            if row.id in ids
        ]
    return _render("claims/void.html", claim_id=claim_id, posting_id=posting_id, rows=rows, **extra)


def _render_credit(claim_id: str, line: int, side: Responsibility, **extra: Any) -> str:
    practice_id = current_actor().practice_id
    with app_context().sessions() as db:
        claim = lookup.find(db, practice_id, claim_id)
        found = next((one for one in lookup.list_line_items(db, practice_id, claim.id) if one.number == line), None)
        if found is None:
            abort(HTTPStatus.NOT_FOUND)
        # The patient comes first for a patient credit.
        is_patients = side is Responsibility.PATIENT
        payers = sorted(
            entry_postings.possible_payers(db, claim), key=lambda one: (one is PaidBy.PATIENT) != is_patients
        )
        patient = lookup.patient_name(db, claim)
        balances = credit_moves.list_open_balances(db, claim)
        credit = max(0, -entry_postings.due_cents(found, side))
    choices = [("", "Choose …"), *((f"{_REFUND}.{payer.value}", _refund_words(payer)) for payer in payers)]
    choices += [
        (f"{_TRANSFER}.{one.line}.{one.responsibility.value}.{one.claim_id}", _transfer_words(one, claim_id))
        for one in balances
    ]
    facts: dict[str, Any] = {"line": found, "side": side, "credit": credit, "choices": choices, "patient": patient}
    facts["from_credits"] = request.args.get("back") == "credits"
    return _render("claims/credit.html", claim_id=claim_id, amount=format_plain_amount(credit), **facts, **extra)


def _refund_words(payer: PaidBy) -> str:
    return f"Refund to {'the patient' if payer is PaidBy.PATIENT else words(payer)}"


def _transfer_words(to: OpenBalance, claim_id: str) -> str:
    where = "this claim" if to.claim_id == claim_id else f"claim {to.claim_id}"
    owes = f"{words(to.responsibility).lower()} owes {format_cents(to.due_cents)}"
    return f"Transfer to {where}, line {to.line} ({to.procedure_code}): {owes}"


def _render(template: str, **facts: Any) -> str:
    return render_template(
        template,
        today=current_day(),
        note_max=NOTE_CHARACTERS_MAX,
        idempotency_key=request.form.get("idempotency_key") or secrets.token_urlsafe(16),
        **facts,
    )
