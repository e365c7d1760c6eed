"""What a person does with a held answer: match it to a claim, post it or ignore it. Repeating it changes nothing."""

import datetime as dt
from typing import Final, NamedTuple

from sqlalchemy import select
from sqlalchemy.orm import Session

from core.access import audit
from core.access.audit import Subject
from core.access.permissions import Action, Actor
from core.claims import locks, lookup
from core.enums.remittances import POSTED_OUTCOMES, Outcome
from core.errors import BadInput, NotFound, Refusal
from core.intake.remittances import reasons
from core.intake.remittances.batches import Run
from core.intake.remittances.decide_again import decide_again, find_match, keep, retry_held
from core.intake.remittances.decision import Decision, Sums
from core.intake.remittances.our_claim import OurClaim
from core.intake.remittances.shown import token_of
from core.ledger import adjustment_limits
from core.models.claims import Claim
from core.models.practices import Practice
from core.models.remittances import Remittance, RemittanceClaim
from core.reading import is_valid_note

_BY_HAND: Final = "matched_by_hand"


class AnswerKey(NamedTuple):
    """An answer: its remittance, and its place in it."""

    remittance_id: int
    ordinal: int


class NotHeld(Refusal):
    """This answer is not held."""


class NotIgnored(Refusal):
    """This answer was not ignored."""


class StillHeld(Refusal):
    """This answer still cannot be posted."""


class BadReason(BadInput):
    """Give the reason, up to 500 characters."""


def match(session: Session, key: AnswerKey, claim_number: str, *, by: Actor, now: dt.datetime) -> RemittanceClaim:
    """Match a held answer to a claim of the practice. It stays held until a person posts it.

    Raise `NotAllowed`, `NotFound` and `NotHeld`.
    """
    by.require(Action.POST)
    claim = lookup.find(session, by.practice_id, claim_number)
    row = _lock_held(session, by, key)
    if row.claim_id == claim.id and row.decided_by is not None:
        return row
    row.claim_id, row.decided_by, row.decided_at, row.reasons = claim.id, by.user_id, now, [_BY_HAND]
    _, _, decision = decide_again(Run(session, _practice(session, by), by, now, is_check=True), row, accepts=False)
    row.reasons = decision.reasons
    _record(session, "remittance.matched", row, by=by, now=now, claim=claim.external_id)
    session.flush()
    return row


def post(
    session: Session,
    key: AnswerKey,
    *,
    shown: str,
    posted_on: dt.date | None = None,
    note: str = "",
    by: Actor,
    now: dt.datetime,
) -> RemittanceClaim:
    """Decide a held answer again and post it. The person accepts what may be accepted; the reasons are kept.

    `shown` is the token of what the person saw. If anything of that is different now, nothing is posted.

    Raise `NotAllowed`, `NotFound`, `NotHeld`, `StillHeld`, `BadReason`, `AdjustmentOverLimit`, `ClaimBusy` and
    `PeriodBusy`.
    """
    by.require(Action.POST)
    if not is_valid_note(note, least=0):
        raise BadReason
    row = _find(session, by, key)
    if row.outcome in POSTED_OUTCOMES:
        return row
    run = Run(session, _practice(session, by), by, now)
    claim_id = find_match(run, row).claim_id
    if claim_id is not None:  # before the answer and the month, as an import locks them
        locks.lock_claim(session, by.practice_id, session.get_one(Claim, (by.practice_id, claim_id)).external_id)
    row = _lock_held(session, by, key)
    answer, claim, decision = decide_again(run, row, accepts=True, posted_on=posted_on)
    if token_of(answer, claim, decision) != shown:
        raise StillHeld("The answer differs from what you were shown. Look at it again, then post it.")
    if claim is None or decision.outcome not in POSTED_OUTCOMES:
        held = reasons.holding(decision.reasons, accepts=True)
        raise StillHeld(f"The answer cannot be posted: {'; '.join(map(reasons.describe, held))}.", reasons=held)
    check_limit(run, claim, decision)
    remittance = session.get_one(Remittance, (by.practice_id, row.remittance_id))
    row.note = note or row.note
    keep(run, row, answer, claim, decision, posted_on=posted_on or remittance.paid_on or run.today)
    _record(session, "remittance.posted", row, by=by, now=now, claim=claim.external_id, accepted=decision.reasons)
    retry_held(run, row.remittance_id)
    session.flush()
    return row


def ignore(session: Session, key: AnswerKey, reason: str, *, by: Actor, now: dt.datetime) -> RemittanceClaim:
    """Take a held answer off the list without posting it. Raise `NotAllowed`, `NotFound`, `NotHeld` and `BadReason`."""
    by.require(Action.POST)
    if not is_valid_note(reason.strip()):
        raise BadReason
    if _find(session, by, key).outcome is Outcome.IGNORED:
        return _find(session, by, key)
    row = _lock_held(session, by, key)
    row.outcome, row.note, row.decided_by, row.decided_at = Outcome.IGNORED, reason.strip(), by.user_id, now
    _record(session, "remittance.ignored", row, by=by, now=now)
    session.flush()
    return row


def hold_again(session: Session, key: AnswerKey, *, by: Actor, now: dt.datetime) -> RemittanceClaim:
    """Put an ignored answer back on the list of held ones. Raise `NotAllowed`, `NotFound` and `NotIgnored`."""
    by.require(Action.POST)
    row = _find(session, by, key, locks_it=True)
    if row.outcome is Outcome.HELD:
        return row
    if row.outcome is not Outcome.IGNORED:
        raise NotIgnored(f"Claim {key.ordinal} of remittance {key.remittance_id} was not ignored.")
    row.outcome, row.decided_by, row.decided_at = Outcome.HELD, by.user_id, now
    _record(session, "remittance.held_again", row, by=by, now=now)
    session.flush()
    return row


def _practice(session: Session, by: Actor) -> Practice:
    return session.get_one(Practice, by.practice_id)


def _find(session: Session, by: Actor, key: AnswerKey, *, locks_it: bool = False) -> RemittanceClaim:
    found = select(RemittanceClaim).where(
        RemittanceClaim.practice_id == by.practice_id, RemittanceClaim.remittance_id == key.remittance_id,
        RemittanceClaim.ordinal == key.ordinal,
    )  # fmt: skip
    found = found.with_for_update() if locks_it else found
    row = session.scalars(found.execution_options(populate_existing=True)).one_or_none()
    if row is None:
        raise NotFound(f"Remittance {key.remittance_id} has no claim {key.ordinal}.")
    return row


def _lock_held(session: Session, by: Actor, key: AnswerKey) -> RemittanceClaim:
    row = _find(session, by, key, locks_it=True)
    if row.outcome is not Outcome.HELD:
        raise NotHeld(f"Claim {key.ordinal} of remittance {key.remittance_id} is not held.")
    return row


def check_limit(run: Run, claim: OurClaim, decision: Decision) -> None:
    """Apply the user's limit to the adjustments, as for manual ones. Raise `AdjustmentOverLimit`."""
    assert run.by is not None
    cents = Sums.of(decision.postings).adjustments
    if cents > 0:
        locked = run.session.get_one(Claim, (run.practice.id, claim.id))
        adjustment_limits.check(run.session, locked, cents, by=run.by, now=run.now)


def _record(session: Session, act: str, row: RemittanceClaim, *, by: Actor, now: dt.datetime, **facts: object) -> None:
    subject = Subject.of("remittance", row.remittance_id, practice_id=row.practice_id)
    audit.record(session, act, subject, by=by, now=now, ordinal=row.ordinal, **facts)
