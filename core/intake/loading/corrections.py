"""Postings in the ledger that differ from the files: never overwritten, but listed with their corrections."""

import datetime as dt
import hashlib
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field, replace
from typing import Any, Final, NamedTuple

from sqlalchemy import and_, case, func, select
from sqlalchemy.orm import Session

from core.claims.export import escape_formula
from core.counting import counted
from core.db.sums import sum_cents
from core.enums.ledger import PostingKind
from core.intake.loading import stages
from core.intake.loading.checks import Origins
from core.intake.loading.correction_entry import Entry
from core.intake.loading.corrections_sql import DIGEST_CHARACTERS, MOVING, REMOVED
from core.intake.loading.insert import STAGED_POSTING_COLUMNS
from core.intake.loading.known_postings import CORRECTION, Totals
from core.intake.loading.own_parts import imported_parts
from core.models.practices import Practice
from core.money import format_cents, format_plain_amount
from core.practices import periods, practice_days

LISTED_MAX: Final = 100  # in a result; `all_corrections` yields every one
FILE_COLUMNS: Final = (
    *("posting_id", "claim_id", "line", "responsibility", "kind", "amount", "paid_by", "group_code", "reason_code"),
    "posting_date",
)
_READ_AT_ONCE: Final = 1_000
_STAGE: Final = stages.POSTING
_FOUND: Final = stages.CORRECTION
_WRITE_OFF: Final = "write-off"
_PAYMENT: Final = PostingKind.PAYMENT.value
_TRANSFER: Final = PostingKind.TRANSFER.value
_OLDER_MIN: Final = 10  # fewer may be payments that the office voided


class Dating(NamedTuple):
    """How the correcting postings are dated: as in the file, or today."""

    today: dt.date  # in the practice's time zone
    is_dated: bool  # the file has posting dates
    gives_totals: bool  # the file has totals, not single postings
    closed: Collection[dt.date]  # months whose corrections are posted on the first open day after them

    @classmethod
    def of(
        cls, practice: Practice, totals: Totals | None, closed: Collection[dt.date], *, now: dt.datetime
    ) -> "Dating":
        """Return how the corrections of an import are dated. `totals` is None if the file has single postings."""
        today = practice_days.today(practice, now=now)
        if totals is None:
            return cls(today, is_dated=True, gives_totals=False, closed=())
        return cls(today, is_dated=totals.has_dates, gives_totals=True, closed=closed)

    def date_of(self, old: Entry, new: Entry | None) -> str | None:
        """Return the date of the correction, or None for the date in the file.

        It is today if the file has no posting date for it, as for a charge.
        """
        in_file = dt.date.fromisoformat((new or old).posted_on)
        wanted = in_file if self.is_dated and old.kind != PostingKind.CHARGE else self.today
        day = periods.first_open_date(self.closed, wanted)
        return None if day == in_file else day.isoformat()


@dataclass(frozen=True)
class Correction:
    """A posting in the ledger that the file changes or no longer contains (`new` is None)."""

    posting_id: str
    claim_id: str
    file: str
    line_of_file: int | None
    old: Entry
    new: Entry | None
    corrected_before: bool = False
    is_new: bool = False  # a total that contains another posting
    post_on: str | None = None  # the posting date of the correction; None: as in the file
    own_cents: int = 0  # the part of `old` that was posted in Batch Settle
    own_kind: str | None = None
    recognized: bool = False

    @property
    def postings(self) -> tuple[Entry, ...]:
        """Return the postings that would correct the ledger: the difference, or a counter-posting and the new one.

        After an earlier correction there are none, because the difference from the original would be posted twice.
        """
        return tuple(one if self.post_on is None else one._replace(posted_on=self.post_on) for one in self._postings())

    def _postings(self) -> tuple[Entry, ...]:
        """Return the postings with the dates in the file."""
        if self.corrected_before:
            return ()
        if self.new is None:
            return (_counter(self.old),)
        if not self.old.amount_cents:
            return (_as_entry(self.new),)
        if self.new._replace(amount_cents=0, posted_on="") == self.old._replace(amount_cents=0, posted_on=""):
            cents = self.new.amount_cents - self.old.amount_cents
            if cents and (
                self.is_new or self.new.posted_on == self.old.posted_on or self.new.kind == PostingKind.CHARGE
            ):
                return (_as_entry(self.new._replace(amount_cents=cents)),)
        return (_counter(self.old)._replace(posted_on=self.new.posted_on), _as_entry(self.new))

    @property
    def old_words(self) -> str:
        """Return what the ledger has, for people. What was posted in Batch Settle is named apart."""
        if not self.own_cents:
            return str(self.old)
        imported = self.old._replace(amount_cents=self.old.amount_cents - self.own_cents)
        return f"{imported}, plus {self.own_kind} {format_cents(self.own_cents)} posted in Batch Settle"

    def to_post(self) -> list[str]:
        """Return `postings` with their effects in words, for people."""
        return [one.to_post(is_new=self.is_new) for one in self.postings]

    @property
    def ids(self) -> tuple[str, ...]:
        """Return the ids of `postings`. Each names the corrected posting, so the next import does not list it again."""
        to = REMOVED if self.new is None else _digest(self.new)
        return tuple(f"{self.posting_id}{CORRECTION}{to}-{number}" for number in range(1, len(self.postings) + 1))

    def facts(self) -> dict[str, Any]:
        """Return it as JSON, with the correcting postings."""
        new = None if self.new is None else self.new._asdict()
        return {
            **vars(self), "old": self.old._asdict(), "new": new, "postings": [one._asdict() for one in self.postings]
        }  # fmt: skip

    def rows(self) -> Iterator[tuple[str, ...]]:
        """Yield the correcting postings as rows of `FILE_COLUMNS` for a spreadsheet and `settle import postings`."""
        for posting_id, one in zip(self.ids, self.postings, strict=True):
            yield (
                escape_formula(posting_id), escape_formula(self.claim_id),
                str(one.line), one.responsibility,
                one.kind_in_file, format_plain_amount(one.amount_cents), one.paid_by or "", one.group_code or "",
                one.reason_code or "", one.posted_on,
            )  # fmt: skip


@dataclass(frozen=True)
class Corrections:
    """How many postings the files change, how many they no longer contain, and the first of them."""

    changed: int = 0
    missing: int = 0
    to_post: int = 0  # those that an import can correct: the others were corrected before
    first: list[Correction] = field(default_factory=list)
    new: int = 0  # the part of `to_post` that are totals with another posting
    raising: int = 0  # payments and adjustments that the files lower or no longer contain
    raised_cents: int = 0  # by which that raises the balances
    lowering: int = 0  # payments and adjustments that the files raise
    to_post_cents: int = 0  # by which all that can be posted changes the balances
    new_cents: int = 0  # the part of it for `new`

    @property
    def found(self) -> int:
        """Return how many there are."""
        return self.changed + self.missing

    @property
    def looks_older(self) -> bool:
        """Return whether most of them would undo what the ledger has, as after the upload of an older export."""
        return self.raising >= _OLDER_MIN and self.raising > self.lowering

    def warnings(self) -> list[str]:
        """Return a warning if the files look older than an earlier import."""
        if not self.looks_older:
            return []
        warning = (
            "These files look older than an earlier import. Posting their corrections would undo "
            f"{counted(self.raising, 'payment or adjustment', 'payments and adjustments')} and raise balances by "
            f"{format_cents(self.raised_cents)}. Upload the newest export instead."
        )
        return [warning]

    def facts(self) -> dict[str, Any]:
        """Return it as JSON."""
        return {**vars(self), "first": [one.facts() for one in self.first], "looks_older": self.looks_older}


def list_corrections(session: Session, practice_id: int, source: str, origins: Origins, dating: Dating) -> Corrections:
    """Return what `find_corrections` staged."""
    found = _FOUND
    is_missing = found.c.at.is_(None)
    rise = case((is_missing, 0), else_=found.c.new_amount_cents) - found.c.old_amount_cents
    moves = and_(found.c.old_kind.in_(MOVING), ~found.c.corrected_before)
    is_rising = and_(moves, rise > 0)
    counts = [func.count().filter(one) for one in (~is_missing, is_missing, ~found.c.corrected_before)]
    rising = (func.count().filter(is_rising), sum_cents(rise, is_rising))
    falling = func.count().filter(and_(moves, rise < 0))
    cents = (sum_cents(rise, ~found.c.corrected_before), sum_cents(rise, found.c.is_new))
    columns = (*counts, func.count().filter(found.c.is_new), *rising, falling, *cents)
    changed, missing, open_, *of_moves = tuple(session.execute(select(*columns).select_from(found)).one())
    first = _first(session, practice_id, source, origins, dating) if changed or missing else []
    return Corrections(changed, missing, open_, first, *of_moves)


def _first(session: Session, practice_id: int, source: str, origins: Origins, dating: Dating) -> list[Correction]:
    """Return the first corrections, with the part of each total that was posted in Batch Settle."""
    first = list(_read(session, origins, dating, limit=LISTED_MAX))
    parts = imported_parts(session, practice_id, source, {one.claim_id for one in first if one.recognized})

    def with_own_part(one: Correction) -> Correction:
        if not one.recognized or one.old.kind not in MOVING:
            return one
        own = one.old.amount_cents - parts.cents.get(one.posting_id, 0)
        has_write_off = (one.claim_id, one.old.line) in parts.written_off
        return replace(
            one, own_cents=own, own_kind=_WRITE_OFF if has_write_off and one.old.kind != _PAYMENT else one.old.kind
        )

    return [with_own_part(one) for one in first]


def all_corrections(session: Session, origins: Origins, dating: Dating) -> Iterator[Correction]:
    """Yield every correction, in constant memory."""
    yield from _read(session, origins, dating, limit=None)


def _counter(entry: Entry) -> Entry:
    return _as_entry(entry._replace(amount_cents=-entry.amount_cents))


def _as_entry(entry: Entry) -> Entry:
    """Return the posting as a kind that can be posted: an adjustment for a charge."""
    return entry._replace(kind=PostingKind.ADJUSTMENT.value) if entry.kind == PostingKind.CHARGE else entry


def _digest(entry: Entry) -> str:
    """Return a short digest of the values, as `_digest_sql` does."""
    values = "|".join(str(value) for value in entry if value is not None)
    return hashlib.sha256(values.encode()).hexdigest()[:DIGEST_CHARACTERS]


def _read(session: Session, origins: Origins, dating: Dating, *, limit: int | None) -> Iterator[Correction]:
    width, found = len(STAGED_POSTING_COLUMNS), _FOUND
    # What is not simply new first, because it needs a closer look.
    is_transfer = found.c.old_kind == _TRANSFER
    order = (found.c.is_new, found.c.at.nulls_last(), is_transfer, found.c.source_id)
    rows = select(found).order_by(*order).limit(limit)
    for row in session.execute(rows, execution_options={} if limit else {"yield_per": _READ_AT_ONCE}):
        old, new = Entry(*row[3 : 3 + width]), None if row.at is None else Entry(*row[3 + width : 3 + 2 * width])
        origin = origins[_STAGE]
        if old.kind == PostingKind.CHARGE and origin.charges is not None:
            origin = origin.charges
        post_on = dating.date_of(old, new)
        file, line = (origin.file, None) if row.at is None else origin.place(row.at)
        yield Correction(
            row.source_id,
            row.claim,
            file,
            line,
            old,
            new,
            row.corrected_before,
            row.is_new,
            post_on,
            recognized=row.recognized,
        )
