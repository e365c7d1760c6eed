"""Decide a held answer again: after a person's match, or after another answer on its claim was posted."""

import datetime as dt
from dataclasses import replace
from typing import Final

from sqlalchemy import exists, or_, select
from sqlalchemy.orm import Session, aliased

from core.intake.remittances import posting_rules, stored
from core.intake.remittances.answers import Answer
from core.intake.remittances.batches import Run
from core.intake.remittances.decide import decide
from core.intake.remittances.decision import Context, Decision
from core.intake.remittances.load_claims import PayerKey, load_claims
from core.intake.remittances.match_claims import match_claims
from core.intake.remittances.our_claim import OurClaim
from core.intake.remittances.post import ToPost, post
from core.intake.remittances.posting_dates import date_problem
from core.models.remittances import POSTED_OUTCOMES, Outcome, Remittance, RemittanceClaim

_HOW: Final = ("matched_by_prefix", "matched_by_payer_number")
# Another answer on the claim may end these.
_WAITING: Final = ("answered_before", "below_zero", "no_original", "several_originals")
_SHARED: Final = "shared_number"


def decide_again(
    run: Run, row: RemittanceClaim, *, accepts: bool, posted_on: dt.date | None = None
) -> tuple[Answer, OurClaim | None, Decision]:
    """Return the stored answer, its claim and what is decided now. A person may choose the posting date."""
    session, practice = run.session, run.practice
    remittance = session.get_one(Remittance, (row.practice_id, row.remittance_id))
    answer, payer = stored.load_answer(session, row), PayerKey(remittance.payer_tax_id, remittance.payer_id)
    codes = [code for code in row.reasons if code in _HOW]
    if row.claim_id is None:
        shared = {answer.claim_number} if _SHARED in row.reasons else set()
        match = match_claims(session, practice.id, [answer], payer, shared=shared)[answer.ordinal]
        row.claim_id, codes = match.claim_id, match.codes
    reversed_ids = {row.claim_id} if row.claim_id and answer.is_reversal else set()
    claims = load_claims(session, practice.id, {row.claim_id} - {None}, payer, reversed_ids=reversed_ids)  # type: ignore[arg-type]
    claim = claims.get(row.claim_id) if row.claim_id else None
    context = Context(
        posting_rules.load_rules(session, practice.id), held_because=remittance.held_because, accepts=accepts,
        date_problem=date_problem(run, posted_on or remittance.paid_on),
    )  # fmt: skip
    return answer, claim, decide(answer, claim, codes, context)


def keep(
    run: Run, row: RemittanceClaim, answer: Answer, claim: OurClaim | None, decision: Decision, *, posted_on: dt.date
) -> None:
    """Store the new decision, and post it if nothing holds it."""
    stored.update_answer(run.session, row, answer, decision, by=run.by, now=run.now)
    if decision.outcome in POSTED_OUTCOMES:
        assert claim is not None
        given = [ToPost(claim, row.remittance_id, row.ordinal, decision, posted_on)]
        post(run.session, run.practice, given, by=run.by, now=run.now, locks=not run.is_check)


def retry_held(run: Run, remittance_id: int) -> int:
    """Post the held answers that only waited for what this remittance posted. Return how many there were.

    A reversal and its correction may come in any order, also in different files.
    """
    posted, is_new = 0, True
    while is_new:
        is_new = False
        for row in _waiting(run.session, run.practice.id, remittance_id):
            answer, claim, decision = decide_again(replace(run, by=None), row, accepts=False)
            if decision.outcome in POSTED_OUTCOMES:
                remittance = run.session.get_one(Remittance, (row.practice_id, row.remittance_id))
                keep(run, row, answer, claim, decision, posted_on=remittance.paid_on or run.today)
                posted, is_new = posted + 1, True
    return posted


def _waiting(session: Session, practice_id: int, remittance_id: int) -> list[RemittanceClaim]:
    other = aliased(RemittanceClaim)
    has_news = exists().where(
        other.practice_id == practice_id, other.claim_id == RemittanceClaim.claim_id,
        other.outcome.in_(POSTED_OUTCOMES), other.postings > 0,
        or_(other.remittance_id == remittance_id, RemittanceClaim.remittance_id == remittance_id),
        or_(other.remittance_id != RemittanceClaim.remittance_id, other.ordinal != RemittanceClaim.ordinal),
    )  # fmt: skip
    waits = RemittanceClaim.reasons.contained_by([*_WAITING, *_HOW])
    is_held = (RemittanceClaim.practice_id == practice_id, RemittanceClaim.outcome == Outcome.HELD)
    rows = session.scalars(
        select(RemittanceClaim)
        .where(*is_held, waits, has_news)
        .order_by(RemittanceClaim.remittance_id, RemittanceClaim.ordinal)
        .execution_options(populate_existing=True)
    )
    return list(rows)
