"""Find a practice, and what belongs to it."""

from collections.abc import Sequence
from difflib import get_close_matches
from typing import Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from core.errors import NotFound
from core.models.practices import Practice

_NAMED_MAX: Final = 5  # practices in a refusal: a typo is seen among a few
_NAME_CHARACTERS_MAX: Final = 60


class NoSuchPractice(NotFound):
    """There is no practice of that name."""

    code = "no_such_practice"


def find(session: Session, practice_id: int) -> Practice:
    """The practice; raises `NotFound`."""
    practice = session.get(Practice, practice_id)
    if practice is None:
        raise NotFound
    return practice


def named(session: Session, name: str) -> Practice:
    """The practice of that name; raises `NoSuchPractice` with the names that are near."""
    practice = session.scalars(select(Practice).where(Practice.name == name.strip())).one_or_none()
    if practice is None:
        near = _near(name.strip(), session.scalars(select(Practice.name).order_by(Practice.name)).all())
        meant = f" Did you mean: {', '.join(near)}?" if near else ""
        raise NoSuchPractice(f"There is no practice called {name.strip()[:_NAME_CHARACTERS_MAX]}.{meant}")
    return practice


def _near(name: str, names: Sequence[str]) -> list[str]:
    """The names most like it; where none is like it, the first ones."""
    by_folded = {one.casefold(): one for one in names}
    folded = name.casefold()
    begin_alike = [
        one for key, one in by_folded.items() if folded and (key.startswith(folded) or folded.startswith(key))
    ]
    close = [by_folded[key] for key in get_close_matches(folded, by_folded, n=_NAMED_MAX)]
    return list(dict.fromkeys([*close, *begin_alike]))[:_NAMED_MAX] or list(names[:_NAMED_MAX])


def locked(session: Session, practice_id: int) -> Practice:
    """The practice as it is, locked until the commit: waits for what is previewed by its settings, and holds others up.

    Raises `NotFound`.
    """
    found = select(Practice).where(Practice.id == practice_id).with_for_update(key_share=True)
    practice = session.scalars(found.execution_options(populate_existing=True)).one_or_none()
    if practice is None:
        raise NotFound
    return practice
