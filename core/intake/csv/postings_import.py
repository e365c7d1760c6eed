"""`settle import postings`: post payments, refunds, adjustments and transfers on existing claims.

All or none. The posting id tells a new posting from an existing one. Write-offs are adjusted as for any other posting.
"""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from sqlalchemy import (
    ARRAY,
    BigInteger,
    ColumnElement,
    Integer,
    Text,
    and_,
    any_,
    cast,
    delete,
    exists,
    func,
    insert,
    literal,
    not_,
    select,
)
from sqlalchemy.orm import Session

from core.access import audit
from core.access.permissions import Action, Actor
from core.intake.csv import csv_format
from core.intake.csv.csv_import import SOURCE, posting_rows
from core.intake.loading import stages
from core.intake.loading.checks import Origin, Origins, add_duplicates, add_transfers_that_lose_money, first_faulty_rows
from core.intake.loading.closed_months import report_postings_in_months, staged_months
from core.intake.loading.compare import report_changed_postings
from core.intake.loading.formula_escapes import unescape_formulas
from core.intake.loading.insert import STAGED_POSTING_COLUMNS
from core.intake.loading.load import lock_imports
from core.intake.loading.near_matches import NEAR_MATCH_CURES, near_match
from core.intake.loading.summary import Summary, look_alikes, summarize
from core.intake.parsing.faults import Faults
from core.intake.parsing.fields import FileFormat
from core.intake.parsing.folder import Folder, Progress, RowsRead
from core.ledger import adjustment_limits, balances, late_payments
from core.ledger.late_payments import WriteOffChanges
from core.models.claims import Claim, LineItem
from core.models.ledger import Posting, PostingKind
from core.models.practices import Practice
from core.practices import periods, practice_days, practice_queries

_STAGE: Final = stages.POSTING
_ROWS_AT_ONCE: Final = 5_000  # ids that fit in one statement


@dataclass(frozen=True)
class ImportedPostings:
    """The result of an import of postings."""

    added: int
    already_there: int
    moved: WriteOffChanges  # what was reversed or restored of write-offs
    summary: Summary
    rows_read: dict[str, RowsRead] = field(default_factory=dict)  # by file


def import_postings(
    session: Session,
    path: Path,
    *,
    practice_name: str,
    by: Actor | None = None,
    now: dt.datetime,
    progress: Progress | None = None,
) -> ImportedPostings:
    """Post the rows of the file `path` on the practice's claims. `by` is None for the command line.

    Raise `NoSuchPractice`, `NotAllowed`, `NoSuchFolder`, and `ImportRefused` with every mistake.
    """
    practice = practice_queries.find_by_name(session, practice_name)
    if by is not None:
        by.require(Action.POST)
    file = FileFormat(path.name, csv_format.POSTINGS.columns)
    folder = Folder(path.parent, (file,), progress=progress)
    stages.open_stages(session)
    stages.copy_rows(session, _STAGE, posting_rows(folder, file))
    folder.refuse_if_rows_lost()
    folder.say("checking and posting")
    unescape_formulas(session, practice.id)
    origins: Origins = {_STAGE: Origin(file.name, csv_format.ORIGINS[_STAGE].columns)}
    lock_imports(session, practice.id)
    stages.analyze(session, _STAGE.name)
    staged, added = _check(session, practice, origins, folder.faults, by=by, now=now)
    alike = look_alikes(session, practice.id)
    moved = _insert(session, practice, by=by, now=now) if added else WriteOffChanges()
    done = ImportedPostings(added, staged - added, moved, summarize(session, practice.id, alike), folder.rows_read)
    if added:
        audit.record(session, "postings.imported", practice, by=by, now=now, added=added, late=moved.late)
    return done


def _check(
    session: Session, practice: Practice, origins: Origins, faults: Faults, *, by: Actor | None, now: dt.datetime
) -> tuple[int, int]:
    """Check the rows, drop known ones, and lock claims and months.

    Return how many rows were staged and how many are new.
    """
    add_duplicates(session, _STAGE, ("source_id",), origins[_STAGE], faults)
    _add_unknown(session, practice.id, origins, faults)
    report_changed_postings(session, practice.id, SOURCE, origins, faults)
    faults.refuse_if_any()
    staged = _count(session)
    known = exists().where(
        Posting.practice_id == practice.id, Posting.source == SOURCE, Posting.source_id == _STAGE.c.source_id
    )
    session.execute(delete(_STAGE).where(known))
    add_transfers_that_lose_money(session, origins, faults)
    _add_future(session, practice, origins, faults, now=now)
    _lock_claims(session, practice.id)
    closed = periods.lock_and_list_closed(session, practice.id, staged_months(session))
    report_postings_in_months(session, practice.id, closed, origins, faults, now=now)
    if by is not None:
        _add_over_limit(session, practice, origins, faults, by=by, now=now)
    faults.refuse_if_any()
    return staged, _count(session)


def _count(session: Session) -> int:
    return session.scalars(select(func.count()).select_from(_STAGE)).one()


def _add_unknown(session: Session, practice_id: int, origins: Origins, faults: Faults) -> None:
    """Add faults for rows whose claim or line the practice does not have."""
    staged = _STAGE.c
    of_claim = (Claim.practice_id == practice_id, Claim.external_id == staged.claim)
    of_line = and_(LineItem.practice_id == practice_id, LineItem.claim_id == Claim.id, LineItem.number == staged.line)
    hint = near_match(staged.claim, select(Claim.external_id).where(Claim.practice_id == practice_id))
    no_claim = select(staged.at, staged.kind, staged.claim.label("value"), hint).where(
        staged.claim.is_not(None), ~exists().where(*of_claim)
    )
    for row in first_faulty_rows(session, no_claim, "hint"):
        cure = "the practice has no such claim; " + (NEAR_MATCH_CURES[row.hint] if row.hint else "import it first")
        faults.add(origins[_STAGE].fault(row, "claim", row.value, cure), times=row.times)
    no_line = select(staged.at, staged.kind, staged.claim, staged.line).where(
        staged.line.is_not(None), exists().where(*of_claim), ~exists().where(*of_claim, of_line)
    )
    for lost in first_faulty_rows(session, no_line):
        cure = "the claim has no such line, and an import of postings cannot add one"
        faults.add(origins[_STAGE].fault(lost, "line", f"{lost.claim} / {lost.line}", cure), times=lost.times)


def _add_future(session: Session, practice: Practice, origins: Origins, faults: Faults, *, now: dt.datetime) -> None:
    today = practice_days.today(practice, now=now)
    latest = periods.latest_posting_date(session, practice.id, today=today)
    rows = select(_STAGE.c.at, _STAGE.c.kind, _STAGE.c.posted_on).where(_STAGE.c.posted_on > latest)
    for row in first_faulty_rows(session, rows):
        cure = f"the date is in the future; the latest is {latest}"
        faults.add(origins[_STAGE].fault(row, "posted_on", str(row.posted_on), cure), times=row.times)


def _add_over_limit(
    session: Session, practice: Practice, origins: Origins, faults: Faults, *, by: Actor, now: dt.datetime
) -> None:
    """Add faults for claims that `by` would adjust by more than the limit for one claim."""
    limit = adjustment_limits.limit_for_user(session, by)
    day = adjustment_limits.adjusted_by_user_today(practice, by, now=now)
    already = select(func.coalesce(func.sum(-Posting.amount_cents), 0)).where(*day, Posting.claim_id == Claim.id)
    cents = (func.sum(-_STAGE.c.amount_cents) + already.correlate(Claim).scalar_subquery()).label("cents")
    lowers = and_(_STAGE.c.kind == PostingKind.ADJUSTMENT.value, _STAGE.c.amount_cents < 0)
    rows = (
        select(func.min(_STAGE.c.at).label("at"), _STAGE.c.claim, cents)
        .join(Claim, and_(Claim.practice_id == practice.id, Claim.external_id == _STAGE.c.claim))
        .where(lowers)
        .group_by(_STAGE.c.claim, Claim.id)
        .having(cents > limit.cents)
    )
    for row in first_faulty_rows(session, rows, "claim"):
        cure = adjustment_limits.describe(int(row.cents), limit)
        faults.add(origins[_STAGE].fault(row, "claim", row.claim, cure), times=row.times)


def _lock_claims(session: Session, practice_id: int) -> None:
    """Lock every claim of the file, in id order and before any month, as all others do."""
    named = exists().where(_STAGE.c.claim == Claim.external_id)
    claims = select(Claim.id).where(Claim.practice_id == practice_id, named).order_by(Claim.id)
    session.execute(select(func.count()).select_from(claims.with_for_update(key_share=True).subquery("locked")))


def _insert(session: Session, practice: Practice, *, by: Actor | None, now: dt.datetime) -> WriteOffChanges:
    """Post all rows. Return what they did to write-offs.

    Several rows on one line and responsibility with a write-off are posted in rounds, in the order of the file. Each
    round sees the result of the one before, as if the rows had been entered one by one.
    """
    rounds = _posting_rounds(session, practice.id)
    later = [at for rows in rounds[1:] for at in rows]
    moved = WriteOffChanges()
    for number, rows in enumerate(rounds or [[]]):
        picked = not_(_at_lines(later)) if number == 0 else _at_lines(rows)
        _post(session, practice.id, picked, by=by, now=now)
        moved = moved.combined_with(_match_write_offs(session, practice, rows, by=by, now=now))
        of_round = exists().where(_STAGE.c.claim == Claim.external_id, picked)
        balances.refresh(session, practice.id, select(Claim.id).where(Claim.practice_id == practice.id, of_round))
    return moved


def _at_lines(rows: Sequence[int]) -> ColumnElement[bool]:
    return _STAGE.c.at == any_(cast(list(rows), ARRAY(Integer)))


def _posting_rounds(session: Session, practice_id: int) -> list[list[int]]:
    """Return the rounds for places with write-offs: the first row of each place, then the second, and so on."""
    place = (_STAGE.c.claim, _STAGE.c.line, _STAGE.c.responsibility)
    written_off = exists().where(
        Claim.practice_id == practice_id,
        Claim.external_id == _STAGE.c.claim,
        Posting.practice_id == practice_id,
        Posting.claim_id == Claim.id,
        Posting.line == _STAGE.c.line,
        cast(Posting.responsibility, Text) == _STAGE.c.responsibility,
        Posting.kind == PostingKind.WRITE_OFF,
    )
    nth = func.row_number().over(partition_by=place, order_by=_STAGE.c.at).label("nth")
    rounds: list[list[int]] = []
    for at, number in session.execute(select(_STAGE.c.at, nth).where(written_off).order_by(nth, _STAGE.c.at)):
        if number > len(rounds):
            rounds.append([])
        rounds[-1].append(at)
    return rounds


def _post(
    session: Session, practice_id: int, picked: ColumnElement[bool], *, by: Actor | None, now: dt.datetime
) -> None:
    columns: dict[str, Any] = {
        "practice_id": literal(practice_id),
        "claim_id": Claim.id,
        "created_at": literal(now),
        "user_id": literal(by.user_id if by else None, BigInteger),
        "source": literal(SOURCE),
        "source_id": _STAGE.c.source_id,
        **{name: _STAGE.c[name] for name in STAGED_POSTING_COLUMNS},
    }
    rows = (
        select(*columns.values())
        .join_from(_STAGE, Claim, and_(Claim.practice_id == practice_id, Claim.external_id == _STAGE.c.claim))
        .where(picked)
        .order_by(_STAGE.c.at)
    )
    session.execute(insert(Posting).from_select(list(columns), rows))


def _match_write_offs(
    session: Session, practice: Practice, rows: list[int], *, by: Actor | None, now: dt.datetime
) -> WriteOffChanges:
    moved = WriteOffChanges()
    today = practice_days.today(practice, now=now)
    of_source = and_(
        Posting.practice_id == practice.id, Posting.source == SOURCE, Posting.source_id == _STAGE.c.source_id
    )
    for begin in range(0, len(rows), _ROWS_AT_ONCE):
        posted = select(Posting.id, Posting.claim_id).join_from(_STAGE, Posting, of_source)
        found = session.execute(posted.where(_at_lines(rows[begin : begin + _ROWS_AT_ONCE]))).all()
        done = late_payments.match_write_offs(
            session, practice.id, [row.id for row in found], claim_ids={row.claim_id for row in found},
            user_id=by.user_id if by else None, now=now, today=today,
        )  # fmt: skip
        moved = moved.combined_with(done)
    return moved
