"""The sort orders of the feed, and cursors into them."""

import base64
import datetime as dt
import hashlib
import json
from dataclasses import dataclass
from typing import Any, Final, Self

from sqlalchemy import ColumnElement, Select, literal, select, true, tuple_
from sqlalchemy.orm import Session

from core.claims.claim_filter import BadFilter
from core.claims.feed_conditions import ELIGIBILITY, has_eligibility
from core.claims.sort_keys import SORT_KEYS, SortBy, SortKey
from core.db.bounds import BIGINT_MAX
from core.errors import or_raise
from core.models.claims import Claim, LineItem
from core.models.practices import Patient
from core.policy import facts
from core.policy.terms import Terms

_DIGEST_BYTES: Final = 8
_ROWS_BEFORE_MAX: Final = 10**9  # no practice has this many claims
NARROWED_TO: Final = 500  # more than two full pages
_STALE: Final = "cursor: it belongs to a different list, sort order or practice; start again at the first page"


@dataclass(frozen=True)
class Sort:
    """A sort order of the feed. Its text is "date", or "-date" for descending."""

    by: SortBy = SortBy.RECENT
    descending: bool = False

    @classmethod
    def of(cls, text: str) -> Self:
        """Read "date" or "-date". Raise `BadFilter` for an unknown order."""
        try:
            return cls(SortBy(text.removeprefix("-")), descending=text.startswith("-"))
        except ValueError:
            raise BadFilter(
                f"sort: must be one of {', '.join(SortBy)}, with a minus sign in front to sort descending"
            ) from None

    def __str__(self) -> str:
        return f"{'-' if self.descending else ''}{self.by}"

    @property
    def key(self) -> SortKey:
        """Return what to compare first. The claim's id breaks ties."""
        return SORT_KEYS[self.by]

    @property
    def downwards(self) -> bool:
        """Return whether the key falls from row to row. The oldest claim has the earliest date."""
        return self.descending is not (self.by in (SortBy.RECENT, SortBy.AGE))

    def expression(self, terms: Terms) -> ColumnElement[Any]:
        """Return the key as SQL."""
        return self.key.expression(terms, descending=self.downwards)

    def segments(self, terms: Terms) -> list[ColumnElement[bool]]:
        """Return the conditions of the parts that follow each other. Each part is in order by itself.

        A condition lets PostgreSQL read each part from the index. An order by a condition could not use it.
        """
        if self.by is not SortBy.RECENT:
            return [true()]
        parts = [Claim.service_date <= terms.as_of, Claim.service_date > terms.as_of]
        return parts[::-1] if self.descending else parts

    def segment_of(self, value: Any, terms: Terms) -> int:
        """Return the part that contains the key `value`."""
        if self.by is not SortBy.RECENT:
            return 0
        return int((value > terms.as_of) is not self.descending)

    def joined(self, query: Select[Any]) -> Select[Any]:
        """Return `query`, a select from claim, joined to the table of the sort key."""
        return query if self.key.join is None else self.key.join(query)

    def order(self, terms: Terms, *, backwards: bool = False) -> tuple[ColumnElement[Any], ColumnElement[Any]]:
        """Return the ORDER BY columns within a part, reversed for the page before."""
        key = self.expression(terms)
        return (key.desc(), Claim.id.desc()) if self.downwards is not backwards else (key.asc(), Claim.id.asc())

    def whole_order(self, terms: Terms) -> tuple[ColumnElement[Any], ...]:
        """Return the ORDER BY columns of the whole list."""
        first, *others = self.segments(terms)
        return (*((first.desc(),) if others else ()), *self.order(terms))


DEFAULT_SORT: Final = Sort()


@dataclass(frozen=True)
class Cursor:
    """A place in a sort order, just after or just before one claim.

    It holds the sort value from when the page was read, because the balance may change later. It never holds a
    name, because cursors appear in addresses, and addresses in logs. Names are looked up.
    """

    sort: Sort
    backwards: bool
    claim_id: str  # the practice's own number; internal ids are never shown
    value: str | int | None
    place: int  # number of claims before this page, for "51-100 of 12,431"

    def text(self, practice_id: int) -> str:
        """Return the cursor for an address, opaque and valid for this practice only."""
        fields = [str(self.sort), self.backwards, self.claim_id, self.value, self.place]
        body = json.dumps(fields, ensure_ascii=True, separators=(",", ":")).encode()
        return base64.urlsafe_b64encode(_digest(body, practice_id) + body).decode().rstrip("=")

    @classmethod
    def of(cls, text: str, *, practice_id: int, sort: Sort) -> Self:
        """Read a cursor of this practice and order. Raise `BadFilter` for anything else."""
        try:
            raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
            digest, body = raw[:_DIGEST_BYTES], raw[_DIGEST_BYTES:]
            if digest != _digest(body, practice_id):
                raise BadFilter(_STALE)
            order, backwards, claim_id, value, place = json.loads(body)
        except (ValueError, TypeError):  # from base64, UTF-8 or JSON
            raise BadFilter(_STALE) from None
        is_whole = isinstance(backwards, bool) and isinstance(claim_id, str) and "\x00" not in claim_id
        if order != str(sort) or not is_whole or type(place) is not int or not _is_valid_value(sort, value):
            raise BadFilter(_STALE)
        return cls(sort, backwards, claim_id, value, min(max(place, 0), _ROWS_BEFORE_MAX))

    @property
    def downwards(self) -> bool:
        """Return whether later rows compare as less."""
        return self.sort.downwards is not self.backwards

    def where(self, session: Session, practice_id: int, terms: Terms) -> tuple[Any, int]:
        """Return the sort value at this place, and the claim's internal id."""
        here = select(self.sort.expression(terms), Claim.id).where(
            Claim.practice_id == practice_id, Claim.external_id == self.claim_id
        )
        if self.sort.key.reads_payers:
            here = here.select_from(facts.claims_with_payers())
        found = or_raise(session.execute(self.sort.joined(here)).one_or_none(), BadFilter(_STALE))
        value, claim_id = found
        return (value if self.value is None else _parse_value(self.sort, self.value)), claim_id

    def beyond(self, value: Any, claim_id: int, terms: Terms) -> ColumnElement[bool]:
        """Return the condition for claims after the place, or before it if paging back."""
        key = self.sort.expression(terms)
        mine = tuple_(key, Claim.id)
        place = tuple_(literal(value, key.type), literal(claim_id, Claim.id.type))
        return mine < place if self.downwards else mine > place


def narrowed(
    session: Session,
    practice_id: int,
    sort: Sort,
    at: tuple[Any, int] | None,
    ids: Select[int],
    terms: Terms,
    *,
    backwards: bool,
) -> Select[int] | None:
    """Return a faster form of `ids`, in the same order, that may find too few rows, or None if there is none.

    Looking among the next few hundred patients or lines first takes a third of the time of joining every claim to
    them. Claims with one write-off check need no sorting by it.
    """
    downwards = sort.downwards is not backwards
    if sort.by is SortBy.PATIENT:
        among = _narrowed_by_name(session, practice_id, name=at and at[0], downwards=downwards)
        return None if among is None else ids.where(among)
    if sort.by is SortBy.SERVICE and (at is None or at[0] != sort.key.empty(descending=sort.downwards)):
        among = _narrowed_by_code(session, practice_id, at, downwards=downwards)
        return None if among is None else ids.where(among)
    if sort.by is SortBy.ELIGIBILITY:
        rank = at[0] if at is not None else len(ELIGIBILITY) - 1 if downwards else 0
        by_id = Claim.id.desc() if downwards else Claim.id.asc()
        return ids.where(has_eligibility([ELIGIBILITY[rank]], terms)).order_by(None).order_by(by_id)
    return None


def _narrowed_by_name(
    session: Session, practice_id: int, *, name: str | None, downwards: bool
) -> ColumnElement[bool] | None:
    names = select(Patient.name).where(Patient.practice_id == practice_id)
    if name is not None:
        names = names.where(Patient.name <= name if downwards else Patient.name >= name)
    by_name = Patient.name.desc() if downwards else Patient.name.asc()
    last = session.scalar(names.order_by(by_name).offset(NARROWED_TO).limit(1))
    if last is None:
        return None
    return Patient.name >= last if downwards else Patient.name <= last


def _narrowed_by_code(
    session: Session, practice_id: int, at: tuple[Any, int] | None, *, downwards: bool
) -> ColumnElement[bool] | None:
    mine = (LineItem.procedure_code, LineItem.claim_id)
    first_lines = select(LineItem.claim_id).where(LineItem.practice_id == practice_id, LineItem.number == 1)
    if at is not None:
        place = tuple_(*(literal(value, column.type) for value, column in zip(at, mine, strict=True)))
        first_lines = first_lines.where(tuple_(*mine) < place if downwards else tuple_(*mine) > place)
    order = (column.desc() if downwards else column.asc() for column in mine)
    found = session.scalars(first_lines.order_by(*order).limit(NARROWED_TO)).all()
    return Claim.id.in_(found) if len(found) == NARROWED_TO else None


def cursor_value(sort: Sort, row: Any) -> str | int | None:
    """Return the value of a feed row that a cursor holds."""
    if sort.key.field is None:
        return None
    value: Any = getattr(row, sort.key.field)
    return value.isoformat() if isinstance(value, dt.date) else value


def _is_valid_value(sort: Sort, value: object) -> bool:
    """Return whether a cursor of this order can hold `value`."""
    key = sort.key
    if value is None:
        return key.field is None or key.nullable
    if key.field is None:
        return False
    if key.type is int:
        return type(value) is int and abs(value) <= BIGINT_MAX
    try:
        return isinstance(value, str) and dt.date.fromisoformat(value) is not None
    except ValueError:
        return False


def _parse_value(sort: Sort, value: str | int) -> dt.date | int:
    return dt.date.fromisoformat(str(value)) if sort.key.type is dt.date else int(value)


def _digest(body: bytes, practice_id: int) -> bytes:
    # A checksum, not a secret: a forged cursor reads nothing beyond its practice.
    return hashlib.blake2b(body, digest_size=_DIGEST_BYTES, key=str(practice_id).encode()).digest()
