"""Retry the held answers without a claim, after an import has brought their claims."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import replace
from typing import Final, NamedTuple

from sqlalchemy import and_, func, select
from sqlalchemy.orm import Session

from core.access import audit
from core.access.audit import Subject
from core.access.permissions import Action, Actor
from core.intake.loading.post_rows import lock_claims
from core.intake.remittances.batches import Run
from core.intake.remittances.decide_again import decide_again, keep, retry_held
from core.models.claims import Claim
from core.models.practices import Practice
from core.models.remittances import POSTED_OUTCOMES, Outcome, Remittance, RemittanceClaim

RETRIED_MAX: Final = 200  # at once, so that a request takes a few seconds at most
_IS_MATCHABLE: Final = and_(
    RemittanceClaim.outcome == Outcome.HELD, RemittanceClaim.claim_id.is_(None),
    RemittanceClaim.reasons.contains(["no_claim"]),
)  # fmt: skip
_OF_CLAIM: Final = and_(
    Claim.practice_id == RemittanceClaim.practice_id, Claim.external_id == RemittanceClaim.claim_number
)


class Retried(NamedTuple):
    """How many answers were posted, and how many are held for another reason."""

    posted: int
    held: int


def count_matchable(session: Session, practice_id: int) -> int:
    """Return how many held answers have the number of a claim that was imported later, at most `RETRIED_MAX` + 1."""
    found = (
        select(Claim.id)
        .select_from(RemittanceClaim)
        .join(Claim, _OF_CLAIM)
        .where(RemittanceClaim.practice_id == practice_id, _IS_MATCHABLE)
        .limit(RETRIED_MAX + 1)
    )
    return session.scalar(select(func.count()).select_from(found.subquery())) or 0


def retry_unmatched(session: Session, *, by: Actor, now: dt.datetime) -> Retried:
    """Match held answers to claims that were imported later, and post those that no other reason holds.

    As in an import, the user accepts no reason. Raise `NotAllowed` and `PeriodBusy`.
    """
    by.require(Action.POST)
    run = Run(session, session.get_one(Practice, by.practice_id), by, now)
    posted, rows = 0, _lock_matchable(session, by.practice_id)
    for row in rows:
        answer, claim, decision = decide_again(run, row, accepts=False)
        remittance = session.get_one(Remittance, (row.practice_id, row.remittance_id))
        posted_on = remittance.paid_on or run.today
        keep(replace(run, by=None), row, answer, claim, decision, posted_on=posted_on)
        posted += decision.outcome in POSTED_OUTCOMES
    posted += sum(retry_held(run, remittance_id) for remittance_id in sorted({row.remittance_id for row in rows}))
    held = sum(row.outcome is Outcome.HELD for row in rows)
    if rows:
        subject = Subject.practice(by.practice_id)
        audit.record(session, "remittances.retried", subject, by=by, now=now, posted=posted, held=held)
    session.flush()
    return Retried(posted, held)


def _lock_matchable(session: Session, practice_id: int) -> Sequence[RemittanceClaim]:
    """Lock the claims, then the answers, like an import."""
    found = (
        select(RemittanceClaim.remittance_id, RemittanceClaim.ordinal, Claim.id)
        .join(Claim, _OF_CLAIM)
        .where(RemittanceClaim.practice_id == practice_id, _IS_MATCHABLE)
        .order_by(RemittanceClaim.remittance_id, RemittanceClaim.ordinal)
        .limit(RETRIED_MAX)
    )
    keys = session.execute(found).all()
    lock_claims(session, practice_id, Claim.id.in_([claim_id for *_, claim_id in keys]))
    rows: list[RemittanceClaim] = []
    for remittance_id, ordinal, _ in keys:
        of_answer = (RemittanceClaim.remittance_id == remittance_id, RemittanceClaim.ordinal == ordinal)
        locked = select(RemittanceClaim).where(RemittanceClaim.practice_id == practice_id, *of_answer, _IS_MATCHABLE)
        rows += session.scalars(locked.with_for_update().execution_options(populate_existing=True))
    return rows
