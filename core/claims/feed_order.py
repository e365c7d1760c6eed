"""The sort orders of the feed, and cursors into them."""

import base64
import datetime as dt
import hashlib
import json
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final, Self, TypeVarTuple

from sqlalchemy import ColumnElement, Select, and_, literal, select, tuple_
from sqlalchemy.orm import Session

from core.claims.filters import BadFilter
from core.db.base import BIGINT_MAX
from core.models.claims import Claim
from core.models.practices import Patient

Columns = TypeVarTuple("Columns")

_DIGEST_BYTES: Final = 8
_ROWS_BEFORE_MAX: Final = 10**9  # no practice has this many claims
NAMES_NARROWED_TO: Final = 500  # more than two full pages of patients with one claim each
_STALE: Final = "cursor: it belongs to a different list, sort order or practice; start again at the first page"


class SortBy(StrEnum):
    """The keys that the feed can be sorted by."""

    DATE = "date"  # date of service
    CLAIM = "claim"
    PATIENT = "patient"
    INSURANCE_DUE = "insurance_due"
    PATIENT_DUE = "patient_due"
    TOTAL_DUE = "total_due"


_KEYS: Final[dict[SortBy, ColumnElement[Any]]] = {
    SortBy.DATE: Claim.service_date.expression,
    SortBy.CLAIM: Claim.external_id.expression,
    SortBy.PATIENT: Patient.name.expression,
    SortBy.INSURANCE_DUE: Claim.insurance_due.expression,
    SortBy.PATIENT_DUE: Claim.patient_due.expression,
    SortBy.TOTAL_DUE: Claim.insurance_due + Claim.patient_due,
}


@dataclass(frozen=True)
class Sort:
    """A sort order of the feed. Its text is "date", or "-date" for descending."""

    by: SortBy = SortBy.DATE
    descending: bool = True

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
    def key(self) -> ColumnElement[Any]:
        """Return the column to compare first. The claim's id breaks ties."""
        return _KEYS[self.by]

    def joined(self, query: Select[*Columns]) -> Select[*Columns]:
        """Return `query`, a select from claim, joined to the table of the sort key."""
        if self.by is not SortBy.PATIENT:
            return query
        return query.join(Patient, and_(Patient.practice_id == Claim.practice_id, Patient.id == Claim.patient_id))

    def order(self, *, backwards: bool = False) -> tuple[ColumnElement[Any], ColumnElement[Any]]:
        """Return the ORDER BY columns, reversed for the page before."""
        if self.descending is not backwards:
            return self.key.desc(), Claim.id.desc()
        return self.key.asc(), Claim.id.asc()


DEFAULT_SORT: Final = Sort()


@dataclass(frozen=True)
class Cursor:
    """A place in a sort order, just after or just before one claim.

    It holds the sort value from when the page was read, because the balance may change later. It never holds a
    patient's name, because cursors appear in addresses, and addresses in logs. Names are looked up.
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
        return self.sort.descending is not self.backwards

    def where(self, session: Session, practice_id: int) -> tuple[Any, int]:
        """Return the sort value at this place, and the claim's internal id."""
        here = select(self.sort.key, Claim.id).where(
            Claim.practice_id == practice_id, Claim.external_id == self.claim_id
        )
        found = session.execute(self.sort.joined(here)).one_or_none()
        if found is None:
            raise BadFilter(_STALE)
        value, claim_id = found
        return (value if self.value is None else _parse_value(self.sort, self.value)), claim_id

    def beyond(self, value: Any, claim_id: int) -> ColumnElement[bool]:
        """Return the condition for claims after the place, or before it if paging back."""
        mine = tuple_(self.sort.key, Claim.id)
        place = tuple_(literal(value, self.sort.key.type), literal(claim_id, Claim.id.type))
        return mine < place if self.downwards else mine > place


def narrow_by_name(
    session: Session, practice_id: int, *, name: str | None, downwards: bool
) -> ColumnElement[bool] | None:
    """Return, as SQL, whether a patient has one of the next names after `name`, or None if few are left.

    Sorting every claim by a joined name takes three times as long as looking among a few hundred names first.
    """
    names = select(Patient.name).where(Patient.practice_id == practice_id)
    if name is not None:
        names = names.where(Patient.name <= name if downwards else Patient.name >= name)
    by_name = Patient.name.desc() if downwards else Patient.name.asc()
    last = session.scalar(names.order_by(by_name).offset(NAMES_NARROWED_TO).limit(1))
    if last is None:
        return None
    return Patient.name >= last if downwards else Patient.name <= last


def cursor_value(sort: Sort, row: Any) -> str | int | None:
    """Return the value of a feed row that a cursor holds."""
    match sort.by:
        case SortBy.DATE:
            return row.service_date.isoformat()  # type: ignore[no-any-return]
        case SortBy.CLAIM | SortBy.PATIENT:
            return None
        case _:
            return getattr(row, sort.by)  # type: ignore[no-any-return]


def _is_valid_value(sort: Sort, value: object) -> bool:
    """Return whether a cursor of this order can hold `value`."""
    if sort.by in (SortBy.CLAIM, SortBy.PATIENT):
        return value is None
    if sort.by is not SortBy.DATE:
        return type(value) is int and abs(value) <= BIGINT_MAX
    try:
        return isinstance(value, str) and dt.date.fromisoformat(value) is not None
    except ValueError:
        return False


def _parse_value(sort: Sort, value: str | int) -> dt.date | int:
    return dt.date.fromisoformat(str(value)) if sort.by is SortBy.DATE else int(value)


def _digest(body: bytes, practice_id: int) -> bytes:
    # A checksum, not a secret: a forged cursor reads nothing beyond its practice.
    return hashlib.blake2b(body, digest_size=_DIGEST_BYTES, key=str(practice_id).encode()).digest()
