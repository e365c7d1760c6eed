"""Decide many held answers again: those whose time has come, and those of a remittance that a user posts together."""

import datetime as dt
from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Final, NamedTuple

from sqlalchemy import ColumnElement, TextClause, and_, exists, func, select, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from core.access import audit
from core.access.audit import Subject
from core.access.permissions import Action, Actor
from core.db import timeouts
from core.db.engine import Sessions, transaction
from core.db.transient import is_transient
from core.enums.remittances import POSTED_OUTCOMES, Outcome
from core.errors import NotFound
from core.intake.loading.post_rows import lock_claims
from core.intake.remittances import reasons
from core.intake.remittances.batches import Run
from core.intake.remittances.commands import check_limit
from core.intake.remittances.decide_again import decide_again, keep, retry_held
from core.intake.remittances.load_claims import is_in_running_job
from core.ledger.adjustment_limits import AdjustmentOverLimit
from core.models.claims import Claim
from core.models.practices import Practice
from core.models.remittances import Remittance, RemittanceClaim
from core.practices import periods
from core.practices.periods import PeriodBusy

AT_ONCE_MAX: Final = 200  # answers, so that a request or a tick takes a few seconds at most
_FUTURE: Final = "future_date"
_IN_JOB: Final = "claim_in_job"
# As in the index, because PostgreSQL uses it only for the same condition.
_IS_TIMED: Final = text(f"outcome = 'held' AND reasons ?| ARRAY['{_FUTURE}', '{_IN_JOB}']")
_OF_REMITTANCE: Final = and_(
    Remittance.practice_id == RemittanceClaim.practice_id, Remittance.id == RemittanceClaim.remittance_id
)


class Posted(NamedTuple):
    """How many answers were posted, and how many are still held."""

    posted: int
    held: int


def post_due(sessions: Sessions, *, now: dt.datetime) -> int:
    """Post the answers whose payment date has come or whose claim's job has ended. Return how many.

    A month that is being closed waits for the next tick.
    """
    with transaction(sessions) as session:
        practices = session.scalars(text("SELECT * FROM practices_with_timed_answers()")).all()
    posted = 0
    for practice_id in practices:
        try:
            with transaction(sessions, practice_id) as session:
                timeouts.set_timeouts(session)
                posted += _post_due(Run(session, session.get_one(Practice, practice_id), None, now))
        except PeriodBusy:
            continue
        except DBAPIError as error:
            if not is_transient(error):
                raise
    return posted


def _post_due(run: Run) -> int:
    session, practice_id = run.session, run.practice.id
    last_day = periods.first_open_date(periods.closed_months(session, practice_id), run.today)
    has = RemittanceClaim.reasons.contains
    rows = _lock(
        run, RemittanceClaim.reasons.contained_by([_FUTURE, _IN_JOB, *reasons.WARNINGS]),
        _IS_TIMED, ~has([_FUTURE]) | (Remittance.paid_on <= last_day),
        ~has([_IN_JOB]) | ~is_in_running_job(practice_id, RemittanceClaim.claim_id),
    )  # fmt: skip
    done = _decide(run, rows)
    if rows:
        subject = Subject.practice(practice_id)
        audit.record(session, "remittances.posted_when_due", subject, by=None, now=run.now, **done._asdict())
    return done.posted


def may_post_together(session: Session, practice_id: int, remittance_id: int) -> bool:
    """Return whether a held answer of the remittance has only reasons that `post_all` can end."""
    ends = [*reasons.ACCEPTED_OF_WHOLE, *reasons.OF_DATE, _IN_JOB, *reasons.WARNINGS]
    found = exists().where(
        RemittanceClaim.practice_id == practice_id, RemittanceClaim.remittance_id == remittance_id,
        RemittanceClaim.outcome == Outcome.HELD, RemittanceClaim.claim_id.is_not(None),
        RemittanceClaim.reasons.contained_by(ends),
    )  # fmt: skip
    return bool(session.scalar(select(found)))


def post_all(
    session: Session,
    remittance_id: int,
    *,
    accepts: Collection[str] = (),
    posted_on: dt.date | None = None,
    by: Actor,
    now: dt.datetime,
) -> Posted:
    """Post the held answers of a remittance that nothing else holds, at most `AT_ONCE_MAX`.

    The user accepts codes that hold the whole remittance, and may choose the posting date. Any other reason holds an
    answer, as does the user's limit. Raise `NotAllowed`, `NotFound` and `PeriodBusy`.
    """
    by.require(Action.POST)
    if session.get(Remittance, (by.practice_id, remittance_id)) is None:
        raise NotFound(f"There is no remittance {remittance_id} in this practice.")
    accepted = [code for code in reasons.ACCEPTED_OF_WHOLE if code in accepts]
    ends = [*accepted, _IN_JOB, *reasons.WARNINGS, *(reasons.OF_DATE if posted_on else [_FUTURE])]
    run = Run(session, session.get_one(Practice, by.practice_id), by, now)
    rows = _lock(run, RemittanceClaim.remittance_id == remittance_id, RemittanceClaim.reasons.contained_by(ends))
    done = _decide(run, rows, accepted=accepted, posted_on=posted_on)
    if rows:
        about = Subject.of("remittance", remittance_id, practice_id=by.practice_id)
        facts = {**done._asdict(), "accepted": accepted}
        audit.record(session, "remittance.posted_together", about, by=by, now=now, **facts)
    session.flush()
    of_remittance = (RemittanceClaim.practice_id == by.practice_id, RemittanceClaim.remittance_id == remittance_id)
    left = select(func.count()).where(*of_remittance, RemittanceClaim.outcome == Outcome.HELD)
    return Posted(done.posted, session.scalar(left) or 0)


def _lock(run: Run, *conditions: ColumnElement[bool] | TextClause) -> Sequence[RemittanceClaim]:
    """Lock the claims, then the held answers, like an import."""
    session, practice_id = run.session, run.practice.id
    found = (
        select(RemittanceClaim)
        .join(Remittance, _OF_REMITTANCE)
        .where(
            RemittanceClaim.practice_id == practice_id, RemittanceClaim.outcome == Outcome.HELD,
            RemittanceClaim.claim_id.is_not(None), *conditions,
        )
        .order_by(RemittanceClaim.remittance_id, RemittanceClaim.ordinal)
        .limit(AT_ONCE_MAX)
    )  # fmt: skip
    lock_claims(session, practice_id, Claim.id.in_([row.claim_id for row in session.scalars(found)]))
    locked = found.with_for_update(of=RemittanceClaim).execution_options(populate_existing=True)
    return session.scalars(locked).all()


def _decide(
    run: Run, rows: Sequence[RemittanceClaim], *, accepted: Sequence[str] = (), posted_on: dt.date | None = None
) -> Posted:
    """Decide the answers again, and post those that nothing but an accepted code holds."""
    posted = 0
    for row in rows:
        answer, claim, decision = decide_again(run, row, accepts=False, waives=accepted, posted_on=posted_on)
        is_posted = decision.outcome in POSTED_OUTCOMES
        if is_posted and run.by is not None and claim is not None:
            try:
                check_limit(run, claim, decision)
            except AdjustmentOverLimit:
                continue
        remittance = run.session.get_one(Remittance, (row.practice_id, row.remittance_id))
        day = posted_on or remittance.paid_on or run.today
        keep(run if is_posted else replace(run, by=None), row, answer, claim, decision, posted_on=day)
        posted += is_posted
    later = sum(retry_held(run, remittance_id) for remittance_id in sorted({row.remittance_id for row in rows}))
    return Posted(posted + later, sum(row.outcome is Outcome.HELD for row in rows))
