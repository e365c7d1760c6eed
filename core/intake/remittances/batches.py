"""Decide and post the answers of one remittance, a batch at a time."""

import datetime as dt
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from sqlalchemy.orm import Session

from core.access.permissions import Actor
from core.enums.remittances import POSTED_OUTCOMES
from core.intake.loading.post_rows import lock_claims
from core.intake.remittances.answers import Answer
from core.intake.remittances.decide import decide
from core.intake.remittances.decision import Context
from core.intake.remittances.load_claims import PayerKey, load_claims
from core.intake.remittances.match_claims import Match, match_claims
from core.intake.remittances.post import ToPost, post
from core.intake.remittances.stored import Decided, store_answers
from core.ledger.late_payments import WriteOffChanges
from core.models.claims import Claim
from core.models.practices import Practice
from core.practices import practice_days

BATCH_ANSWERS: Final = 1_000  # memory does not grow with the file


@dataclass
class Moved:
    """What a run posted, in cents that raise the A/R."""

    answers_cents: int = 0
    write_offs_cents: int = 0  # that payments reversed, less those that reversals restored

    def add(self, given: Sequence[ToPost], changes: WriteOffChanges) -> None:
        """Add what was posted."""
        self.answers_cents += sum(posting.amount_cents for one in given for posting in one.decision.postings)
        self.write_offs_cents += changes.reversed_cents - changes.restored_cents


@dataclass(frozen=True)
class Run:
    """Who imports or posts, where and when."""

    session: Session
    practice: Practice
    by: Actor | None
    now: dt.datetime
    is_check: bool = False  # the caller rolls everything back, so no claim and no month is locked
    moved: Moved = field(default_factory=Moved)

    @property
    def today(self) -> dt.date:
        """Return today in the practice's time zone."""
        return practice_days.today(self.practice, now=self.now)


@dataclass(frozen=True)
class Head:
    """A recorded remittance."""

    id: int
    payer: PayerKey
    posted_on: dt.date
    context: Context
    shared: frozenset[str] = frozenset()  # claim numbers that several patients have


def take_batch(run: Run, head: Head, answers: Sequence[Answer]) -> list[Decided]:
    """Match, decide, record and post the answers."""
    session, practice = run.session, run.practice
    matches = match_claims(session, practice.id, answers, head.payer, shared=head.shared)
    guessed = {match.claim_id for match in matches.values() if match.claim_id and match.codes}
    if guessed and not run.is_check:  # those with the same number were locked before
        lock_claims(session, practice.id, Claim.id.in_(guessed))
    decided: list[Decided] = []
    for wave in _waves(answers, matches):
        decided += _take_wave(run, head, wave, matches)
    return decided


def _waves(answers: Sequence[Answer], matches: dict[int, Match]) -> list[list[Answer]]:
    """Return the answers so that each wave has at most one for a claim: a later one depends on what it posts."""
    seen: Counter[int] = Counter()
    waves: list[list[Answer]] = [[]]
    for answer in answers:
        claim_id = matches[answer.ordinal].claim_id
        nth = 0 if claim_id is None else seen[claim_id]
        if claim_id is not None:
            seen[claim_id] += 1
        if nth == len(waves):
            waves.append([])
        waves[nth].append(answer)
    return [wave for wave in waves if wave]


def _take_wave(run: Run, head: Head, answers: Sequence[Answer], matches: dict[int, Match]) -> list[Decided]:
    claim_of = {answer.ordinal: matches[answer.ordinal].claim_id for answer in answers}
    ids = {claim_id for claim_id in claim_of.values() if claim_id is not None}
    reversed_ids = {claim_of[answer.ordinal] for answer in answers if answer.is_reversal} - {None}
    claims = load_claims(run.session, run.practice.id, ids, head.payer, reversed_ids=reversed_ids)  # type: ignore[arg-type]
    decided: list[Decided] = []
    for answer in answers:
        claim_id = claim_of[answer.ordinal]
        claim = None if claim_id is None else claims[claim_id]
        decided.append((answer, claim_id, decide(answer, claim, matches[answer.ordinal].codes, head.context)))
    store_answers(run.session, run.practice.id, head.id, decided, now=run.now)
    given = [
        ToPost(claims[claim_id], head.id, answer, decision, head.posted_on)
        for answer, claim_id, decision in decided
        if claim_id is not None and decision.outcome in POSTED_OUTCOMES
    ]
    changes = post(run.session, run.practice, given, by=run.by, now=run.now, locks=not run.is_check)
    run.moved.add(given, changes)
    return decided
