"""Recognize write-offs that an export brings back, so that they are not posted a second time.

An office posts a job's write-offs in its own system. The next export contains them as adjustments, or as lower
balances. Neither is a new posting in the ledger.
"""

import datetime as dt
from typing import Any, Final, NamedTuple

from sqlalchemy import (
    CTE,
    BigInteger,
    ColumnElement,
    FromClause,
    Select,
    Text,
    and_,
    case,
    cast,
    delete,
    exists,
    func,
    insert,
    literal,
    or_,
    select,
    tuple_,
    union_all,
)
from sqlalchemy.dialects import postgresql
from sqlalchemy.orm import Session, aliased

from core.access.permissions import Actor
from core.intake.loading import stages
from core.intake.loading.insert import STAGED_POSTING_COLUMNS
from core.intake.loading.known_postings import KNOWN_COLUMNS
from core.models.claims import Claim
from core.models.ledger import Posting, PostingKind
from core.models.recognized_postings import RecognizedPosting

_ADJUSTMENT: Final = PostingKind.ADJUSTMENT.value
_PAYMENT: Final = PostingKind.PAYMENT.value
_KNOWN: Final = stages.KNOWN_POSTING
_RECOGNIZED: Final = stages.RECOGNIZED
_STAGE: Final = stages.POSTING


class Recognized(NamedTuple):
    """The postings in an export that bring back write-offs or their reversals, and their net amount in cents."""

    postings: int = 0
    cents: int = 0  # above zero lowers the balance


def recognize_write_offs(session: Session, practice_id: int, source: str) -> Recognized:
    """Find the staged postings that bring back write-offs, and stage them as known. `remember` stores them.

    Three cases, tried in this order. Only the write-offs and reversals not yet seen in an export count.

    1. If both balances on a line changed by exactly the amounts of its write-offs, and no payment on the line changed,
       recognize all changed postings on the line.
    2. If the adjustments for a line and responsibility changed by exactly the amount of its write-offs, recognize those
       adjustments.
    3. If the adjustments on a claim changed by exactly the amount of its write-offs, on whatever lines, recognize those
       adjustments.

    Call `find_known_postings` first.
    """
    written_off = exists().where(Posting.practice_id == practice_id, Posting.kind == PostingKind.WRITE_OFF)
    if not session.scalar(select(written_off)):
        return Recognized()
    due = _not_brought_back(practice_id, source).cte("due")
    changes = _changes(due).cte("changes")
    entries = _entries(changes).cte("entries")
    lines = _lines(due, changes, entries).cte("lines")
    places = _places(due, entries, lines).cte("places")
    claims = _claims(due, entries, lines, places).cte("claims")
    is_adjustment = and_(
        func.coalesce(changes.c.kind, _ADJUSTMENT) == _ADJUSTMENT,
        func.coalesce(changes.c.old_kind, _ADJUSTMENT) == _ADJUSTMENT,
    )
    place = tuple_(changes.c.claim, changes.c.line, changes.c.side)
    picked = or_(
        tuple_(changes.c.claim, changes.c.line).in_(select(lines)),
        and_(is_adjustment, or_(place.in_(select(places)), changes.c.claim.in_(select(claims)))),
    )
    values = [_new_or_old(changes, name) for name in STAGED_POSTING_COLUMNS]
    columns: tuple[Any, ...] = (changes.c.source_id, changes.c.claim, *values)
    rows = select(*columns)
    session.execute(insert(_RECOGNIZED).from_select(KNOWN_COLUMNS, rows.where(picked)))
    found = Recognized(*session.execute(_count()).one())
    if found.postings:
        session.execute(delete(_KNOWN).where(_KNOWN.c.source_id.in_(select(_RECOGNIZED.c.source_id))))
        same = select(*(_RECOGNIZED.c[name] for name in KNOWN_COLUMNS))
        session.execute(insert(_KNOWN).from_select(KNOWN_COLUMNS, same))
        stages.analyze(session, _KNOWN.name)
    return found


def remember(session: Session, practice_id: int, *, source: str, by: Actor | None, now: dt.datetime) -> None:
    """Store the recognized postings, so that each write-off is recognized only once."""
    columns: dict[str, Any] = {
        "practice_id": literal(practice_id),
        "source": literal(source),
        "source_id": _RECOGNIZED.c.source_id,
        "claim_id": Claim.id,
        **{name: _RECOGNIZED.c[name] for name in STAGED_POSTING_COLUMNS},
        "recognized_at": literal(now),
        "user_id": literal(by.user_id if by else None, BigInteger),
    }
    rows = select(*columns.values()).join_from(
        _RECOGNIZED, Claim, and_(Claim.practice_id == practice_id, Claim.external_id == _RECOGNIZED.c.claim)
    )
    stored = postgresql.insert(RecognizedPosting).from_select(list(columns), rows)
    key = ("practice_id", "source", "source_id")
    newer = {name: stored.excluded[name] for name in columns if name not in key}
    session.execute(stored.on_conflict_do_update(index_elements=key, set_=newer))


def _count() -> Select[Any]:
    """Return how many postings are recognized, and the cents by which they lower the balances."""
    old = select(func.coalesce(func.sum(_KNOWN.c.amount_cents), 0)).where(
        _KNOWN.c.source_id.in_(select(_RECOGNIZED.c.source_id))
    )
    new = func.coalesce(func.sum(_RECOGNIZED.c.amount_cents), 0)
    columns: tuple[Any, ...] = (func.count(), cast(old.scalar_subquery() - new, BigInteger))
    return select(*columns).select_from(_RECOGNIZED)


def _not_brought_back(practice_id: int, source: str) -> Select[Any]:
    """Return the write-offs less reversals not yet seen in an export from the source.

    The sums are in cents, by claim, line and responsibility.
    """
    claims = select(stages.CLAIM.c.external_id).union(select(_STAGE.c.claim)).subquery("of_file")
    original, imported = aliased(Posting), aliased(Posting)
    of_claim = and_(Claim.practice_id == practice_id, Claim.external_id == claims.c.external_id)
    of_original = and_(
        original.practice_id == Posting.practice_id, original.claim_id == Posting.claim_id,
        original.line == Posting.line, original.id == Posting.reverses_id,
    )  # fmt: skip
    of_posting = and_(Posting.practice_id == Claim.practice_id, Posting.claim_id == Claim.id)
    written_off = (
        select(Claim.external_id, Posting.line, cast(Posting.responsibility, Text), Posting.amount_cents)
        .select_from(claims).join(Claim, of_claim).join(Posting, of_posting).outerjoin(original, of_original)
        .where(or_(Posting.kind == PostingKind.WRITE_OFF, original.kind == PostingKind.WRITE_OFF))
    )  # fmt: skip
    of_recognized = and_(
        RecognizedPosting.practice_id == Claim.practice_id, RecognizedPosting.claim_id == Claim.id,
        RecognizedPosting.source == source,
    )  # fmt: skip
    same = and_(
        imported.practice_id == RecognizedPosting.practice_id, imported.source == RecognizedPosting.source,
        imported.source_id == RecognizedPosting.source_id,
    )  # fmt: skip
    of_file = select(Claim.external_id).select_from(claims).join(Claim, of_claim).join(RecognizedPosting, of_recognized)
    brought = of_file.add_columns(
        RecognizedPosting.line, RecognizedPosting.responsibility, -RecognizedPosting.amount_cents
    )
    posted = of_file.join(imported, same).add_columns(
        imported.line, cast(imported.responsibility, Text), imported.amount_cents
    )
    every = union_all(written_off, brought, posted).subquery("every")
    claim, line, side, cents = every.c
    total = cast(func.sum(cents), BigInteger)
    return (
        select(claim.label("claim"), line.label("line"), side.label("side"), total.label("cents"))
        .group_by(claim, line, side)
        .having(total != 0)
    )


def _changes(due: CTE) -> Select[Any]:
    """Return the staged and known postings that differ, on claims with write-offs in `due`.

    A changed posting must be on the same line.
    """
    old = [_KNOWN.c[name].label(f"old_{name}") for name in STAGED_POSTING_COLUMNS]
    new = [_STAGE.c[name] for name in STAGED_POSTING_COLUMNS if name != "line"]
    source_id, claim, line, side = (
        func.coalesce(_STAGE.c[name], _KNOWN.c[name]) for name in ("source_id", "claim", "line", "responsibility")
    )
    differs = or_(
        *(_STAGE.c[name].is_distinct_from(_KNOWN.c[name]) for name in ("amount_cents", "kind", "responsibility"))
    )
    is_same_line = and_(_STAGE.c.claim == _KNOWN.c.claim, _STAGE.c.line == _KNOWN.c.line)
    is_gone = and_(_STAGE.c.source_id.is_(None), _KNOWN.c.amount_cents != 0)
    return (
        select(
            source_id.label("source_id"), claim.label("claim"), line.label("line"), side.label("side"),
            _STAGE.c.source_id.is_not(None).label("is_staged"), *new, *old,
        )
        .select_from(_STAGE)
        .join(_KNOWN, _KNOWN.c.source_id == _STAGE.c.source_id, full=True)
        .where(
            claim.in_(select(due.c.claim)),
            or_(is_gone, _KNOWN.c.source_id.is_(None), and_(is_same_line, differs)),
        )
    )  # fmt: skip


def _entries(changes: CTE) -> Select[Any]:
    """Return what each change takes from or adds to a claim, line and responsibility."""
    of = changes.c
    added = select(of.claim, of.line, of.responsibility.label("side"), of.kind, of.amount_cents.label("cents"))
    taken = select(of.claim, of.line, of.old_responsibility, of.old_kind, -of.old_amount_cents)
    every = union_all(added.where(of.is_staged), taken.where(of.old_kind.is_not(None))).subquery("every")
    return select(every)


def _lines(due: CTE, changes: CTE, entries: CTE) -> Select[Any]:
    """Return the lines whose balances changed by exactly their write-offs and on which no payment changed."""
    both = union_all(
        select(entries.c.claim, entries.c.line, entries.c.side, entries.c.cents),
        select(due.c.claim, due.c.line, due.c.side, -due.c.cents),
    ).subquery("both")
    uneven = (
        select(both.c.claim, both.c.line)
        .group_by(both.c.claim, both.c.line, both.c.side)
        .having(func.sum(both.c.cents) != 0)
    )
    paid = select(changes.c.claim, changes.c.line).where(
        or_(changes.c.kind == _PAYMENT, changes.c.old_kind == _PAYMENT)
    )
    line = tuple_(due.c.claim, due.c.line)
    return select(due.c.claim, due.c.line).distinct().where(line.not_in(uneven), line.not_in(paid))


def _places(due: CTE, entries: CTE, lines: CTE) -> Select[Any]:
    """Return the claims, lines and responsibilities whose adjustments changed by exactly their write-offs."""
    changed = _adjusted(entries, entries.c.claim, entries.c.line, entries.c.side).subquery("changed")
    same = and_(*(changed.c[name] == due.c[name] for name in ("claim", "line", "side", "cents")))
    line = tuple_(due.c.claim, due.c.line)
    return select(due.c.claim, due.c.line, due.c.side).join(changed, same).where(line.not_in(select(lines)))


def _claims(due: CTE, entries: CTE, lines: CTE, places: CTE) -> Select[Any]:
    """Return the claims whose adjustments changed by exactly their write-offs in total.

    The changes are on other lines or responsibilities than the write-offs.
    """
    changed = _adjusted(entries, entries.c.claim).subquery("changed")
    total = select(due.c.claim, func.sum(due.c.cents).label("cents")).group_by(due.c.claim).subquery("total")
    same = and_(changed.c.claim == total.c.claim, changed.c.cents == total.c.cents)
    others = (~exists().where(one.c.claim == total.c.claim) for one in (lines, places))
    return select(total.c.claim).join(changed, same).where(total.c.cents != 0, *others)


def _adjusted(entries: FromClause, *key: ColumnElement[Any]) -> Select[Any]:
    total = cast(func.sum(entries.c.cents), BigInteger).label("cents")
    return select(*key, total).where(entries.c.kind == _ADJUSTMENT).group_by(*key)


def _new_or_old(changes: CTE, name: str) -> ColumnElement[Any]:
    """Return the exported value.

    If the posting is gone from the export, return its last known value, with an amount of 0.
    """
    if name == "line":
        return changes.c.line
    gone = literal(0) if name == "amount_cents" else changes.c[f"old_{name}"]
    return case((changes.c.is_staged, changes.c[name]), else_=gone)
