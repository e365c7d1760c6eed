"""Remittances (835): the list, one remittance with its answers, and the page where a user decides a held answer."""

from http import HTTPStatus
from typing import Any, Final

from flask import render_template, request
from werkzeug.datastructures import MultiDict
from werkzeug.wrappers import Response

from core import paging
from core.access.permissions import Action
from core.counting import counted
from core.db.bounds import BIGINT_MAX
from core.enums.remittances import Outcome
from core.errors import NotFound, Refusal
from core.intake.remittances import candidates, commands, held, queries, reasons, retry, shown
from core.intake.remittances.commands import AnswerKey, BadReason
from core.reading import NOTE_CHARACTERS_MAX, as_sentence
from webui.claims.exclusions import parse_optional_date
from webui.shared import acts, page_arguments
from webui.shared.app_context import app_context, now
from webui.shared.auth import Pages, current_actor, current_day
from webui.shared.claim_views import record_view
from webui.shared.labels import Pill

_RULE: Final = f"/<int(max={BIGINT_MAX}):remittance_id>"
_ANSWER_RULE: Final = f"{_RULE}/claims/<int(max={BIGINT_MAX}):ordinal>"
HELD_SHOWN: Final = 100
OUTCOME_PILLS: Final = {
    Outcome.HELD: Pill("Held", "lock", "warn"),
    Outcome.WARNED: Pill("Posted with a warning", "alert", "warn"),
    Outcome.POSTED: Pill("Posted", "check", "good"),
    Outcome.NOTHING_TO_POST: Pill("Nothing to post", "info", ""),
    Outcome.IGNORED: Pill("Ignored", "cross", ""),
}

blueprint = Pages("remittances", __name__, url_prefix="/remittances")


@blueprint.get("", needs=Action.SEE_CLAIMS)
def index() -> str:
    """Show the remittances, newest first."""
    with app_context().sessions() as db:
        rows, older = queries.list_remittances(
            db, current_actor().practice_id, before=page_arguments.number("before") or None
        )
        return render_template(
            "remittances/index.html", rows=rows, older=older, outcomes=Outcome, is_first="before" not in request.args,
            matchable=retry.count_matchable(db, current_actor().practice_id), retried_max=retry.RETRIED_MAX,
            held=queries.sum_held(db, current_actor().practice_id)[0],
        )  # fmt: skip


@blueprint.get("/held", needs=Action.SEE_CLAIMS)
def list_held() -> str:
    """Show the held answers of all remittances. Raise `BadCursor`."""
    practice_id, cursor = current_actor().practice_id, request.args.get("after")
    remittance_id, ordinal = paging.read_cursor(cursor, numbers=2) if cursor else (0, 0)
    with app_context().sessions() as db:
        rows, last = queries.list_answers(
            db, practice_id, outcomes=[Outcome.HELD], after=(remittance_id, ordinal) if cursor else None,
            limit=HELD_SHOWN,
        )  # fmt: skip
        count, cents = queries.sum_held(db, practice_id)
        return render_template(
            "remittances/held.html", rows=rows, next_cursor=last and paging.write_cursor(*last), count=count,
            cents=cents, describe=describe, matchable=retry.count_matchable(db, practice_id),
            retried_max=retry.RETRIED_MAX,
        )  # fmt: skip


@blueprint.post("/retry", needs=Action.POST)
def retry_unmatched() -> Response:
    """Match held answers again, as in an import, and post them."""
    try:
        done = acts.run(retry.retry_unmatched)
    except Refusal as refusal:
        return acts.redirect_with(acts.sentence_on_page(refusal), "remittances.index", tone="bad")
    posted = counted(done.posted, "answer")
    return acts.redirect_with(f"Posted: {posted}. Held for another reason: {done.held:,}.", "remittances.index")


@blueprint.get(_RULE, needs=Action.SEE_CLAIMS)
def show(remittance_id: int) -> str:
    """Show a remittance and its answers with one outcome: first those that are held, if any."""
    practice_id = current_actor().practice_id
    with app_context().sessions() as db:
        row = queries.find_remittance(db, practice_id, remittance_id)
        present = [outcome for outcome in OUTCOME_PILLS if row.outcomes.get(outcome)]
        wanted = request.args.get("outcome", "")
        outcome = Outcome(wanted) if wanted in set(Outcome) else next(iter(present), Outcome.HELD)
        answers = queries.page_of_answers(
            db, practice_id, remittance_id, outcome, after=page_arguments.number("after"),
            before=page_arguments.number("before"),
        )  # fmt: skip
        return render_template(
            "remittances/show.html", row=row, one=row.remittance, answers=answers, outcome=outcome, present=present,
            pills=OUTCOME_PILLS, describe=describe,
            may_post_together=held.may_post_together(db, practice_id, remittance_id),
            today=current_day(),
            may_accept={
                why.code: reasons.REASONS[why.code].words for why in row.why if why.code in reasons.ACCEPTED_OF_WHOLE
            },
            adjustments=queries.list_provider_adjustments(db, practice_id, remittance_id),
        )  # fmt: skip


@blueprint.post(f"{_RULE}/post", needs=Action.POST)
def post_together(remittance_id: int) -> Response:
    """Post the held answers that nothing else holds."""
    page = "remittances.show"
    posted_on, fault = parse_optional_date(request.form.get("posted_on", ""))
    if fault:
        return acts.redirect_with(fault, page, tone="bad", remittance_id=remittance_id)
    try:
        accepts = request.form.getlist("accepts")
        done = acts.run(held.post_all, remittance_id, accepts=accepts, posted_on=posted_on)
    except Refusal as refusal:
        return acts.redirect_with(acts.sentence_on_page(refusal), page, tone="bad", remittance_id=remittance_id)
    sentence = f"Posted: {counted(done.posted, 'answer')}. Still held: {done.held:,}."
    return acts.redirect_with(sentence, page, remittance_id=remittance_id)


@blueprint.get(_ANSWER_RULE, needs=Action.SEE_CLAIMS)
def answer(remittance_id: int, ordinal: int) -> str:
    """Show one answer with its lines, and the forms for users who may decide it."""
    return _answer_page(AnswerKey(remittance_id, ordinal))


@blueprint.post(f"{_ANSWER_RULE}/match", needs=Action.POST)
def match(remittance_id: int, ordinal: int) -> Response | tuple[str, int]:
    """Match the answer to the claim that the user names."""
    key, number = AnswerKey(remittance_id, ordinal), request.form.get("claim", "").strip()
    try:
        acts.run(commands.match, key, number)
    except NotFound as refusal:  # of the claim, or of the answer, which has no page to show the fault on
        return _answer_page(key, typed=request.form, faults={"claim": refusal.message}), refusal.http_status
    except Refusal as refusal:
        return _answer_page(key, typed=request.form, refused=acts.sentence_on_page(refusal)), refusal.http_status
    return acts.redirect_with("Matched. Check the answer, then post it.", "remittances.answer", **key._asdict())


@blueprint.post(f"{_ANSWER_RULE}/post", needs=Action.POST)
def post(remittance_id: int, ordinal: int) -> Response | tuple[str, int]:
    """Post the answer as the payer gave it."""
    key = AnswerKey(remittance_id, ordinal)
    posted_on, fault = parse_optional_date(request.form.get("posted_on", ""))
    if fault:
        status = HTTPStatus.UNPROCESSABLE_ENTITY
        return _answer_page(key, typed=request.form, faults={"posted_on": fault}), status
    try:
        given = {name: request.form.get(name, "").strip() for name in ("shown", "note")}
        acts.run(commands.post, key, posted_on=posted_on, **given)
    except Refusal as refusal:
        return _answer_page(key, typed=request.form, refused=acts.sentence_on_page(refusal)), refusal.http_status
    return acts.redirect_with("Answer posted.", "remittances.show", remittance_id=remittance_id)


@blueprint.post(f"{_ANSWER_RULE}/ignore", needs=Action.POST)
def ignore(remittance_id: int, ordinal: int) -> Response | tuple[str, int]:
    """Take the answer off the list of held answers. Nothing is posted."""
    key = AnswerKey(remittance_id, ordinal)
    try:
        acts.run(commands.ignore, key, request.form.get("why", ""))
    except BadReason as refusal:
        return _answer_page(key, typed=request.form, faults={"why": refusal.message}), refusal.http_status
    except Refusal as refusal:
        return _answer_page(key, typed=request.form, refused=acts.sentence_on_page(refusal)), refusal.http_status
    return acts.redirect_with("Answer ignored. Nothing was posted.", "remittances.show", remittance_id=remittance_id)


@blueprint.post(f"{_ANSWER_RULE}/hold", needs=Action.POST)
def hold_again(remittance_id: int, ordinal: int) -> Response | tuple[str, int]:
    """Put an ignored answer back on the list of held ones."""
    key = AnswerKey(remittance_id, ordinal)
    try:
        acts.run(commands.hold_again, key)
    except Refusal as refusal:
        return _answer_page(key, refused=acts.sentence_on_page(refusal)), refusal.http_status
    return acts.redirect_with("Answer held again.", "remittances.answer", **key._asdict())


def describe(code: str, outcome: Outcome = Outcome.HELD) -> str:
    """Return a reason as a sentence."""
    return as_sentence(reasons.describe(code, is_held=outcome is Outcome.HELD))


def _answer_page(
    key: AnswerKey, *, typed: Any = None, faults: dict[str, str] | None = None, refused: str | None = None
) -> str:
    practice_id = current_actor().practice_id
    with app_context().sessions() as db:
        details = shown.show(db, practice_id, *key, now=now())
        record_view(details.answer.claim, by=current_actor())
        return render_template(
            "remittances/answer.html", details=details, found=details.answer,
            one=queries.find_remittance(db, practice_id, key[0]).remittance,
            candidates=candidates.list_candidates(db, practice_id, *key) if details.is_held else [],
            pills=OUTCOME_PILLS, describe=describe, typed=typed or MultiDict(), faults=faults or {}, refused=refused,
            note_max=NOTE_CHARACTERS_MAX, today=current_day(),
        )  # fmt: skip
