"""Views of the feed: columns, sort order and filter under a name."""

import datetime as dt
from typing import Annotated, Any, Self

from pydantic import Field
from sqlalchemy.orm import Session

from core.access.permissions import Action, Scope
from core.claims import feed_columns, views
from core.claims.feed_order import DEFAULT_SORT
from core.claims.views import NoSuchView, ViewContent
from core.models.feed_views import FeedView
from webui.api.blueprint import CLAIMS, api
from webui.api.models import Answer, Id
from webui.api.request_parsing import Body, IdPath
from webui.shared.app_context import now
from webui.shared.token_auth import current_actor

_COLUMNS = f"In order, each with a `key` and an optional `width` in pixels: {', '.join(feed_columns.COLUMN_KEYS)}"


class ViewBody(Body):
    """A view to save."""

    name: Annotated[str, Field(description="1 to 60 characters, unique among the owner's views")]
    shared: Annotated[bool, Field(description="Show it to all users of the practice")] = False
    columns: Annotated[
        list[dict[str, Any]], Field(default_factory=list, description=f"{_COLUMNS}; empty for the standard columns")
    ]
    sort: Annotated[str, Field(description="As in GET /claims")] = str(DEFAULT_SORT)
    filter: Annotated[
        dict[str, Any], Field(default_factory=dict, description="As in GET /claims, with numbers and lists as JSON")
    ]

    def content(self) -> ViewContent:
        """Return what the view shows. Raise `BadView` or `BadFilter`."""
        return ViewContent.of(columns=self.columns, sort=self.sort, filter_=self.filter)


class ViewPath(IdPath):
    """The view's ID."""

    missing = NoSuchView
    view_id: str


class ViewAnswer(Answer):
    """A view."""

    id: Id
    name: str
    owner_id: Id
    shared: bool
    is_default: Annotated[bool, Field(description="Your feed opens in this view")]
    columns: list[dict[str, Any]]
    sort: str
    filter: dict[str, Any]
    changed_at: dt.datetime

    @classmethod
    def of(cls, view: FeedView, default: int | None) -> Self:
        """Return a view as an answer."""
        return cls(
            id=view.id, name=view.name, owner_id=view.owner_id, shared=view.shared,
            is_default=view.id == default, changed_at=view.changed_at, **view.content,
        )  # fmt: skip


class ViewsAnswer(Answer):
    """Your views and those that are shared with you, by name."""

    views: list[ViewAnswer]


@api.get("/views", needs=Action.SEE_CLAIMS, tag=CLAIMS)
def list_views(session: Session) -> ViewsAnswer:
    """List your views and those that are shared with you."""
    actor = current_actor()
    default = views.default_view_id(session, actor)
    found = [ViewAnswer.of(view, default) for view in views.list_views(session, actor)]
    return ViewsAnswer(views=found)


@api.post("/views", needs=Action.SEE_CLAIMS, scope=Scope.POST, tag=CLAIMS, status=201, problems=[409])
def save_view(body: ViewBody, session: Session) -> ViewAnswer:
    """Save a new view."""
    content = body.content()
    view = views.save_as(session, body.name, content, shared=body.shared, by=current_actor(), now=now())
    return _answer(session, view)


@api.get("/views/<view_id>", needs=Action.SEE_CLAIMS, tag=CLAIMS)
def show_view(path: ViewPath, session: Session) -> ViewAnswer:
    """Show one view."""
    return _answer(session, views.find(session, path.id, by=current_actor()))


@api.put("/views/<view_id>", needs=Action.SEE_CLAIMS, scope=Scope.POST, tag=CLAIMS, problems=[409])
def change_view(path: ViewPath, body: ViewBody, session: Session) -> ViewAnswer:
    """Replace a view. Only its owner can, or an administrator if it is shared."""
    content = body.content()
    changes = {"name": body.name, "content": content, "shared": body.shared}
    view = views.change(session, path.id, **changes, by=current_actor(), now=now())  # type: ignore[arg-type]
    return _answer(session, view)


@api.delete("/views/<view_id>", needs=Action.SEE_CLAIMS, scope=Scope.POST, tag=CLAIMS)
def delete_view(path: ViewPath, session: Session) -> None:
    """Delete a view. Only its owner can, or an administrator if it is shared."""
    views.remove(session, path.id, by=current_actor(), now=now())


@api.put("/views/<view_id>/default", needs=Action.SEE_CLAIMS, scope=Scope.POST, tag=CLAIMS)
def make_default_view(path: ViewPath, session: Session) -> ViewAnswer:
    """Open your feed in this view."""
    views.choose_default(session, path.id, by=current_actor())
    return _answer(session, views.find(session, path.id, by=current_actor()))


@api.delete("/views/<view_id>/default", needs=Action.SEE_CLAIMS, scope=Scope.POST, tag=CLAIMS)
def remove_default_view(path: ViewPath, session: Session) -> None:
    """Open your feed in the standard view again, if this view was the default."""
    views.remove_default(session, path.id, by=current_actor())


def _answer(session: Session, view: FeedView) -> ViewAnswer:
    return ViewAnswer.of(view, views.default_view_id(session, current_actor()))
