"""Recognize postings in an export that the ledger already has, so that they are not posted a second time.

An office posts a job's write-offs in its own system. Its next export contains them as adjustments or as lower balances.
The ledger already has them. If the file gives totals instead of single postings, the same applies to manual postings.
"""

import datetime as dt
from typing import Any, Final, NamedTuple

from sqlalchemy import (
    CTE,
    BigInteger,
    ColumnElement,
    FromClause,
    Select,
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
    union,
    union_all,
)
from sqlalchemy.dialects import postgresql
from sqlalchemy.orm import Session

from core.access.permissions import Actor
from core.db.sums import sum_cents
from core.enums.ledger import PostingKind
from core.intake.loading import stages
from core.intake.loading.due_postings import due_postings, is_other, steps_due, totals_due
from core.intake.loading.insert import STAGED_POSTING_COLUMNS
from core.intake.loading.known_postings import CORRECTION, KNOWN_COLUMNS, Known, Totals
from core.intake.loading.late_reversals import lines_with_late_reversals
from core.intake.loading.partly_due import partly_due
from core.models.claims import Claim
from core.models.ledger import Posting
from core.models.recognized_postings import RecognizedPosting

_ADJUSTMENT: Final = PostingKind.ADJUSTMENT.value
_PAYMENT: Final = PostingKind.PAYMENT.value
_SUMMED: Final = (_ADJUSTMENT, _PAYMENT)
_KNOWN: Final = stages.KNOWN_POSTING
_RECOGNIZED: Final = stages.RECOGNIZED
_STAGE: Final = stages.POSTING
_STAGED_AND_KNOWN: Final = _STAGE.join(_KNOWN, _KNOWN.c.source_id == _STAGE.c.source_id, full=True)
_IS_CHANGED: Final = or_(
    and_(_STAGE.c.source_id.is_(None), _KNOWN.c.amount_cents != 0, ~_KNOWN.c.source_id.contains(CORRECTION)),
    _KNOWN.c.source_id.is_(None),
    and_(
        *(_STAGE.c[name] == _KNOWN.c[name] for name in ("claim", "line", "kind")),
        or_(*(_STAGE.c[name].is_distinct_from(_KNOWN.c[name]) for name in ("amount_cents", "responsibility"))),
    ),
)


class Recognized(NamedTuple):
    """The postings in an export that the ledger has in a different form, and their net amount in cents."""

    postings: int = 0
    cents: int = 0  # above zero lowers the balance
    claims: int = 0

    @property
    def words(self) -> str:
        """Return what they are, for people."""
        return "refunds and reversals" if self.cents < 0 else "write-offs and manual postings"


def recognize(session: Session, practice_id: int, source: str, totals: Totals | None, known: Known) -> Recognized:
    """Find the staged postings that the ledger has in a different form. Stage them as known. `remember` stores them.

    They are compared with what the export is still expected to contain: the write-offs and reversals not yet seen in an
    export. If the file gives totals, every posting that did not come from this source is expected. Payments are
    compared only with payments. Changed postings are recognized if any of the following changed by exactly what is
    expected:

    1. the balances of a line, by payments or by everything else; the reversals of write-offs that the changed payments
       will cause are expected too
    2. the payments, or the adjustments, for a line and responsibility; for adjustments, what was expected after any
       one of the postings counts too, because the office may have entered only the first ones
    3. the adjustments of a claim, on any line

    If none of them did but the file gives totals, part of a change may be recognized. The rest is a correction.
    A file with only charges contains none. Call `find_known_postings` first.
    """
    gives_totals = totals is not None
    if not known.claims or (totals is not None and totals.only_charges):
        return Recognized()
    of_source = (RecognizedPosting.practice_id == practice_id, RecognizedPosting.source == source)
    others = (Posting.practice_id == practice_id, is_other(source, gives_totals=gives_totals))
    is_expected = or_(exists().where(*others), exists().where(*of_source))
    # Planning the comparison takes longer than any other statement of a small import.
    if not session.scalar(select(and_(is_expected, _has_changes()))):
        return Recognized()
    of_file = select(stages.CLAIM.c.external_id).union(select(_STAGE.c.claim))
    rows = due_postings(practice_id, source, of_file, gives_totals=gives_totals).cte("rows_due")
    due, steps = totals_due(rows).cte("due"), steps_due(rows).cte("steps")
    changes = _changes(rows).cte("changes")
    entries = _entries(changes).cte("entries")
    lines = _lines(practice_id, due, changes, entries).cte("lines")
    places = _places(steps, entries, lines).cte("places")
    claims = _claims(due, entries, lines, places).cte("claims")
    place = tuple_(changes.c.claim, changes.c.line, changes.c.side, changes.c.kind == _PAYMENT)
    picked = or_(
        tuple_(changes.c.claim, changes.c.line, changes.c.kind == _PAYMENT).in_(select(lines)),
        and_(changes.c.kind.in_(_SUMMED), place.in_(select(places))),
        and_(changes.c.kind == _ADJUSTMENT, changes.c.claim.in_(select(claims))),
    )
    values = [_new_or_old(changes, name) for name in STAGED_POSTING_COLUMNS]
    columns: tuple[Any, ...] = (changes.c.source_id, changes.c.claim, *values)
    session.execute(insert(_RECOGNIZED).from_select(KNOWN_COLUMNS, select(*columns).where(picked)))
    if totals is not None:
        _recognize_parts(session, due, changes, has_charges=totals.has_charges)
    found = Recognized(*session.execute(_count()).one())
    if found.postings:
        know_recognized(session)
    return found


def _recognize_parts(session: Session, due: CTE, changes: CTE, *, has_charges: bool) -> None:
    """Stage what the ledger has of the totals that are not recognized yet, on lines without a recognized posting."""
    part = partly_due(due, changes, has_charges=has_charges).cte("part")
    cents = (func.coalesce(changes.c.old_amount_cents, 0) + part.c.cents).label("amount_cents")
    values = (cents if name == "amount_cents" else _old_or_new(changes, name) for name in STAGED_POSTING_COLUMNS)
    columns: tuple[Any, ...] = (changes.c.source_id, changes.c.claim, *values)
    line = tuple_(changes.c.claim, changes.c.line).not_in(select(_RECOGNIZED.c.claim, _RECOGNIZED.c.line))
    rows = select(*columns).join(part, part.c.source_id == changes.c.source_id).where(line)
    session.execute(insert(_RECOGNIZED).from_select(KNOWN_COLUMNS, rows))


def know_recognized(session: Session) -> None:
    """Stage the recognized postings as known, in place of their earlier values."""
    session.execute(delete(_KNOWN).where(_KNOWN.c.source_id.in_(select(_RECOGNIZED.c.source_id))))
    columns: tuple[Any, ...] = (*(_RECOGNIZED.c[name] for name in KNOWN_COLUMNS), literal(value=True))
    session.execute(insert(_KNOWN).from_select([*KNOWN_COLUMNS, "recognized"], select(*columns)))
    stages.analyze(session, _KNOWN.name)


def remember(session: Session, practice_id: int, *, source: str, by: Actor | None, now: dt.datetime) -> None:
    """Store the recognized postings, so that each write-off is matched only once."""
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
    """Return how many postings are recognized, the cents by which they lower the balances, and on how many claims."""
    old = select(func.coalesce(func.sum(_KNOWN.c.amount_cents), 0)).where(
        _KNOWN.c.source_id.in_(select(_RECOGNIZED.c.source_id))
    )
    new = func.coalesce(func.sum(_RECOGNIZED.c.amount_cents), 0)
    claims = func.count(_RECOGNIZED.c.claim.distinct())
    columns: tuple[Any, ...] = (func.count(), cast(old.scalar_subquery() - new, BigInteger), claims)
    return select(*columns).select_from(_RECOGNIZED)


def _has_changes() -> ColumnElement[bool]:
    """Return, as SQL, whether any staged posting is new, differs from the known one or is gone."""
    changed = select(_STAGE.c.source_id).select_from(_STAGED_AND_KNOWN).where(_IS_CHANGED)
    return select(func.count() > 0).select_from(changed.subquery("changed")).scalar_subquery()


def _changes(due: CTE) -> Select[Any]:
    """Return the staged and known postings that differ, on the claims in `due`. The line and the kind are the same."""
    old = [_KNOWN.c[name].label(f"old_{name}") for name in STAGED_POSTING_COLUMNS]
    new = [_STAGE.c[name] for name in STAGED_POSTING_COLUMNS if name not in ("line", "kind")]
    source_id, claim, line, side, kind = (
        func.coalesce(_STAGE.c[name], _KNOWN.c[name])
        for name in ("source_id", "claim", "line", "responsibility", "kind")
    )
    return (
        select(
            source_id.label("source_id"), claim.label("claim"), line.label("line"), side.label("side"),
            kind.label("kind"), _STAGE.c.source_id.is_not(None).label("is_staged"), *new, *old,
        )
        .select_from(_STAGED_AND_KNOWN)
        .where(claim.in_(select(due.c.claim)), _IS_CHANGED)
    )  # fmt: skip


def _entries(changes: CTE) -> Select[Any]:
    """Return what each change takes from or adds to a claim, line and responsibility."""
    of = changes.c
    paid = of.kind == _PAYMENT
    added = select(
        of.claim, of.line, of.responsibility.label("side"), paid.label("paid"), of.kind, of.amount_cents.label("cents")
    ).where(of.is_staged)
    taken = select(of.claim, of.line, of.old_responsibility, paid, of.kind, -of.old_amount_cents)
    return select(union_all(added, taken.where(of.old_kind.is_not(None))).subquery("every"))


def _lines(practice_id: int, due: CTE, changes: CTE, entries: CTE) -> Select[Any]:
    """Return the lines on which payments, or everything else, changed balances by exactly what is due.

    If no payment on a line changed, what is due may include payments too. If a late payment came with the export, what
    is due includes the reversal of the write-off.
    """
    line = (due.c.claim, due.c.line)
    paid = select(changes.c.claim, changes.c.line).where(changes.c.kind == _PAYMENT)
    by_class = select(*line, due.c.paid).where(tuple_(*line, due.c.paid).not_in(_uneven(due, entries, "paid")))
    unpaid = select(*line, literal(value=False))
    by_side = unpaid.where(tuple_(*line).not_in(_uneven(due, entries)), tuple_(*line).not_in(paid))
    late = lines_with_late_reversals(practice_id, due, entries).add_columns(literal(value=False))
    return select(union(by_class, by_side, late).subquery("every"))


def _uneven(due: CTE, entries: CTE, *more: str) -> Select[Any]:
    """Return each claim, line and `more` where, for some responsibility, the changes differ from what is due."""
    names = ("claim", "line", *more)
    both = union_all(
        select(*(entries.c[name] for name in (*names, "side")), entries.c.cents),
        select(*(due.c[name] for name in (*names, "side")), -due.c.cents),
    ).subquery()
    uneven = select(*(both.c[name] for name in names)).group_by(*(both.c[name] for name in (*names, "side")))
    return uneven.having(func.sum(both.c.cents) != 0)


def _places(steps: CTE, entries: CTE, lines: CTE) -> Select[Any]:
    """Return the places where the payments, or the adjustments, changed by exactly the cents of one of the steps."""
    names = ("claim", "line", "side", "paid")
    changed = _changed(entries, *names).subquery("changed")
    same = and_(*(changed.c[name] == steps.c[name] for name in (*names, "cents")))
    line = tuple_(steps.c.claim, steps.c.line, steps.c.paid)
    return select(*(steps.c[name] for name in names)).join(changed, same).where(line.not_in(select(lines)))


def _claims(due: CTE, entries: CTE, lines: CTE, places: CTE) -> Select[Any]:
    """Return the claims whose adjustments changed by exactly what is due, but on other lines or responsibilities."""
    changed = _changed(entries, "claim", "paid").subquery("changed")
    unpaid = select(due.c.claim, func.sum(due.c.cents).label("cents")).where(~due.c.paid).group_by(due.c.claim)
    total = unpaid.subquery("total")
    same = and_(changed.c.claim == total.c.claim, changed.c.cents == total.c.cents, ~changed.c.paid)
    others = (~exists().where(one.c.claim == total.c.claim, ~one.c.paid) for one in (lines, places))
    return select(total.c.claim).join(changed, same).where(total.c.cents != 0, *others)


def _changed(entries: FromClause, *names: str) -> Select[Any]:
    """Return by how many cents payments and adjustments changed."""
    key = [entries.c[name] for name in names]
    total = sum_cents(entries.c.cents).label("cents")
    return select(*key, total).where(entries.c.kind.in_(_SUMMED)).group_by(*key)


def _new_or_old(changes: CTE, name: str) -> ColumnElement[Any]:
    """Return the exported value. A posting that is gone keeps its last values, with an amount of 0."""
    if name in ("line", "kind"):
        return changes.c[name]
    gone = literal(0) if name == "amount_cents" else changes.c[f"old_{name}"]
    return case((changes.c.is_staged, changes.c[name]), else_=gone)


def _old_or_new(changes: CTE, name: str) -> ColumnElement[Any]:
    """Return the ledger's value of a posting, or the exported value if the ledger does not have the posting."""
    if name in ("line", "kind"):
        return changes.c[name]
    return case((changes.c.old_kind.is_not(None), changes.c[f"old_{name}"]), else_=changes.c[name])
