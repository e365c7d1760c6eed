"""Postings in the ledger that differ from the files: never overwritten, but listed with their corrections."""

import datetime as dt
import hashlib
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from sqlalchemy import Select, and_, case, func, select
from sqlalchemy.orm import Session

from core.claims.export import escape_formula
from core.counting import counted
from core.db.sums import sum_cents
from core.intake.loading import stages
from core.intake.loading.checks import Origins
from core.intake.loading.corrections_sql import DIGEST_CHARACTERS, REMOVED, found_corrections
from core.intake.loading.insert import STAGED_POSTING_COLUMNS
from core.intake.loading.known_postings import CORRECTION
from core.models.ledger import PostingKind
from core.money import format_cents, format_plain_amount
from core.practices import periods

LISTED_MAX: Final = 100  # in a result; `all_corrections` yields every one
REFUND: Final = "refund"  # a payment above zero, as files write it
FILE_COLUMNS: Final = (
    *("posting_id", "claim_id", "line", "responsibility", "kind", "amount", "paid_by", "group_code", "reason_code"),
    "posting_date",
)
_READ_AT_ONCE: Final = 1_000
_STAGE: Final = stages.POSTING
_MOVING: Final = (PostingKind.PAYMENT.value, PostingKind.ADJUSTMENT.value)
_OLDER_MIN: Final = 10  # fewer may be payments that the office voided


class Entry(NamedTuple):
    """The values of a posting."""

    line: int
    responsibility: str
    kind: str
    amount_cents: int  # positive raises the balance
    paid_by: str | None
    group_code: str | None
    reason_code: str | None
    posted_on: str

    @property
    def kind_in_file(self) -> str:
        """Return the kind as files write it."""
        return REFUND if self.kind == PostingKind.PAYMENT and self.amount_cents > 0 else self.kind

    def to_post(self) -> str:
        """Return the posting with its effect in words, for people."""
        amount = format_cents(abs(self.amount_cents))
        effect = f"raises the balance by {amount}" if self.amount_cents > 0 else f"lowers the balance by {amount}"
        return f"{self._named()} that {effect} {self._place()}"

    def __str__(self) -> str:
        """Return the values in one line, for people."""
        return f"{self._named()} {format_cents(self.amount_cents)} {self._place()}"

    def _named(self) -> str:
        """Return the kind with its payer or codes, such as "payment by primary" or "CO-45 adjustment"."""
        codes = f"{self.group_code}-{self.reason_code} " if self.group_code and self.reason_code else ""
        by = "" if not self.paid_by else f" {'to' if self.kind_in_file == REFUND else 'by'} {self.paid_by}"
        return f"{codes}{self.kind_in_file}{by}"

    def _place(self) -> str:
        return f"({self.responsibility}, line {self.line}, {dt.date.fromisoformat(self.posted_on):%m/%d/%Y})"


class Dating(NamedTuple):
    """How the correcting postings are dated: as in the file, or today."""

    today: dt.date  # in the practice's time zone
    is_dated: bool  # the file has posting dates
    closed: Collection[dt.date] = ()  # months whose corrections are posted on the first open day after them

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
    post_on: str | None = None  # the posting date of the correction; None: as in the file

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
            if cents and (self.new.posted_on == self.old.posted_on or self.new.kind == PostingKind.CHARGE):
                return (_as_entry(self.new._replace(amount_cents=cents)),)
        return (_counter(self.old)._replace(posted_on=self.new.posted_on), _as_entry(self.new))

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

    changed: int
    missing: int
    to_post: int  # those that an import can correct: the others were corrected before
    first: list[Correction]
    raising: int = 0  # payments and adjustments that the files lower or no longer contain
    raised_cents: int = 0  # by which that raises the balances
    lowering: int = 0  # payments and adjustments that the files raise

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
    """Return what differs from the ledger. Call it before the known rows are deleted."""
    found = found_corrections(practice_id, source).subquery("found")
    is_missing = found.c.at.is_(None)
    rise = case((is_missing, 0), else_=found.c.new_amount_cents) - found.c.old_amount_cents
    moves = and_(found.c.old_kind.in_(_MOVING), ~found.c.corrected_before)
    is_rising = and_(moves, rise > 0)
    counts = [func.count().filter(one) for one in (~is_missing, is_missing, ~found.c.corrected_before)]
    rising = (func.count().filter(is_rising), sum_cents(rise, is_rising))
    columns = (*counts, *rising, func.count().filter(and_(moves, rise < 0)))
    changed, missing, open_, *of_moves = tuple(session.execute(select(*columns).select_from(found)).one())
    first = list(_read(session, practice_id, source, origins, dating, limit=LISTED_MAX)) if changed or missing else []
    return Corrections(changed, missing, open_, first, *of_moves)


def claims_to_correct(practice_id: int, source: str) -> Select[Any]:
    """Return the IDs of the claims with a posting that the file changes or no longer contains."""
    return select(found_corrections(practice_id, source).subquery("found").c.claim)


def all_corrections(
    session: Session, practice_id: int, source: str, origins: Origins, dating: Dating
) -> Iterator[Correction]:
    """Yield every correction, in constant memory."""
    yield from _read(session, practice_id, source, origins, dating, limit=None)


def _counter(entry: Entry) -> Entry:
    return _as_entry(entry._replace(amount_cents=-entry.amount_cents))


def _as_entry(entry: Entry) -> Entry:
    """Return the posting as a kind that can be posted: an adjustment for a charge."""
    return entry._replace(kind=PostingKind.ADJUSTMENT.value) if entry.kind == PostingKind.CHARGE else entry


def _digest(entry: Entry) -> str:
    """Return a short digest of the values, as `_digest_sql` does."""
    values = "|".join(str(value) for value in entry if value is not None)
    return hashlib.sha256(values.encode()).hexdigest()[:DIGEST_CHARACTERS]


def _read(
    session: Session, practice_id: int, source: str, origins: Origins, dating: Dating, *, limit: int | None
) -> Iterator[Correction]:
    width = len(STAGED_POSTING_COLUMNS)
    found = found_corrections(practice_id, source).subquery("found")
    rows = select(found).order_by(found.c.at.nulls_last(), found.c.source_id).limit(limit)
    for row in session.execute(rows, execution_options={} if limit else {"yield_per": _READ_AT_ONCE}):
        old, new = Entry(*row[3 : 3 + width]), None if row.at is None else Entry(*row[3 + width : 3 + 2 * width])
        origin = origins[_STAGE]
        if old.kind == PostingKind.CHARGE and origin.charges is not None:
            origin = origin.charges
        post_on = dating.date_of(old, new)
        yield Correction(row.source_id, row.claim, origin.file, row.at, old, new, row.corrected_before, post_on)
