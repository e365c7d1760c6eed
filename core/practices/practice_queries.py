"""Find a practice by id or name, and lock it."""

from collections.abc import Sequence
from difflib import get_close_matches
from typing import Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from core.errors import NotFound, or_raise
from core.models.practices import Practice

_NAMES_LISTED_MAX: Final = 5  # practices named in a refusal, enough to spot a typo
_NAME_CHARACTERS_MAX: Final = 60


class NoSuchPractice(NotFound):
    """There is no practice with that name."""

    code = "no_such_practice"


def find(session: Session, practice_id: int) -> Practice:
    """Return the practice. Raise `NotFound`."""
    return or_raise(session.get(Practice, practice_id), NotFound)


def find_by_name(session: Session, name: str) -> Practice:
    """Return the practice with that name. Raise `NoSuchPractice` with similar names."""
    practice = session.scalars(select(Practice).where(Practice.name == name.strip())).one_or_none()
    if practice is None:
        near = _similar_names(name.strip(), session.scalars(select(Practice.name).order_by(Practice.name)).all())
        meant = f" Did you mean: {', '.join(near)}?" if near else ""
        raise NoSuchPractice(f"There is no practice called {name.strip()[:_NAME_CHARACTERS_MAX]}.{meant}")
    return practice


def _similar_names(name: str, names: Sequence[str]) -> list[str]:
    """Return the most similar names, or the first ones if none is similar."""
    by_folded = {one.casefold(): one for one in names}
    folded = name.casefold()
    begin_alike = [
        one for key, one in by_folded.items() if folded and (key.startswith(folded) or folded.startswith(key))
    ]
    close = [by_folded[key] for key in get_close_matches(folded, by_folded, n=_NAMES_LISTED_MAX)]
    return list(dict.fromkeys([*close, *begin_alike]))[:_NAMES_LISTED_MAX] or list(names[:_NAMES_LISTED_MAX])


def lock_practice(session: Session, practice_id: int) -> Practice:
    """Lock the practice row until commit. Wait for, and block, previews that read its settings. Raise `NotFound`."""
    found = select(Practice).where(Practice.id == practice_id).with_for_update(key_share=True)
    return or_raise(session.scalars(found.execution_options(populate_existing=True)).one_or_none(), NotFound)
