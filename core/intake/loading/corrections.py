"""Postings in the ledger that differ from the files: never overwritten, but listed with their corrections."""

import datetime as dt
import hashlib
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from sqlalchemy import ColumnElement, Select, Text, and_, cast, exists, func, literal, null, or_, select, union_all
from sqlalchemy.orm import Session

from core.claims.export import escape_formula
from core.intake.loading import stages
from core.intake.loading.checks import Origins
from core.intake.loading.insert import STAGED_POSTING_COLUMNS
from core.intake.loading.known_postings import CORRECTION
from core.models.ledger import Posting, PostingKind
from core.money import format_cents, format_plain_amount
from core.practices import periods

LISTED_MAX: Final = 100  # in a result; `all_corrections` yields every one
REFUND: Final = "refund"  # a payment above zero, as files write it
FILE_COLUMNS: Final = (
    *("posting_id", "claim_id", "line", "responsibility", "kind", "amount", "paid_by", "group_code", "reason_code"),
    "posting_date",
)
_REMOVED: Final = "removed"
_POSTINGS_SOURCE: Final = "csv"  # source of `settle import postings`, which posts corrections
_DIGEST_CHARACTERS: Final = 12
_READ_AT_ONCE: Final = 1_000
_STAGE: Final = stages.POSTING


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
        return f"{self.kind_in_file} that {effect}{self._details()}"

    def __str__(self) -> str:
        """Return the values in one line, for people."""
        return f"{self.kind_in_file} {format_cents(self.amount_cents)}{self._details()}"

    def _details(self) -> str:
        by = f" by {self.paid_by}" if self.paid_by else ""
        codes = f" {self.group_code}-{self.reason_code}" if self.group_code and self.reason_code else ""
        return (
            f"{by}{codes} ({self.responsibility}, line {self.line}, {dt.date.fromisoformat(self.posted_on):%m/%d/%Y})"
        )


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
        to = _REMOVED if self.new is None else _digest(self.new)
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

    def facts(self) -> dict[str, Any]:
        """Return it as JSON."""
        return {**vars(self), "first": [one.facts() for one in self.first]}


def list_corrections(session: Session, practice_id: int, source: str, origins: Origins, dating: Dating) -> Corrections:
    """Return what differs from the ledger. Call it before the known rows are deleted."""
    found = _found(practice_id, source).subquery("found")
    is_missing = found.c.at.is_(None)
    counted = [func.count().filter(one) for one in (~is_missing, is_missing, ~found.c.corrected_before)]
    changed, missing, open_ = tuple(session.execute(select(*counted).select_from(found)).one())
    first = list(_read(session, practice_id, source, origins, dating, limit=LISTED_MAX)) if changed or missing else []
    return Corrections(changed, missing, open_, first)


def claims_to_correct(practice_id: int, source: str) -> Select[Any]:
    """Return the IDs of the claims with a posting that the file changes or no longer contains."""
    return select(_found(practice_id, source).subquery("found").c.claim)


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
    return hashlib.sha256(values.encode()).hexdigest()[:_DIGEST_CHARACTERS]


def _digest_sql(columns: list[ColumnElement[Any]]) -> ColumnElement[str]:
    digest = func.sha256(func.convert_to(func.concat_ws("|", *columns), "UTF8"))
    return func.left(func.encode(digest, "hex"), _DIGEST_CHARACTERS)


def _read(
    session: Session, practice_id: int, source: str, origins: Origins, dating: Dating, *, limit: int | None
) -> Iterator[Correction]:
    width = len(STAGED_POSTING_COLUMNS)
    found = _found(practice_id, source).subquery("found")
    rows = select(found).order_by(found.c.at.nulls_last(), found.c.source_id).limit(limit)
    for row in session.execute(rows, execution_options={} if limit else {"yield_per": _READ_AT_ONCE}):
        old, new = Entry(*row[3 : 3 + width]), None if row.at is None else Entry(*row[3 + width : 3 + 2 * width])
        origin = origins[_STAGE]
        if old.kind == PostingKind.CHARGE and origin.charges is not None:
            origin = origin.charges
        post_on = dating.date_of(old, new)
        yield Correction(row.source_id, row.claim, origin.file, row.at, old, new, row.corrected_before, post_on)


def _earlier_corrections(practice_id: int, source: str) -> Select[Any]:
    """Return each corrected posting of the source, with its values after the first and after the last correction.

    `settle import postings` posts corrections under its own source, `csv`.
    """
    original, to = (func.split_part(Posting.source_id, CORRECTION, part) for part in (1, 2))
    digest = func.split_part(to, "-", 1)
    of_source = (Posting.practice_id == practice_id, Posting.source.in_({source, _POSTINGS_SOURCE}))
    return (
        select(original.label("source_id"), func.min(digest).label("first_to"), func.max(digest).label("last_to"))
        .where(*of_source, Posting.source_id.contains(CORRECTION))
        .group_by(original)
    )


def _found(practice_id: int, source: str) -> Select[Any]:
    """Return each posting on a claim in the file that the file changes or no longer contains."""
    known = stages.KNOWN_POSTING
    is_charge = known.c.kind == PostingKind.CHARGE.value

    def values(of: Any, prefix: str) -> list[ColumnElement[Any]]:
        return [
            (cast(of[name], Text) if name == "posted_on" else of[name]).label(f"{prefix}_{name}")
            for name in STAGED_POSTING_COLUMNS
        ]

    def differs(name: str) -> ColumnElement[bool]:
        other: ColumnElement[bool] = _STAGE.c[name].is_distinct_from(known.c[name])
        # A charge is dated its claim's date of service. If that date differs, it is listed with the claim.
        return and_(other, ~is_charge) if name == "posted_on" else other

    earlier = _earlier_corrections(practice_id, source).subquery("earlier")
    # A recognized posting has newer values than its corrections.
    of_earlier = and_(earlier.c.source_id == known.c.source_id, ~known.c.recognized)
    corrected_before = earlier.c.source_id.is_not(None).label("corrected_before")

    def is_corrected(to: ColumnElement[str]) -> ColumnElement[bool]:
        """Return whether the only correction of the posting so far led to these values."""
        return func.coalesce(and_(earlier.c.first_to == to, earlier.c.last_to == to), False)

    changed = (
        select(
            _STAGE.c.at, known.c.source_id, known.c.claim, *values(known.c, "old"), *values(_STAGE.c, "new"),
            corrected_before,
        )
        .join(known, known.c.source_id == _STAGE.c.source_id)
        .outerjoin(earlier, of_earlier)
        .where(
            or_(*map(differs, STAGED_POSTING_COLUMNS), corrected_before),
            ~is_corrected(_digest_sql([_STAGE.c[name] for name in STAGED_POSTING_COLUMNS])),
        )
    )  # fmt: skip
    nothing = [cast(null(), column.type).label(column.name) for column in values(_STAGE.c, "new")]
    missing = select(
        cast(literal(None), _STAGE.c.at.type).label("at"), known.c.source_id, known.c.claim, *values(known.c, "old"),
        *nothing, corrected_before,
    ).outerjoin_from(known, earlier, of_earlier).where(
        exists().where(stages.CLAIM.c.external_id == known.c.claim),
        known.c.amount_cents != 0,  # a recognized posting that the file did not have before either
        ~exists().where(_STAGE.c.source_id == known.c.source_id),
        ~known.c.source_id.contains(CORRECTION),
        ~is_corrected(literal(_REMOVED)),
    )  # fmt: skip
    return union_all(changed, missing)  # type: ignore[return-value]
