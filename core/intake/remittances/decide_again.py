"""Decide a held answer again: after a person's match, or after another answer on its claim was posted."""

import datetime as dt
from collections.abc import Collection
from dataclasses import replace
from typing import Final

from sqlalchemy import exists, or_, select
from sqlalchemy.orm import Session, aliased

from core.enums.remittances import POSTED_OUTCOMES, Outcome
from core.intake.remittances import posting_rules, reasons, stored
from core.intake.remittances.answers import Answer
from core.intake.remittances.batches import Run
from core.intake.remittances.decide import decide
from core.intake.remittances.decision import Context, Decision
from core.intake.remittances.load_claims import PayerKey, load_claims
from core.intake.remittances.match_claims import Match, match_claims
from core.intake.remittances.our_claim import OurClaim
from core.intake.remittances.post import ToPost, post
from core.intake.remittances.posting_dates import date_problem
from core.intake.remittances.reasons import Finding
from core.models.remittances import Remittance, RemittanceClaim

_HOW: Final = ("matched_by_replacement", "matched_by_prefix", "matched_by_payer_number", "matched_by_hand")
# Another answer on the claim may end these.
_WAITING: Final = ("answered_before", "below_zero", "no_original", "several_originals")
_SHARED: Final = "shared_number"


def find_match(run: Run, row: RemittanceClaim) -> Match:
    """Return the claim of a stored answer. Look for it again, because it may have been imported in the meantime."""
    if row.claim_id is not None:
        return Match(row.claim_id, [code for code in row.reasons if code in _HOW])
    answer = stored.load_answer(run.session, row)
    shared = {answer.claim_number} if _SHARED in row.reasons else set()
    return match_claims(run.session, run.practice.id, [answer], _payer(run, row), shared=shared)[row.ordinal]


def decide_again(
    run: Run,
    row: RemittanceClaim,
    *,
    accepts: bool,
    waives: Collection[str] = (),
    posted_on: dt.date | None = None,
    match: Match | None = None,
) -> tuple[Answer, OurClaim | None, Decision]:
    """Return the stored answer, its claim and what is decided now. A person may choose the posting date.

    A person may waive codes that hold the whole remittance. They are kept as warnings. Change nothing: `keep` does.
    """
    session, practice = run.session, run.practice
    claim_id, codes = match or find_match(run, row)
    answer = stored.load_answer(session, row)
    ids = set() if claim_id is None else {claim_id}
    reversed_ids = ids if answer.is_reversal else set()
    claims = load_claims(session, practice.id, ids, _payer(run, row), reversed_ids=reversed_ids)
    claim = next(iter(claims.values()), None)
    remittance = _remittance(run, row)
    found = [Finding(*one) for one in remittance.faults]
    whole = reasons.of_whole(found)
    waived = [code for code in whole if code in waives]
    context = Context(
        posting_rules.load_rules(session, practice.id), [code for code in whole if code not in waives],
        warnings=reasons.warnings(found),
        date_problem=date_problem(run, posted_on or remittance.paid_on), accepts=accepts,
    )  # fmt: skip
    decision = decide(answer, claim, codes, context)
    if waived and decision.outcome is not Outcome.NOTHING_TO_POST:
        decision.reasons = [*waived, *decision.reasons]
        decision.outcome = Outcome.HELD if decision.outcome is Outcome.HELD else Outcome.WARNED
    return answer, claim, decision


def keep(
    run: Run, row: RemittanceClaim, answer: Answer, claim: OurClaim | None, decision: Decision, *, posted_on: dt.date
) -> None:
    """Store the claim and the new decision, and post it if nothing holds it."""
    row.claim_id = claim.id if claim else row.claim_id
    stored.update_answer(run.session, row, answer, decision, by=run.by, now=run.now)
    if decision.outcome in POSTED_OUTCOMES:
        assert claim is not None
        given = [ToPost(claim, row.remittance_id, answer, decision, posted_on)]
        run.moved.add(given, post(run.session, run.practice, given, by=run.by, now=run.now, locks=not run.is_check))


def retry_held(run: Run, remittance_id: int) -> int:
    """Post the held answers that only waited for what this remittance posted. Return how many there were.

    A reversal and its correction may come in any order, also in different files. The import is the one who posts.
    """
    posted, is_new = 0, True
    while is_new:
        is_new = False
        for row in _waiting(run.session, run.practice.id, remittance_id):
            answer, claim, decision = decide_again(run, row, accepts=False)
            if decision.outcome in POSTED_OUTCOMES or decision.reasons != row.reasons:
                posted_on = _remittance(run, row).paid_on or run.today
                keep(replace(run, by=None), row, answer, claim, decision, posted_on=posted_on)
            if decision.outcome in POSTED_OUTCOMES:
                posted, is_new = posted + 1, True
    return posted


def _remittance(run: Run, row: RemittanceClaim) -> Remittance:
    return run.session.get_one(Remittance, (row.practice_id, row.remittance_id))


def _payer(run: Run, row: RemittanceClaim) -> PayerKey:
    remittance = _remittance(run, row)
    return PayerKey(remittance.payer_tax_id, remittance.payer_id)


def _waiting(session: Session, practice_id: int, remittance_id: int) -> list[RemittanceClaim]:
    """Return the held answers that may be decided differently after what the remittance posted on their claims."""
    other = aliased(RemittanceClaim)
    has_news = exists().where(
        other.practice_id == practice_id, other.claim_id == RemittanceClaim.claim_id,
        other.outcome.in_(POSTED_OUTCOMES), other.postings > 0,
        or_(other.remittance_id == remittance_id, RemittanceClaim.remittance_id == remittance_id),
        or_(other.remittance_id != RemittanceClaim.remittance_id, other.ordinal != RemittanceClaim.ordinal),
    )  # fmt: skip
    waits = RemittanceClaim.reasons.contained_by([*_WAITING, *reasons.WARNINGS])
    is_held = (RemittanceClaim.practice_id == practice_id, RemittanceClaim.outcome == Outcome.HELD)
    rows = session.scalars(
        select(RemittanceClaim)
        .where(*is_held, waits, has_news)
        .order_by(RemittanceClaim.remittance_id, RemittanceClaim.ordinal)
        .execution_options(populate_existing=True)
    )
    return list(rows)
