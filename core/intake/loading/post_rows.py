"""Post staged rows on the practice's existing claims. Write-offs change as if the rows had been entered one by one."""

import datetime as dt
import operator
from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import (
    ARRAY,
    BigInteger,
    ColumnElement,
    FromClause,
    Text,
    and_,
    any_,
    cast,
    exists,
    func,
    insert,
    literal,
    not_,
    select,
)
from sqlalchemy.orm import Session

from core.access import recent_changes
from core.access.permissions import Actor
from core.db.sums import sum_cents
from core.enums.ledger import PostingKind
from core.intake.loading import stages
from core.intake.loading.checks import Origins, first_faulty_rows
from core.intake.loading.insert import POSTING_ORDER, STAGED_POSTING_COLUMNS
from core.intake.parsing.faults import FaultKind, Faults
from core.ledger import adjustment_limits, balances, late_payments
from core.ledger.late_payments import WriteOffChanges
from core.models.claims import Claim
from core.models.ledger import Posting
from core.models.practices import Practice
from core.money import UNLIMITED, format_cents
from core.practices import periods, practice_days

_STAGE: Final = stages.POSTING
_ROWS_AT_ONCE: Final = 5_000  # ids that fit in one statement
_LOWERING: Final = (PostingKind.PAYMENT, PostingKind.ADJUSTMENT)
_CLAIMS_NAMED: Final = 20  # in the audit log


def on_existing_claim(practice_id: int) -> ColumnElement[bool]:
    """Return, as SQL, whether a staged posting is on a claim that the practice has."""
    return exists().where(Claim.practice_id == practice_id, Claim.external_id == _STAGE.c.claim)


def report_future_rows(
    session: Session, practice: Practice, origins: Origins, faults: Faults, *, now: dt.datetime
) -> None:
    """Add a fault for each staged posting on an existing claim that is dated in the future."""
    today = practice_days.today(practice, now=now)
    latest = periods.latest_posting_date(session, practice.id, today=today)
    rows = select(_STAGE.c.at, _STAGE.c.kind, _STAGE.c.posted_on).where(
        _STAGE.c.posted_on > latest, on_existing_claim(practice.id)
    )
    for row in first_faulty_rows(session, rows, faults=faults):
        cure = f"the date is in the future; the latest allowed date is {latest}"
        faults.add(origins[_STAGE].fault(row, "posted_on", str(row.posted_on), cure), times=row.times)


def report_rows_over_limit(
    session: Session, practice: Practice, origins: Origins, faults: Faults, *, by: Actor, now: dt.datetime
) -> None:
    """Add a fault for each existing claim that `by` would adjust by more than the limit for one claim."""
    limit = adjustment_limits.limit_for_user(session, by, now=now)
    before = adjustment_limits.adjusted_by_user(by, now=now)
    already = select(func.coalesce(func.sum(-Posting.amount_cents), 0)).where(*before, Posting.claim_id == Claim.id)
    cents = (func.sum(-_STAGE.c.amount_cents) + already.correlate(Claim).scalar_subquery()).label("cents")
    lowers = and_(_STAGE.c.kind == PostingKind.ADJUSTMENT.value, _STAGE.c.amount_cents < 0)
    rows = (
        select(func.min(_STAGE.c.at).label("at"), _STAGE.c.claim, cents)
        .join(Claim, and_(Claim.practice_id == practice.id, Claim.external_id == _STAGE.c.claim))
        .where(lowers)
        .group_by(_STAGE.c.claim, Claim.id)
        .having(cents > limit.cents)
    )
    cure = adjustment_limits.describe(None, limit)
    for row in first_faulty_rows(session, rows, faults=faults):
        note = f"adjustments of {format_cents(int(row.cents))}"
        fault = origins[_STAGE].fault(row, "claim", row.claim, cure, kind=FaultKind.LIMIT, note=note)
        faults.add(fault, times=row.times)


def lowering_facts(session: Session, practice: Practice, *, by: Actor | None, now: dt.datetime) -> dict[str, Any]:
    """Return what the staged postings do to balances of existing claims, for the audit: claims, and cents by kind.

    Refunds include payments that a correction lowers. A posting and its correction on one claim cancel out. Also return
    the claims from which the user takes more over 30 days than the limit for a claim.
    """
    of_claim = (Claim.practice_id == practice.id, Claim.external_id == _STAGE.c.claim)
    net = -sum_cents(_STAGE.c.amount_cents)
    kinds = [kind.value for kind in _LOWERING]
    moved = (
        select(_STAGE.c.claim, _STAGE.c.kind, net.label("cents"))
        .where(_STAGE.c.kind.in_(kinds), exists().where(*of_claim))
        .group_by(_STAGE.c.claim, _STAGE.c.kind)
        .subquery("moved")
    )
    is_lower = moved.c.cents > 0
    cents = [sum_cents(moved.c.cents, and_(moved.c.kind == kind, is_lower)) for kind in kinds]
    refunds = sum_cents(-moved.c.cents, and_(moved.c.kind == kinds[0], ~is_lower))
    claims = func.count(moved.c.claim.distinct()).filter(is_lower)
    lowered, *sums, refunded = session.execute(select(claims, *cents, refunds)).one()
    facts = {f"{kind}s_cents": each for kind, each in zip(kinds, sums, strict=True)}
    over = _claims_over_limit(session, practice, moved, by=by, now=now) if lowered else []
    over_facts = {"claims_over_limit": len(over), "first_over_limit": over[:_CLAIMS_NAMED]} if over else {}
    return {
        **({"lowered_claims": lowered, **facts} if lowered else {}),
        **({"refunds_cents": refunded} if refunded else {}),
        **over_facts,
    }


def new_claim_facts(session: Session, practice_id: int, *, others: int) -> dict[str, Any]:
    """Return the charges, payments and adjustments of the staged new claims, for the audit.

    `others` is the number of the practice's claims that have staged postings too.
    """
    kinds = (PostingKind.CHARGE, *_LOWERING)
    sums = [sum_cents(_STAGE.c.amount_cents, _STAGE.c.kind == kind.value) for kind in kinds]
    query = select(*sums).where(*[~on_existing_claim(practice_id)] if others else ())
    charges, *lowered = session.execute(query).one()
    paid, adjusted = map(operator.neg, lowered)
    return {"new_charges_cents": charges, "new_payments_cents": paid, "new_adjustments_cents": adjusted}


def _claims_over_limit(
    session: Session, practice: Practice, moved: FromClause, *, by: Actor | None, now: dt.datetime
) -> Sequence[str]:
    """Return the numbers of the claims from which the user takes more than the limit, with the 30 days before."""
    of_practice = recent_changes.limits_in_effect(session, practice, now=now).claim_cents
    limit = of_practice if by is None else adjustment_limits.limit_for_user(session, by, now=now).cents
    if limit == UNLIMITED:
        return []
    user_id = by.user_id if by else None
    before = adjustment_limits.lowered_by_user(practice.id, user_id, *_LOWERING, now=now)
    already = select(func.coalesce(func.sum(-Posting.amount_cents), 0)).where(*before, Posting.claim_id == Claim.id)
    cents = func.sum(func.greatest(moved.c.cents, 0)) + already.correlate(Claim).scalar_subquery()
    rows = (
        select(moved.c.claim)
        .join(Claim, and_(Claim.practice_id == practice.id, Claim.external_id == moved.c.claim))
        .group_by(moved.c.claim, Claim.id)
        .having(cents > limit)
        .order_by(cents.desc())
    )
    return session.scalars(rows).all()


def lock_claims(session: Session, practice_id: int, named: ColumnElement[bool]) -> None:
    """Lock the claims that match, in id order and before any month, like every other transaction."""
    claims = select(Claim.id).where(Claim.practice_id == practice_id, named).order_by(Claim.id)
    session.execute(select(func.count()).select_from(claims.with_for_update(key_share=True).subquery("locked")))


def post_staged_rows(
    session: Session, practice: Practice, *, source: str, by: Actor | None, now: dt.datetime
) -> WriteOffChanges:
    """Post every staged row on an existing claim. Return what the rows did to write-offs.

    Several rows on one line and responsibility with a write-off are posted in rounds, in the order of the file. Each
    round sees the result of the one before.
    """
    rounds = _posting_rounds(session, practice.id)
    later = [source_id for ids in rounds[1:] for source_id in ids]
    moved = WriteOffChanges()
    for number, ids in enumerate(rounds or [[]]):
        picked = not_(_has_id(later)) if number == 0 else _has_id(ids)
        _post(session, practice.id, picked, source=source, by=by, now=now)
        moved = moved.combined_with(_match_write_offs(session, practice, ids, source=source, by=by, now=now))
        of_round = exists().where(_STAGE.c.claim == Claim.external_id, picked)
        balances.refresh(session, practice.id, select(Claim.id).where(Claim.practice_id == practice.id, of_round))
    return moved


def _has_id(source_ids: Sequence[str]) -> ColumnElement[bool]:
    return _STAGE.c.source_id == any_(cast(list(source_ids), ARRAY(Text)))


def _posting_rounds(session: Session, practice_id: int) -> list[list[str]]:
    """Return the rounds for places with write-offs: the first row of each place, then the second, and so on.

    A row is identified by its id, because a charge and a payment may be on the same line of two files.
    """
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
    nth = func.row_number().over(partition_by=place, order_by=POSTING_ORDER).label("nth")
    rounds: list[list[str]] = []
    for source_id, number in session.execute(
        select(_STAGE.c.source_id, nth).where(written_off).order_by(nth, *POSTING_ORDER)
    ):
        if number > len(rounds):
            rounds.append([])
        rounds[-1].append(source_id)
    return rounds


def _post(
    session: Session, practice_id: int, picked: ColumnElement[bool], *, source: str, by: Actor | None, now: dt.datetime
) -> None:
    columns: dict[str, Any] = {
        "practice_id": literal(practice_id),
        "claim_id": Claim.id,
        "created_at": literal(now),
        "user_id": literal(by.user_id if by else None, BigInteger),
        "source": literal(source),
        "source_id": _STAGE.c.source_id,
        **{name: _STAGE.c[name] for name in STAGED_POSTING_COLUMNS},
    }
    rows = (
        select(*columns.values())
        .join_from(_STAGE, Claim, and_(Claim.practice_id == practice_id, Claim.external_id == _STAGE.c.claim))
        .where(picked)
        .order_by(*POSTING_ORDER)
    )
    session.execute(insert(Posting).from_select(list(columns), rows))


def _match_write_offs(
    session: Session, practice: Practice, ids: list[str], *, source: str, by: Actor | None, now: dt.datetime
) -> WriteOffChanges:
    moved = WriteOffChanges()
    today = practice_days.today(practice, now=now)
    of_source = and_(
        Posting.practice_id == practice.id, Posting.source == source, Posting.source_id == _STAGE.c.source_id
    )
    for begin in range(0, len(ids), _ROWS_AT_ONCE):
        posted = select(Posting.id, Posting.claim_id).join_from(_STAGE, Posting, of_source)
        found = session.execute(posted.where(_has_id(ids[begin : begin + _ROWS_AT_ONCE]))).all()
        done = late_payments.match_write_offs(
            session, practice.id, [row.id for row in found], claim_ids={row.claim_id for row in found},
            user_id=by.user_id if by else None, now=now, today=today,
        )  # fmt: skip
        moved = moved.combined_with(done)
    return moved
