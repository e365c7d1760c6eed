"""The views of the feed: open, save, rename, share, delete, and choose the columns."""

from http import HTTPStatus
from typing import Any, Final

from flask import Response, flash, redirect, request, url_for
from werkzeug.wrappers import Response as BaseResponse

from core.access.permissions import Action
from core.claims import views
from core.claims.views import ViewContent
from core.db.bounds import BIGINT_MAX
from core.db.engine import transaction
from core.errors import NotAllowed, NotFound, Refusal
from webui.claims import feed_address, feed_layout
from webui.claims.feed_query import STANDARD_VIEW, FeedQuery
from webui.shared import acts
from webui.shared.app_context import app_context
from webui.shared.auth import Pages, current_actor
from webui.shared.labels import feed_query_string

blueprint = Pages("feed_views", __name__, url_prefix="/feed")

_VIEW: Final = f"/views/<int(max={BIGINT_MAX}):view_id>"


@blueprint.get(_VIEW, needs=Action.SEE_CLAIMS)
def open_view(view_id: int) -> BaseResponse:
    """Show the feed as a view saved it, or the standard view. The address names the view, its filter and its order."""
    actor = current_actor()
    with app_context().sessions() as db:
        is_standard = view_id == STANDARD_VIEW
        saved = ViewContent() if is_standard else ViewContent.stored(views.find(db, view_id, by=actor))
        unsaved = feed_layout.has_unsaved(db, by=actor)
    if unsaved:
        flash("Your changed columns were not saved, so they are gone. To keep columns, save a view.", "info")
    query = feed_address.of_form(feed_query_string(saved.filter.given()))
    response = redirect(feed_address.address(query, sort=str(saved.sort), view=view_id), code=HTTPStatus.SEE_OTHER)
    feed_layout.forget(response)
    return response


@blueprint.post("/views", needs=Action.SEE_CLAIMS)
def save_as() -> BaseResponse:
    """Save the filter, the order and the columns as a new view."""
    query, content = _sent()
    shared = request.form.get("shared") == "true"
    try:
        view = acts.run(views.save_as, request.form.get("name", ""), content, shared=shared)
    except Refusal as refusal:
        return _refused(query, refusal)
    return _opened(view.id, f"View “{view.name}” saved.")


@blueprint.post(_VIEW, needs=Action.SEE_CLAIMS)
def save(view_id: int) -> BaseResponse:
    """Save the filter, the order and the columns in this view."""
    _, content = _sent()
    view = acts.run(views.change, view_id, content=content)
    return _opened(view.id, f"View “{view.name}” saved.")


@blueprint.post(f"{_VIEW}/name", needs=Action.SEE_CLAIMS)
def rename(view_id: int) -> BaseResponse:
    """Rename a view."""
    return _change(view_id, "View renamed.", name=request.form.get("name", ""))


@blueprint.post(f"{_VIEW}/sharing", needs=Action.SEE_CLAIMS)
def share(view_id: int) -> BaseResponse:
    """Share a view with the practice, or stop sharing it."""
    shared = request.form.get("shared") == "true"
    return _change(view_id, "View shared with your practice." if shared else "View is private now.", shared=shared)


@blueprint.post(f"{_VIEW}/default", needs=Action.SEE_CLAIMS)
def choose_default(view_id: int) -> BaseResponse:
    """Open the user's feed in this view from now on, or no longer."""
    on = request.form.get("default") == "true"
    with transaction(app_context().sessions) as db:
        (views.choose_default if on else views.remove_default)(db, view_id, by=current_actor())
    flash("The feed opens in this view from now on." if on else "The feed opens in the standard view again.", "good")
    return _back(_query())


@blueprint.post(f"{_VIEW}/delete", needs=Action.SEE_CLAIMS)
def delete(view_id: int) -> BaseResponse:
    """Delete a view. The feed keeps its filter."""
    query = _query()
    acts.run(views.remove, view_id)
    flash("View deleted.", "good")
    return redirect(feed_address.address(query, view=STANDARD_VIEW), code=HTTPStatus.SEE_OTHER)


@blueprint.post("/columns", needs=Action.SEE_CLAIMS)
def choose_columns() -> BaseResponse:
    """Choose which columns this browser shows, in which order and how wide."""
    query, form = _query(), request.form
    widths = {key.removeprefix("width-"): value for key, value in form.items() if key.startswith("width-")}
    columns = feed_layout.of_form(form.getlist("column"), widths, form.get("move", ""))
    wants_page = request.accept_mimetypes.best != "application/json"
    response = _back(query) if wants_page else Response(status=HTTPStatus.NO_CONTENT)
    if form.get("discard"):
        feed_layout.forget(response)
        return response
    if form.get("standard"):
        columns = feed_layout.STANDARD
    feed_layout.keep(response, query.view, columns)
    return response


def _query() -> FeedQuery:
    return feed_address.of_form(request.form.get("query", ""))


def _sent() -> tuple[FeedQuery, ViewContent]:
    query = _query()
    filter_ = feed_address.require_valid(query).filter
    layout = acts.read(feed_layout.of_view, query.view, by=current_actor())
    assert filter_ is not None
    return query, ViewContent(layout.chosen, query.sort, filter_)


def _change(view_id: int, message: str, **changes: Any) -> BaseResponse:
    query = _query()
    try:
        acts.run(views.change, view_id, **changes)
    except Refusal as refusal:
        return _refused(query, refusal)
    flash(message, "good")
    return _back(query)


def _refused(query: FeedQuery, refusal: Refusal) -> BaseResponse:
    if isinstance(refusal, NotFound | NotAllowed):
        raise refusal
    flash(refusal.message, "bad")
    return _back(query)


def _opened(view_id: int, message: str) -> BaseResponse:
    flash(message, "good")
    response = redirect(url_for("feed_views.open_view", view_id=view_id), code=HTTPStatus.SEE_OTHER)
    feed_layout.forget(response)
    return response


def _back(query: FeedQuery) -> BaseResponse:
    return redirect(feed_address.address(query), code=HTTPStatus.SEE_OTHER)


def choices(db: Any, layout: feed_layout.Layout) -> dict[str, Any]:
    """Return what the menu of views shows."""
    actor = current_actor()
    listed = views.list_views(db, actor)
    view = layout.view
    return {
        "views": listed,
        "view": view,
        "owns": {view.id: view.owner_id == actor.user_id for view in listed},
        "may_change_view": view is not None and views.may_change(view, by=actor),
        "others_with_default": views.users_with_default(db, view, but=actor) if view and view.shared else 0,
        "default_view": views.default_view_id(db, actor),
        "view_name_max": views.NAME_CHARACTERS_MAX,
    }
