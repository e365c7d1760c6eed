"""Retry the held answers without a claim, after an import has brought their claims. They are matched like new ones."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import replace
from typing import Final, NamedTuple

from sqlalchemy import ColumnElement, func, select, tuple_
from sqlalchemy.orm import Session

from core.access import audit
from core.access.audit import Subject
from core.access.permissions import Action, Actor
from core.enums.remittances import POSTED_OUTCOMES, Outcome
from core.intake.loading.post_rows import lock_claims
from core.intake.remittances.batches import Run
from core.intake.remittances.decide_again import decide_again, find_match, keep, retry_held
from core.intake.remittances.match_claims import Match, with_candidates
from core.models.claims import Claim
from core.models.practices import Practice
from core.models.remittances import Remittance, RemittanceClaim

RETRIED_MAX: Final = 200  # at once, so that a request takes a few seconds at most


class Retried(NamedTuple):
    """How many answers were posted, and how many are held for another reason."""

    posted: int
    held: int


def count_matchable(session: Session, practice_id: int) -> int:
    """Return how many held answers may have a claim now, at most `RETRIED_MAX` + 1."""
    found = with_candidates(*_is_unmatched(practice_id), limit=RETRIED_MAX + 1)
    return session.scalar(select(func.count()).select_from(found.subquery())) or 0


def retry_unmatched(session: Session, *, by: Actor, now: dt.datetime) -> Retried:
    """Match held answers again, as in an import, and post those that no other reason holds.

    As in an import, the user accepts no reason. Raise `NotAllowed` and `PeriodBusy`.
    """
    by.require(Action.POST)
    run = Run(session, session.get_one(Practice, by.practice_id), by, now)
    posted, rows = 0, _lock_matchable(run)
    for row, match in rows:
        answer, claim, decision = decide_again(run, row, accepts=False, match=match)
        remittance = session.get_one(Remittance, (row.practice_id, row.remittance_id))
        posted_on = remittance.paid_on or run.today
        keep(replace(run, by=None), row, answer, claim, decision, posted_on=posted_on)
        posted += decision.outcome in POSTED_OUTCOMES
    posted += sum(retry_held(run, remittance_id) for remittance_id in sorted({row.remittance_id for row, _ in rows}))
    held = sum(row.outcome is Outcome.HELD for row, _ in rows)
    if rows:
        subject = Subject.practice(by.practice_id)
        audit.record(session, "remittances.retried", subject, by=by, now=now, posted=posted, held=held)
    session.flush()
    return Retried(posted, held)


def _is_unmatched(practice_id: int) -> Sequence[ColumnElement[bool]]:
    return (
        RemittanceClaim.practice_id == practice_id, RemittanceClaim.outcome == Outcome.HELD,
        RemittanceClaim.claim_id.is_(None), RemittanceClaim.reasons.contains(["no_claim"]),
    )  # fmt: skip


def _lock_matchable(run: Run) -> list[tuple[RemittanceClaim, Match]]:
    """Match the answers. Lock their claims, then the answers, like an import."""
    session, unmatched = run.session, _is_unmatched(run.practice.id)
    keys = session.execute(with_candidates(*unmatched, limit=RETRIED_MAX)).all()
    key = tuple_(RemittanceClaim.remittance_id, RemittanceClaim.ordinal)
    of_keys = select(RemittanceClaim).where(*unmatched, key.in_(keys))
    ordered = of_keys.order_by(RemittanceClaim.remittance_id, RemittanceClaim.ordinal)
    matches = {(row.remittance_id, row.ordinal): find_match(run, row) for row in session.scalars(ordered)}
    found = {match.claim_id for match in matches.values() if match.claim_id is not None}
    lock_claims(session, run.practice.id, Claim.id.in_(found))
    locked = session.scalars(ordered.with_for_update().execution_options(populate_existing=True))
    return [(row, matches[row.remittance_id, row.ordinal]) for row in locked]
