"""Which columns the feed shows: those of the view, or those that this browser chose since it opened the view."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from flask import request
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response

from core import reading
from core.access.permissions import Actor
from core.claims import views
from core.claims.views import WIDTH_MAX, WIDTH_MIN, NoSuchView, ViewColumn, ViewContent
from core.models.feed_views import FeedView
from webui.claims.feed_columns import ALWAYS_SHOWN, COLUMN_BY_KEY, COLUMNS, HIDDEN_BY_DEFAULT, Column
from webui.claims.feed_query import STANDARD_VIEW
from webui.shared.app_context import app_context

COOKIE: Final = "feed_layout"  # the view and its columns, in a cookie so that it works without JavaScript
COOKIE_SECONDS: Final = 365 * 24 * 3600
_ENTRY: Final = re.compile(r"([a-z_0-9]+)(?:-([0-9]{2,3}))?")

STANDARD: Final = tuple(ViewColumn(key=column.key) for column in COLUMNS if column.key not in HIDDEN_BY_DEFAULT)


@dataclass(frozen=True)
class Layout:
    """The visible columns in order, and the view that they belong to, if any."""

    chosen: tuple[ViewColumn, ...]
    view: FeedView | None = None
    is_changed: bool = False  # since the view was opened

    @property
    def columns(self) -> list[Column]:
        """Return the visible columns in order."""
        return [COLUMN_BY_KEY[one.key] for one in self.chosen]

    @property
    def widths(self) -> Mapping[str, int]:
        """Return the widths that were chosen, by column."""
        return {one.key: one.width for one in self.chosen if one.width}

    @property
    def all_columns(self) -> list[Column]:
        """Return the visible columns in order, then the hidden ones."""
        shown = self.columns
        return [*shown, *(column for column in COLUMNS if column not in shown)]


def of_view(db: Session, view_id: int | None, *, by: Actor) -> Layout:
    """Return the layout of the request. A view that is deleted or no longer shared is the standard one."""
    cookie = _of_cookie(request.cookies.get(COOKIE), view_id)
    try:
        view = views.find(db, view_id, by=by) if view_id else None
    except NoSuchView:
        view = None
    saved = with_number(ViewContent.stored(view).columns or STANDARD) if view else STANDARD
    return Layout(cookie or saved, view, is_changed=cookie is not None and cookie != saved)


def of_form(shown: Iterable[str], widths: Mapping[str, str], move: str) -> tuple[ViewColumn, ...]:
    """Read the form of the columns: checked ones in order, widths, and a column to move ("up:office"), if any."""
    keys = [key for key in dict.fromkeys(shown) if key in COLUMN_BY_KEY]
    way, _, moved = move.partition(":")
    if moved in keys:
        at = keys.index(moved)
        keys.insert(max(at + (-1 if way == "up" else 1), 0), keys.pop(at))
    return with_number([ViewColumn(key=key, width=_width(widths.get(key, ""))) for key in keys])


def with_number(columns: Sequence[ViewColumn]) -> tuple[ViewColumn, ...]:
    """Return the columns with the claim number, which opens the claim, in front."""
    number = next((one for one in columns if one.key in ALWAYS_SHOWN), ViewColumn(key="claim_id"))
    return (number, *(one for one in columns if one.key not in ALWAYS_SHOWN))


def keep(response: Response, view_id: int | None, columns: Sequence[ViewColumn]) -> None:
    """Let this browser show these columns in the view."""
    listed = ".".join(one.key if one.width is None else f"{one.key}-{one.width}" for one in columns)
    response.set_cookie(
        COOKIE, f"{view_id or STANDARD_VIEW}.{listed}", max_age=COOKIE_SECONDS, httponly=True, samesite="Lax",
        secure=app_context().settings.https_only,
    )  # fmt: skip


def forget(response: Response) -> None:
    """Let this browser show each view as it is saved."""
    response.delete_cookie(COOKIE)


def has_unsaved(db: Session, *, by: Actor) -> bool:
    """Return whether this browser shows columns that differ from the saved ones of their view."""
    of_view_ = (request.cookies.get(COOKIE) or "").partition(".")[0]
    return of_view(db, reading.number(of_view_), by=by).is_changed


def _of_cookie(cookie: str | None, view_id: int | None) -> tuple[ViewColumn, ...] | None:
    of_view_, _, listed = (cookie or "").partition(".")
    if of_view_ != str(view_id or STANDARD_VIEW):
        return None
    matches = [match for match in map(_ENTRY.fullmatch, listed.split(".")) if match and match[1] in COLUMN_BY_KEY]
    by_key = {match[1]: ViewColumn(key=match[1], width=_width(match[2] or "")) for match in matches}
    return with_number(list(by_key.values())) if by_key else None


def _width(typed: str) -> int | None:
    return min(max(int(typed), WIDTH_MIN), WIDTH_MAX) if re.fullmatch(r"[0-9]{1,4}", typed.strip()) else None
