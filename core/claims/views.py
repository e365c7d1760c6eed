"""Views of the feed: columns with their order and widths, a sort order and a filter, under a name."""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, Final, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError
from sqlalchemy import ColumnElement, delete, func, or_, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from core import reading
from core.access import audit
from core.access.audit import Subject
from core.access.permissions import Action, Actor
from core.claims.claim_filter import ClaimFilter
from core.claims.feed_columns import COLUMN_KEYS
from core.claims.feed_order import DEFAULT_SORT, Sort
from core.errors import BadInput, NotAllowed, NotFound, Refusal, or_raise
from core.models.feed_views import DefaultFeedView, FeedView

NAME_CHARACTERS_MAX: Final = 60
VIEWS_MAX: Final = 200  # for each user; a longer menu would be unreadable
WIDTH_MIN: Final = 40  # pixels
WIDTH_MAX: Final = 800


class BadView(BadInput):
    """The view has an unknown column, sort order or filter."""


class BadViewName(BadInput):
    """Give the view a name of at most 60 characters."""


class ViewNameTaken(Refusal):
    """This user already has a view with this name. Choose a different name."""


class TooManyViews(Refusal):
    """You have 200 views. Delete one that you no longer use."""


class NoSuchView(NotFound):
    """There is no such view, or it is not shared with you."""

    code = "no_such_view"


def _known_column(key: str) -> str:
    if key not in COLUMN_KEYS:
        raise ValueError(f"unknown column; the columns are {', '.join(COLUMN_KEYS)}")
    return key


class ViewColumn(BaseModel):
    """A visible column. Without a width, it is as wide as its content."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    key: Annotated[str, AfterValidator(_known_column)]
    width: Annotated[int | None, Field(ge=WIDTH_MIN, le=WIDTH_MAX, description="Pixels")] = None


class _Columns(BaseModel):
    columns: tuple[ViewColumn, ...]


@dataclass(frozen=True)
class ViewContent:
    """What a view shows. Without columns, it shows the standard ones."""

    columns: tuple[ViewColumn, ...] = ()
    sort: Sort = DEFAULT_SORT
    filter: ClaimFilter = field(default_factory=ClaimFilter)

    @classmethod
    def of(cls, *, columns: Sequence[Mapping[str, Any]], sort: str, filter_: Mapping[str, Any]) -> Self:
        """Read a view. Raise `BadView` or `BadFilter`."""
        try:
            read = _Columns.model_validate({"columns": tuple(columns)}).columns
        except ValidationError as error:
            faults = {reading.field_path(f["loc"]): reading.words(f) for f in error.errors(include_url=False)}
            raise BadView(reading.join_faults(faults)) from None
        keys = [column.key for column in read]
        if len(set(keys)) < len(keys):
            raise BadView("columns: each column can be shown once")
        return cls(read, Sort.of(sort), ClaimFilter.of(filter_))

    @classmethod
    def stored(cls, view: FeedView) -> Self:
        """Return the content of a saved view. A column that this version does not know is left out."""
        content = view.content
        known = [column for column in content["columns"] if column["key"] in COLUMN_KEYS]
        return cls.of(columns=known, sort=content["sort"], filter_=content["filter"])

    def as_json(self) -> dict[str, Any]:
        """Return the content as it is stored."""
        columns = [column.model_dump(exclude_none=True) for column in self.columns]
        return {"columns": columns, "sort": str(self.sort), "filter": self.filter.given()}


def list_views(session: Session, by: Actor) -> Sequence[FeedView]:
    """Return the user's own views and the shared ones, by name."""
    return session.scalars(select(FeedView).where(*_visible(by)).order_by(func.lower(FeedView.name), FeedView.id)).all()


def find(session: Session, view_id: int, *, by: Actor) -> FeedView:
    """Return a view that the user may see. Raise `NoSuchView`."""
    return or_raise(session.scalar(select(FeedView).where(*_visible(by), FeedView.id == view_id)), NoSuchView)


def default_view_id(session: Session, by: Actor) -> int | None:
    """Return the user's default view, unless its owner no longer shares it."""
    mine = select(DefaultFeedView.view_id).where(DefaultFeedView.user_id == by.user_id)
    return session.scalar(select(FeedView.id).where(*_visible(by), FeedView.id.in_(mine)))


def users_with_default(session: Session, view: FeedView, *, but: Actor) -> int:
    """Return how many other users' feeds open in this view."""
    others = (DefaultFeedView.view_id == view.id, DefaultFeedView.user_id != but.user_id)
    return session.scalar(select(func.count()).where(DefaultFeedView.practice_id == view.practice_id, *others)) or 0


def may_change(view: FeedView, *, by: Actor) -> bool:
    """Return whether the user may change, share or delete the view: its owner, and of a shared one an administrator."""
    return view.owner_id == by.user_id or (view.shared and by.may(Action.CHANGE_SETTING))


def save_as(
    session: Session, name: str, content: ViewContent, *, shared: bool = False, by: Actor, now: dt.datetime
) -> FeedView:
    """Save a new view. Raise `BadViewName`, `ViewNameTaken` or `TooManyViews`."""
    by.require(Action.SEE_CLAIMS)
    name = _tidy(name)
    _lock_views_of(session, by.user_id)
    mine = (FeedView.practice_id == by.practice_id, FeedView.owner_id == by.user_id)
    if session.scalar(select(func.count()).where(*mine)) >= VIEWS_MAX:  # type: ignore[operator]
        raise TooManyViews
    _require_free_name(session, name, owner_id=by.user_id, by=by, but=None)
    view = FeedView(
        practice_id=by.practice_id, owner_id=by.user_id, name=name, shared=shared, content=content.as_json(),
        changed_at=now,
    )  # fmt: skip
    session.add(view)
    session.flush()
    if shared:
        _audit(session, "view.shared", view, by=by, now=now)
    return view


def change(
    session: Session,
    view_id: int,
    *,
    name: str | None = None,
    content: ViewContent | None = None,
    shared: bool | None = None,
    by: Actor,
    now: dt.datetime,
) -> FeedView:
    """Change what is given of a view. Raise `NoSuchView`, `NotAllowed`, `BadViewName` or `ViewNameTaken`."""
    view = _require_changeable(session, view_id, by)
    was_shared, before = view.shared, (view.name, view.content)
    if name is not None:
        name = _tidy(name)
        _require_free_name(session, name, owner_id=view.owner_id, by=by, but=view.id)
        view.name = name
    if content is not None:
        view.content = content.as_json()
    if shared is not None:
        view.shared = shared
    view.changed_at = now
    session.flush()
    if view.shared is not was_shared:
        _audit(session, "view.shared" if view.shared else "view.unshared", view, by=by, now=now)
    elif view.shared and before != (view.name, view.content):
        _audit(session, "view.changed", view, by=by, now=now)
    return view


def remove(session: Session, view_id: int, *, by: Actor, now: dt.datetime) -> None:
    """Delete a view. It stops being anyone's default. Raise `NoSuchView` or `NotAllowed`."""
    view = _require_changeable(session, view_id, by)
    if view.shared:
        _audit(session, "view.deleted", view, by=by, now=now)
    session.execute(delete(FeedView).where(FeedView.practice_id == view.practice_id, FeedView.id == view.id))


def choose_default(session: Session, view_id: int | None, *, by: Actor) -> None:
    """Make a view the one in which the user's feed opens, or none. Raise `NoSuchView`."""
    by.require(Action.SEE_CLAIMS)
    session.execute(delete(DefaultFeedView).where(DefaultFeedView.user_id == by.user_id))
    if view_id is not None:
        view = find(session, view_id, by=by)
        new = {"user_id": by.user_id, "practice_id": by.practice_id, "view_id": view.id}
        session.execute(insert(DefaultFeedView).values(new).on_conflict_do_nothing())


def remove_default(session: Session, view_id: int, *, by: Actor) -> None:
    """Open the user's feed in the standard view, if this view was the default. Raise `NoSuchView`."""
    if default_view_id(session, by) == find(session, view_id, by=by).id:
        choose_default(session, None, by=by)


def _visible(by: Actor) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    return FeedView.practice_id == by.practice_id, or_(FeedView.owner_id == by.user_id, FeedView.shared)


def _tidy(name: str) -> str:
    return reading.checked_name(" ".join(name.split()), BadViewName, most=NAME_CHARACTERS_MAX)


def _require_free_name(session: Session, name: str, *, owner_id: int, by: Actor, but: int | None) -> None:
    _lock_views_of(session, owner_id)
    same = select(FeedView.id).where(
        FeedView.practice_id == by.practice_id, FeedView.owner_id == owner_id,
        func.lower(FeedView.name) == func.lower(name), FeedView.id.is_distinct_from(but),
    )  # fmt: skip
    if session.scalar(same) is not None:
        raise ViewNameTaken


def _lock_views_of(session: Session, owner_id: int) -> None:
    # Two requests of one user could both find the name free, or room for one more view.
    session.execute(select(func.pg_advisory_xact_lock(func.hashtext(f"feed_view {owner_id}"))))


def _require_changeable(session: Session, view_id: int, by: Actor) -> FeedView:
    by.require(Action.SEE_CLAIMS)
    view = find(session, view_id, by=by)
    if not may_change(view, by=by):
        raise NotAllowed("Another user owns this view. Save your own copy, or ask them or an administrator.")
    return view


def _audit(session: Session, act: str, view: FeedView, *, by: Actor, now: dt.datetime) -> None:
    audit.record(session, act, Subject.of("view", view.id, practice_id=view.practice_id), by=by, now=now)
