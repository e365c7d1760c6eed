"""Named feed filters. All of the practice's users may open them."""

import datetime as dt
from collections.abc import Sequence
from typing import Final

from sqlalchemy import delete, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from core.access import audit
from core.access.audit import Subject
from core.access.permissions import Action, Actor
from core.errors import BadInput, NotAllowed, NotFound, Refusal
from core.models.people import SavedFilter

NAME_CHARACTERS_MAX: Final = 60
FILTERS_MAX: Final = 200  # for each practice; a longer menu would be unreadable


class BadFilterName(BadInput):
    """Give the filter a name of at most 60 characters."""

    code = "bad_filter_name"


class FilterNameTaken(Refusal):
    """Another saved filter already has this name. Choose a different name, or delete that filter first."""

    code = "filter_name_taken"


class TooManyFilters(Refusal):
    """The practice has 200 saved filters. Delete one that is no longer used."""

    code = "too_many_filters"


def list_saved_filters(session: Session, practice_id: int) -> Sequence[SavedFilter]:
    """Return the practice's saved filters by name."""
    return session.scalars(
        select(SavedFilter).where(SavedFilter.practice_id == practice_id).order_by(SavedFilter.name)
    ).all()


def save(session: Session, *, name: str, query: str, by: Actor, now: dt.datetime) -> None:
    """Save `query`, as in the feed's address, under `name`.

    Raise `BadFilterName`, `FilterNameTaken` or `TooManyFilters`.
    """
    by.require(Action.SEE_CLAIMS)
    name = " ".join(name.split())
    if not 1 <= len(name) <= NAME_CHARACTERS_MAX or "\x00" in name:
        raise BadFilterName
    if len(list_saved_filters(session, by.practice_id)) >= FILTERS_MAX:
        raise TooManyFilters
    new = {"practice_id": by.practice_id, "name": name, "query": query, "created_by": by.user_id, "created_at": now}
    made = insert(SavedFilter).values(new).on_conflict_do_nothing(constraint="saved_filter_name_is_unique")
    filter_id = session.scalar(made.returning(SavedFilter.id))
    if filter_id is None:
        raise FilterNameTaken
    _audit(session, "filter.saved", filter_id, by=by, now=now)


def remove(session: Session, filter_id: int, *, by: Actor, now: dt.datetime) -> None:
    """Delete the user's own saved filter, or, for an administrator, any filter. Raise `NotFound` or `NotAllowed`."""
    mine = (SavedFilter.practice_id == by.practice_id, SavedFilter.id == filter_id)
    found = session.scalar(select(SavedFilter).where(*mine))
    if found is None:
        raise NotFound("This saved filter was already deleted.")
    if not may_remove(found, by=by):
        raise NotAllowed("Another user saved this filter. Ask them or an administrator to delete it.")
    session.execute(delete(SavedFilter).where(*mine))
    _audit(session, "filter.deleted", filter_id, by=by, now=now)


def may_remove(saved: SavedFilter, *, by: Actor) -> bool:
    """Return whether the user may delete the saved filter."""
    return saved.created_by == by.user_id or by.may(Action.CHANGE_SETTING)


def _audit(session: Session, act: str, filter_id: int, *, by: Actor, now: dt.datetime) -> None:
    audit.record(session, act, Subject.of("filter", filter_id, practice_id=by.practice_id), by=by, now=now)
