"""The signed-in user's notices: the list in the header of every page, the page of all, and the choice of e-mail."""

from http import HTTPStatus
from typing import Final

from flask import Flask, Response, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as BaseResponse

from core import paging
from core.access.permissions import Action
from core.db.bounds import BIGINT_MAX
from core.enums.notices import NoticeKind
from core.jobs import event_sentences
from core.models.notices import Event, Notice
from core.notices import inbox
from core.notices.inbox import Unread
from webui.shared import acts, page_arguments, partials
from webui.shared.app_context import app_context
from webui.shared.auth import Pages, current_actor

HEADER_NOTICES: Final = 6
PAGE_NOTICES: Final = 50

blueprint = Pages("notices", __name__, url_prefix="/notices")
_ID_RULE: Final = f"<int(max={BIGINT_MAX}):notice_id>"


def register(app: Flask) -> None:
    """Add the pages, and give every page the unread notices and the sentence of an event."""
    app.register_blueprint(blueprint)
    app.context_processor(lambda: {"unread_notices": _unread})
    app.add_template_filter(event_sentences.sentence, "event_words")
    app.add_template_filter(_address, "notice_address")


@blueprint.get("", needs=Action.SEE_CLAIMS)
def index() -> str:
    """Show the user's notices, newest first, and the kinds that also come by e-mail."""
    before = page_arguments.number("before")
    unread_only = request.args.get("show") == "unread"
    by = current_actor()
    with app_context().sessions() as db:
        found = inbox.list_notices(db, by, unread_only=unread_only, before=before, limit=PAGE_NOTICES + 1)
        by_mail = inbox.kinds_by_mail(db, by)
    shown, last = paging.cut(found, PAGE_NOTICES)
    return render_template(
        "notices/index.html",
        notices=shown,
        older=last and last.notice.id,
        before=before,
        unread_only=unread_only,
        by_mail=by_mail,
        kinds=_kinds(),
        mail_is_set_up=app_context().settings.smtp_url is not None,
        kept_days=app_context().settings.message_days,
    )


@blueprint.get("/unread", needs=Action.SEE_CLAIMS)
def unread() -> Response:
    """Return the list for the header. Every open page asks for it, so it does not keep the session alive."""
    return partials.partial_response(render_template("notices/_unread.html"))


@blueprint.post(f"/{_ID_RULE}/open", needs=Action.SEE_CLAIMS)
def open_notice(notice_id: int) -> BaseResponse:
    """Mark the notice as read, and show what it is about."""
    notice: Notice = acts.run(inbox.mark, notice_id, is_read=True)
    with app_context().sessions() as db:
        event = db.get_one(Event, (notice.practice_id, notice.event_id))
    return redirect(_address(notice, event) or url_for("notices.index"), code=HTTPStatus.SEE_OTHER)


@blueprint.post(f"/{_ID_RULE}/read", needs=Action.SEE_CLAIMS)
def mark(notice_id: int) -> BaseResponse:
    """Mark the notice as read or unread."""
    acts.run(inbox.mark, notice_id, is_read=request.form.get("is") != "unread")
    return acts.redirect_to("notices.index")


@blueprint.post("/read", needs=Action.SEE_CLAIMS)
def mark_all_read() -> BaseResponse:
    """Mark all notices as read that the user has seen."""
    through = request.form.get("through", "")
    if through and not (through.isascii() and through.isdigit() and int(through) <= BIGINT_MAX):
        raise inbox.NoSuchNotice
    acts.run(inbox.mark_all_read, through=int(through) if through else None)
    return acts.redirect_with("All notices are marked as read.", "notices.index")


@blueprint.post("/mail", needs=Action.SEE_CLAIMS)
def choose_mail() -> BaseResponse:
    """Save which kinds of notices also come by e-mail."""
    chosen = set(request.form.getlist("kind"))
    acts.run(inbox.choose_mail, [kind for kind in NoticeKind if kind.value in chosen or kind not in _kinds()])
    return acts.redirect_with("E-mail settings saved.", "notices.index")


def _address(notice: Notice, event: Event) -> str | None:
    """Return the address of what the notice is about, or None if the user's role has no page of it."""
    facts, may = event.facts, current_actor().may
    if notice.job_id is not None:
        return url_for("jobs.show", job_id=notice.job_id)
    if "request_id" in facts:
        return url_for("claims.show", claim_id=facts["claim_ids"][0])
    if notice.kind is NoticeKind.IMPORT:
        named = "import_id" in facts
        return url_for("imports.show", import_id=facts["import_id"]) if named else url_for("imports.index")
    if notice.kind is NoticeKind.REVIEW:
        return url_for("review.show", week=facts["week"]) if may(Action.SEE_REVIEW) else None
    return url_for("webhooks.show", webhook_id=facts["webhook_id"]) if may(Action.MANAGE_WEBHOOKS) else None


def _kinds() -> dict[NoticeKind, str]:
    """Return the kinds that the user's role can get, in words."""
    needs = {
        NoticeKind.APPROVAL: Action.APPROVE_JOB, NoticeKind.WEBHOOK: Action.MANAGE_WEBHOOKS,
        NoticeKind.REVIEW: Action.SEE_REVIEW,
    }  # fmt: skip
    by = current_actor()
    return {
        kind: words
        for kind, words in event_sentences.NOTICE_KINDS.items()
        if by.may(needs.get(kind, Action.SEE_CLAIMS))
    }


def _unread() -> Unread:
    return acts.read(inbox.unread, current_actor(), limit=HEADER_NOTICES)
