"""Write-offs to post: what is new for the practice-management system, files that were sent, and their layouts."""

import secrets
from collections.abc import Mapping
from typing import Any, Final

from flask import Response, render_template, request
from werkzeug.wrappers import Response as BaseResponse

from core import paging
from core.access.permissions import Action, Actor
from core.counting import counted
from core.db.bounds import BIGINT_MAX
from core.enums import exports
from core.enums.exports import DateFormat, Sign
from core.errors import Refusal
from core.exports import layouts, postings, sent_files
from core.exports.layouts import BadLayout, Layout, NamedLayout
from core.exports.postings import BadPostingsFilter, PostingsFilter
from core.jobs import job_queries
from core.jobs.keys import NoSuchJob
from core.practices import practice_days, practice_queries
from webui.claims import layout_form
from webui.shared import acts, file_downloads, page_arguments
from webui.shared.app_context import app_context, now
from webui.shared.auth import Pages, current_actor

ROWS: Final = 50
_FILTER_FIELDS: Final = ("job", "posted_from", "posted_through", "unsent")
_LAYOUT_ID: Final = f"<int(max={BIGINT_MAX}):layout_id>"
_FORM: Final = "<any(csv, xlsx):form>"

blueprint = Pages("write_offs", __name__, url_prefix="/write-offs")


@blueprint.get("", needs=Action.SEE_CLAIMS)
def index() -> str:
    """Show what is new, the forms that create files, the files that were sent, and the layouts."""
    return _page()


@blueprint.post("/files", needs=Action.SEND_WRITE_OFFS)
def send() -> BaseResponse | tuple[str, int]:
    """Put what is new in a file and mark it as sent. A form that is sent twice creates only one file."""
    key = request.form.get("idempotency_key", "") or secrets.token_urlsafe(16)
    try:
        file = acts.run(sent_files.send, request.form.get("layout", exports.STANDARD), key=key)
    except (sent_files.NothingToSend, sent_files.FileBusy) as refusal:
        return _page(refused=refusal.message), refusal.http_status
    count = file.write_offs + file.reversals
    return acts.redirect_with(
        f"File {file.id} contains {counted(count, 'new posting')}. Download it below. "
        "The next file will not include them again.",
        "write_offs.index",
    )


@blueprint.get(f"/files/<int(max={BIGINT_MAX}):file_id>/write-offs.{_FORM}", needs=Action.SEE_CLAIMS)
def download_sent(file_id: int, form: str) -> Response:
    """Download a sent file again. It is the same each time."""
    return send_write_offs_file(PostingsFilter(file=file_id), None, form, by=current_actor())


@blueprint.get("/download", needs=Action.SEE_CLAIMS)
def download() -> Response | tuple[str, int]:
    """Download write-offs from a job, from a range of dates or only new ones, without marking them as sent."""
    given = {name: request.args[name].strip() for name in _FILTER_FIELDS if request.args.get(name, "").strip()}
    form = request.args.get("form")
    try:
        wanted = PostingsFilter.of(given)
        return send_write_offs_file(
            wanted, request.args.get("layout"), "xlsx" if form == "xlsx" else "csv", by=current_actor()
        )
    except BadPostingsFilter as refusal:
        return _page(faults=refusal.facts["faults"]), refusal.http_status
    except (NoSuchJob, layouts.NoSuchLayout) as refusal:
        return _page(refused=refusal.message), refusal.http_status


def send_write_offs_file(wanted: PostingsFilter, layout: str | None, form: str, *, by: Actor) -> Response:
    """Answer with a file of write-offs, as `csv` or `xlsx`."""
    with app_context().sessions() as db:
        today = practice_days.today(practice_queries.find(db, by.practice_id), now=now())
    return file_downloads.send_file(
        by=by,
        name=sent_files.file_name(wanted, form, today=today),
        record=lambda db: sent_files.authorize_download(db, wanted, layout, by=by, now=now()),
        pieces=lambda db: sent_files.draw(db, by.practice_id, wanted, layout, form),
    )


@blueprint.get("/layouts/new", needs=Action.SEND_WRITE_OFFS)
def new_layout() -> str:
    """Show the form of a layout, filled in with the standard one."""
    standard = layouts.BUILT_IN[0]
    return _layout_page(layout_form.of_layout(standard._replace(name="")))


@blueprint.get(f"/layouts/{_LAYOUT_ID}", needs=Action.SEND_WRITE_OFFS)
def edit_layout(layout_id: int) -> str:
    """Show the form filled in with a layout."""
    named = _find_layout(layout_id)
    return _layout_page(layout_form.of_layout(named), named=named)


@blueprint.post("/layouts", needs=Action.SEND_WRITE_OFFS)
def save_layout() -> BaseResponse | tuple[str, int]:
    """Save a layout under its name. Faults appear above the form."""
    typed = layout_form.of(request.form)
    try:
        saved = acts.run(layouts.save, typed.name, Layout.of(typed.as_request()))
    except Refusal as refusal:
        faults = layout_form.sentences(refusal) if isinstance(refusal, BadLayout) else [acts.sentence_on_page(refusal)]
        return _layout_page(typed, faults=faults), refusal.http_status
    return acts.redirect_with(f"Layout “{saved.name}” saved.", "write_offs.index", layout=saved.name)


@blueprint.post(f"/layouts/{_LAYOUT_ID}/delete", needs=Action.SEND_WRITE_OFFS)
def delete_layout(layout_id: int) -> BaseResponse:
    """Delete a layout."""
    acts.run(layouts.remove, layout_id)
    return acts.redirect_with("Layout deleted. Files already sent keep their layout.", "write_offs.index")


def _find_layout(layout_id: int) -> NamedLayout:
    return acts.read(layouts.find_by_id, current_actor().practice_id, layout_id)


def _layout_page(
    typed: layout_form.LayoutForm, *, named: NamedLayout | None = None, faults: list[str] | None = None
) -> str:
    return render_template(
        "write_offs/layout.html",
        typed=typed,
        named=named,
        faults=faults or [],
        date_formats=[(one.value, one.value) for one in DateFormat],
        signs=[(Sign.NEGATIVE.value, "Write-offs are negative"), (Sign.POSITIVE.value, "Write-offs are positive")],
        name_max=layouts.NAME_CHARACTERS_MAX,
        heading_max=layouts.HEADING_CHARACTERS_MAX,
    )


def _page(*, refused: str | None = None, faults: Mapping[str, str] | None = None) -> str:
    practice_id = current_actor().practice_id
    with app_context().sessions() as db:
        new = postings.totals(db, practice_id, PostingsFilter(unsent=True))
        files = sent_files.list_files(db, practice_id, before=page_arguments.number("before"), limit=ROWS + 1)
        shown, last = paging.cut(files, ROWS)
        names = job_queries.names_of_users(db, practice_id, {file.sent_by for file in shown})
        known = layouts.list_layouts(db, practice_id)
    last_used = files[0].layout_name if files else exports.STANDARD
    asked = {"layout": last_used, **request.args}
    facts: dict[str, Any] = {"new": new, "files": shown, "older": last and last.id, "names": names, "layouts": known}
    return render_template(
        "write_offs/index.html",
        **facts,
        choices=[(one.name, one.name) for one in known],
        asked=asked,
        refused=refused,
        faults=faults or {},
        idempotency_key=secrets.token_urlsafe(16),
        may_send=current_actor().may(Action.SEND_WRITE_OFFS),
    )
