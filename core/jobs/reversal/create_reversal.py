"""Reverse a job: create a job of kind reverse with its own preview and CONFIRM."""

import datetime as dt
import hashlib
import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import ColumnElement, Text, and_, any_, case, cast, func, select
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Session, aliased

from core.access.permissions import Action, Actor
from core.enums.job_items import Outcome, Verdict
from core.enums.jobs import FINAL_STATUSES, JobKind, JobStatus
from core.enums.ledger import Responsibility
from core.errors import Refusal
from core.jobs import lifecycle, posting_month
from core.jobs.keys import JobKey, NoSuchJob
from core.jobs.preview import freezing, preview_items
from core.jobs.preview.job_request import BadRequest
from core.jobs.preview.selections import NothingSelected, UnknownClaim
from core.jobs.reversal import eligibility
from core.models.claims import Claim
from core.models.job_items import JobItem
from core.models.jobs import SettleJob
from core.policy import facts, rule_sql, rules
from core.policy.facts import Facts
from core.policy.rule import Moment
from core.policy.terms import Terms
from core.practices import practice_days
from core.reading import NOTE_CHARACTERS_MAX, is_valid_note
from core.settings import PREVIEW_IN_REQUEST_CLAIMS_MAX

NAMED_MAX = 5
RESTORE_PREVIOUS_STATUS = "as before"  # the target status of a reversal: each claim's own earlier status

_REVERSIBLE = (JobStatus.COMPLETED, JobStatus.CANCELLED)


class NotReversible(Refusal):
    """Only a completed or canceled job that changed at least one claim can be reversed."""


def is_reversible(job: SettleJob) -> bool:
    """Return whether the job's kind and status allow a reversal. The preview then checks each claim."""
    return job.status in _REVERSIBLE and job.kind is not JobKind.REVERSE


def is_open_and_whole(reversal: SettleJob) -> bool:
    """Return whether the reversal has not ended and covers its whole job, so that a second one would change nothing."""
    return reversal.status not in FINAL_STATUSES and reversal.selection.get("claim_ids") is None


def request_reversal(
    session: Session,
    original: JobKey,
    *,
    claim_ids: Sequence[str] | None,
    by: Actor,
    idempotency_key: str,
    now: dt.datetime,
    note: str,
    posting_date: dt.date | None = None,
    chunk_claims: int | None = None,
) -> SettleJob:
    """Create the reversal of `original`, or of only `claim_ids`. A large one (over 20,000 claims) is left to a worker.

    `note` is the reason, the only record of why.

    Raise `NotAllowed`, `NotFound`, `NotReversible`, `UnknownClaim` for a claim that the job did not settle,
    `NothingSelected`, `IdempotencyMismatch`, `PeriodClosed` and `BadPostingDate`.
    """
    by.require(Action.REVERSE_JOB)
    _check_note(note)
    reversed_job = _lock_reversible(session, original, by=by)
    practice = freezing.lock_practice_settings(session, by.practice_id)
    selection = {"claim_ids": None if claim_ids is None else sorted(set(claim_ids))}
    dated = {} if posting_date is None else {"posting_date": posting_date.isoformat()}
    request = json.dumps({"reverses": original.job_id, "note": note, **dated, **selection}, sort_keys=True)
    job, is_new = freezing.insert_job_once(
        session,
        practice,
        by=by,
        idempotency_key=idempotency_key,
        request_hash=hashlib.sha256(request.encode()).hexdigest(),
        today=practice_days.today(practice, now=now),
        now=now,
        kind=JobKind.REVERSE,
        reverses_job_id=original.job_id,
        target_status=RESTORE_PREVIOUS_STATUS,
        selection=selection,
        note=note,
        overridden_rules=[],
    )
    if is_new:
        posts = reversed_job.kind is not JobKind.STATUS
        job.posting_date = posting_month.choose_posting_date(
            session, practice, asked=posting_date, moves_money=posts, now=now, earliest=reversed_job.posting_date
        )
        _begin(session, job, chunk_claims=chunk_claims, now=now)
    return job


def _lock_reversible(session: Session, original: JobKey, *, by: Actor) -> SettleJob:
    job = lifecycle.lock(session, original) if original.practice_id == by.practice_id else None
    if job is None:
        raise NoSuchJob
    if not is_reversible(job):
        raise NotReversible
    return job


def _begin(session: Session, job: SettleJob, *, chunk_claims: int | None, now: dt.datetime) -> None:
    _check_claim_ids(session, job)
    to_reverse = select(func.count()).select_from(JobItem, Claim).where(settled_by_original(job, JobItem))
    counted = session.scalars(to_reverse).one()
    if counted == 0:
        raise NothingSelected
    if counted <= PREVIEW_IN_REQUEST_CLAIMS_MAX:
        freeze(session, job, chunk_claims=chunk_claims, now=now)
    else:
        job.claims_expected = counted


def _check_note(note: str) -> None:
    if not is_valid_note(note.strip()):
        raise BadRequest(f"note: state the reason for the reversal, in at most {NOTE_CHARACTERS_MAX} characters")


def freeze(session: Session, job: SettleJob, *, chunk_claims: int | None, now: dt.datetime) -> None:
    """Insert an item for each claim that the original settled. Skip claims that were changed later."""
    freezing.freeze(session, job, lambda: _freeze_items(session, job), chunk_claims=chunk_claims, now=now)


def settled_by_original(job: SettleJob, item: Any) -> ColumnElement[bool]:
    """Return, as SQL, whether the original settled the item's claim and that the request includes it."""
    of_original = and_(
        item.practice_id == job.practice_id,
        item.job_id == job.reverses_job_id,
        item.outcome == Outcome.SETTLED,
        Claim.practice_id == item.practice_id,
        Claim.id == item.claim_id,
    )
    named = job.selection.get("claim_ids")
    return of_original if named is None else and_(of_original, Claim.external_id == any_(cast(named, ARRAY(Text))))


def _check_claim_ids(session: Session, job: SettleJob) -> None:
    named = job.selection.get("claim_ids")
    if named is None:
        return
    found = select(Claim.external_id).where(settled_by_original(job, JobItem))
    missing = sorted(set(named) - set(session.scalars(found)))
    if missing:
        first = ", ".join(missing[:NAMED_MAX])
        raise UnknownClaim(
            f"Job {job.reverses_job_id} did not change these claims: {first}", claim_ids=missing[:NAMED_MAX]
        )


def _freeze_items(session: Session, job: SettleJob) -> int:
    was = aliased(JobItem, name="was")
    seen = facts_of_reversal(job, was)
    applied_rules = rules.rules_at(Moment.PREVIEW, kind=JobKind.REVERSE)
    judged = (
        select(
            Claim.id,
            Claim.version,
            Claim.billing_status,
            was.settles_insurance,
            was.settles_patient,
            eligibility.reversible_cents(job, Responsibility.INSURANCE).label("insurance_cents"),
            eligibility.reversible_cents(job, Responsibility.PATIENT).label("patient_cents"),
            rule_sql.first_match(seen, applied_rules).label("code"),
            rule_sql.rule_values(seen, applied_rules).label("why"),
        )
        .select_from(facts.claims_with_payers().join(was, settled_by_original(job, was)))
        .offset(preview_items.EVALUATE_ONCE)
        .subquery("judged")
    )
    skips = judged.c.code.is_not(None)
    return preview_items.write_items(
        session,
        job,
        claim_id=judged.c.id,
        claim_version=judged.c.version,
        billing_status_before=judged.c.billing_status,
        settles_insurance=judged.c.settles_insurance,
        settles_patient=judged.c.settles_patient,
        insurance_cents=case((skips, 0), else_=judged.c.insurance_cents),
        patient_cents=case((skips, 0), else_=judged.c.patient_cents),
        verdict=case((skips, Verdict.SKIP.value), else_=Verdict.SETTLE.value),
        verdict_code=judged.c.code,
        why=judged.c.why,
    )


def facts_of_reversal(job: SettleJob, was: Any) -> Facts:
    """Return the facts that the rules use for a claim of a reversal. `was` is its item in the original."""
    reversed_by = eligibility.reversing_job_id(job)
    of_claim = facts.facts_for_claim(
        Terms(setting=job.setting, as_of=job.as_of, posting_date=job.posting_date, target_status=job.target_status)
    )
    return replace(
        of_claim,
        changed_since_settled=eligibility.changed_since_settled(job, was),
        already_reversed=reversed_by.is_not(None),
        posted_later=eligibility.has_write_off_after(job),
        fully_reversed_by_late_payment=eligibility.fully_reversed_by_late_payments(job),
        values={**of_claim.values, "version_after": was.version_after, "reversed_by": reversed_by},
    )
