"""The page of one claim: its lines, and its ledger from the first charge to the write-off."""

import secrets
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from flask import render_template
from sqlalchemy.orm import Session

from core.access.permissions import Action
from core.claims import feed, holds, lookup
from core.enums.claims import SETTLED, Hold
from core.enums.job_items import Outcome
from core.enums.jobs import DONE_WORDS
from core.enums.ledger import GroupCode, PostingKind, Responsibility
from core.intake.remittances import queries
from core.jobs import codes, job_queries
from core.jobs.job_queries import JobOnClaim
from core.jobs.keys import JobKey
from core.jobs.reversal import create_reversal
from core.ledger import entry_postings, ledger_queries, recoveries, voids
from core.ledger.ledger_queries import LedgerRow
from core.practices import exclusions
from core.reading import NOTE_CHARACTERS_MAX
from webui.claims import posting_requests
from webui.claims.feed_columns import ELIGIBILITY_PILLS
from webui.claims.remittances import OUTCOME_PILLS, describe
from webui.shared.app_context import app_context, now
from webui.shared.auth import Pages, current_actor, current_day, current_practice
from webui.shared.claim_views import record_view

blueprint = Pages("claims", __name__, url_prefix="/claims")


@dataclass(frozen=True)
class EntryWithBalances:
    """A posting with the balances after it."""

    posting: LedgerRow
    insurance_due: int
    patient_due: int


@blueprint.get("/<claim_id:claim_id>", needs=Action.SEE_CLAIMS)
def show(claim_id: str) -> str:
    """Show the claim with that number. Raise `NotFound` if it is not in this practice."""
    return render_claim(claim_id)


def render_claim(claim_id: str, **extra: Any) -> str:
    """Return the claim's page. `extra` has the faults of a form and what was typed."""
    practice_id = current_actor().practice_id
    record_view(claim_id, by=current_actor())
    with app_context().sessions() as db:
        internal = lookup.find(db, practice_id, claim_id)
        terms = feed.terms_for(db, practice_id, now=now())
        postings = ledger_queries.list_ledger_rows(db, practice_id, internal.id)
        facts: dict[str, Any] = {
            "claim": feed.find_row(db, practice_id, claim_id, terms=terms),
            "saw": codes.rule_values(feed.blocking_rule_values(db, practice_id, claim_id, terms=terms)),
            "held": holds.hold_of_claim(db, practice_id, claim_id, today=terms.as_of),
            "patient_number": lookup.patient_number(db, internal),
            "excluded": exclusions.list_exclusions(
                db,
                practice_id,
                today=terms.as_of,
                patient_id=internal.patient_id,
                payer_ids=[payer for payer in (internal.primary_payer_id, internal.secondary_payer_id) if payer],
            ),
            "payers": entry_postings.possible_payers(db, internal),
            "lines": lookup.list_line_items(db, practice_id, internal.id),
            "waiting": posting_requests.waiting_on_claim(db, practice_id, internal.id),
            "answers": queries.list_answers_on_claim(db, practice_id, internal.id),
            "entries": list(with_running_balances(postings)),
            "voidable": voids.voidable_ids(db, practice_id, internal.id) if current_actor().may(Action.POST) else (),
            "voided": {one.reverses_id for one in postings if one.is_void},
            "jobs": (jobs := job_queries.list_on_claim(db, practice_id, internal.id)),
            "names": job_queries.names_of_users(db, practice_id, {one.job.confirmed_by for one in jobs}),
            "reversible_job": _reversible_job(db, practice_id, postings, jobs),
            "recoveries": {one.posting_id: one for one in recoveries.list_for_claim(db, practice_id, internal.id)},
        }
    verdict = facts["claim"].eligibility
    return render_template(
        "claims/show.html",
        settled=SETTLED,
        verdict=ELIGIBILITY_PILLS[verdict],
        why=_describe(verdict),
        outcome_pills=OUTCOME_PILLS,
        describe=describe,
        job_sentence=codes.describe,
        done_words=DONE_WORDS,
        holds=list(Hold),
        may_change_hold=facts["held"] is None or holds.may_change(current_actor(), facts["held"].hold),
        why_max=NOTE_CHARACTERS_MAX,
        may_exclude=current_actor().may(Action.EXCLUDE),
        **_posting_choices(),
        **facts,
        **extra,
    )


def _describe(verdict: str) -> str:
    if verdict == "write_off_off" and not current_practice().write_off_chosen:
        return "Status change only: your practice has not chosen its Balance Writeoff setting yet"
    return codes.describe(verdict)


def _posting_choices() -> dict[str, Any]:
    return {
        "posting_kinds": [PostingKind.PAYMENT, PostingKind.ADJUSTMENT, PostingKind.TRANSFER],
        "responsibilities": list(Responsibility),
        "group_codes": list(GroupCode),
        "note_max": NOTE_CHARACTERS_MAX,
        "today": current_day(),
        "idempotency_key": secrets.token_urlsafe(16),
    }


def _reversible_job(
    db: Session, practice_id: int, postings: Sequence[LedgerRow], jobs: Sequence[JobOnClaim]
) -> int | None:
    """Return the last job whose change to this claim stands, if it has ended and the user may reverse it."""
    if not current_actor().may(Action.REVERSE_JOB):
        return None
    answered = {posting.reverses_id for posting in postings}
    standing = [
        (posting.id, job_id)
        for posting in postings
        if posting.kind is PostingKind.WRITE_OFF and posting.id not in answered
        if (job_id := posting.job_id or posting.origin_job_id)  # one of the two is always set
    ]
    if standing:
        _, job_id = max(standing)
        return job_id if create_reversal.is_reversible(job_queries.find(db, JobKey(practice_id, job_id))) else None
    changed = [one for one in jobs if one.item.outcome is Outcome.SETTLED]
    last = changed[-1] if changed else None
    # A status change posts nothing. A later change of the claim would make the reversal skip it.
    is_status_only = last is not None and not (last.item.insurance_cents or last.item.patient_cents)
    return last.job.id if last and is_status_only and create_reversal.is_reversible(last.job) else None


def with_running_balances(postings: Iterable[LedgerRow]) -> Iterator[EntryWithBalances]:
    """Yield each posting with the claim's balances after it."""
    due = dict.fromkeys(Responsibility, 0)
    for posting in postings:
        due[posting.responsibility] += posting.amount_cents
        yield EntryWithBalances(posting, due[Responsibility.INSURANCE], due[Responsibility.PATIENT])
