"""Whether a claim that a job did not settle can be tried again now, and what has to change first."""

import datetime as dt
from collections.abc import Sequence
from enum import StrEnum
from typing import NamedTuple

from sqlalchemy import select
from sqlalchemy.orm import Session, aliased

from core.claims.feed_conditions import has_number_in
from core.enums.job_items import Outcome
from core.enums.jobs import JobKind
from core.jobs import codes
from core.jobs.execution import retry
from core.jobs.preview import create_preview, preview_items
from core.jobs.reversal import create_reversal
from core.models.claims import Claim
from core.models.job_items import JobItem
from core.models.jobs import SettleJob
from core.models.practices import Practice
from core.policy import facts, rule_sql, rules, terms
from core.policy.overridable import overridable
from core.policy.rule import Moment
from core.practices import practice_days


class Way(StrEnum):
    """How a claim can be tried again."""

    RETRY = "retry"
    NEW_JOB = "new_job"
    AFTER_CHANGE = "after_change"  # in a new job, once what the words name has changed
    NO = "no"


class TryAgain(NamedTuple):
    """How, with a sentence for users."""

    way: Way
    words: str


class NotSettled(NamedTuple):
    """A claim that failed or was skipped."""

    position: int
    claim_id: str
    outcome: Outcome
    code: str | None


def for_claims(
    session: Session, job: SettleJob, claims: Sequence[NotSettled], *, now: dt.datetime
) -> dict[int, TryAgain]:
    """Return, by position, whether these claims of the job can be tried again now."""
    failed = [one.position for one in claims if one.outcome is Outcome.FAILED]
    no_retry = _no_retry(session, job, failed) if failed else {}
    rest = [one for one in claims if one.outcome is not Outcome.FAILED or no_retry[one.position]]
    skips = _skips_of_new_job(session, job, [one.claim_id for one in rest], now=now) if rest else {}
    again = {position: TryAgain(Way.RETRY, "Yes, retry this job") for position in failed}
    return again | {
        one.position: _in_new_job(one, skips.get(one.claim_id), no_retry.get(one.position, "")) for one in rest
    }


def _no_retry(session: Session, job: SettleJob, failed: list[int]) -> dict[int, str]:
    """Return, by position, why a retry would not try the claim, or an empty string."""
    obstacle = retry.obstacle(session, job)
    blocked = {} if obstacle else retry.blocked_claims(session, job, within=JobItem.position.in_(failed))
    return {position: obstacle or codes.describe(blocked.get(position, "")) for position in failed}


def _in_new_job(claim: NotSettled, skip: str | None, no_retry: str) -> TryAgain:
    if skip is None:
        instead = f". A retry is not possible: {no_retry}" if no_retry else ""
        return TryAgain(Way.NEW_JOB, f"Yes, in a new job{instead}")
    now_skipped = "" if skip == claim.code else f" ({codes.describe(skip)})"
    change = codes.change_needed(skip)
    if not change:
        return TryAgain(Way.NO, f"No{now_skipped}")
    return TryAgain(Way.AFTER_CHANGE, f"After a change: {change}{now_skipped}")


def _skips_of_new_job(
    session: Session, job: SettleJob, claim_ids: Sequence[str], *, now: dt.datetime
) -> dict[str, str | None]:
    """Return, by claim, the code of the rule by which a new job like this one would skip it now, or None."""
    new = _unsaved_job(session, job, now=now)
    source = facts.claims_with_payers()
    if job.kind is JobKind.REVERSE:
        was = aliased(JobItem, name="was")
        source = source.join(was, create_reversal.settled_by_original(new, was))
        seen = create_reversal.facts_of_reversal(new, was)
    else:
        seen = preview_items.facts_of_job(new, create_preview.rule_terms(session, new))
    applied = rules.rules_at(Moment.PREVIEW, kind=job.kind, include=overridable(new.overridden_rules))
    of_claims = (Claim.practice_id == job.practice_id, has_number_in(claim_ids))
    rows = session.execute(
        select(Claim.external_id, rule_sql.first_match(seen, applied)).select_from(source).where(*of_claims)
    )
    skipping = set(rules.skip_codes())
    return {claim_id: code if code in skipping else None for claim_id, code in rows}


def _unsaved_job(session: Session, job: SettleJob, *, now: dt.datetime) -> SettleJob:
    """Return the same job as if requested today. It is never added to the session."""
    practice = session.get_one(Practice, job.practice_id)
    today = practice_days.today(practice, now=now)
    same = (
        "practice_id", "kind", "reverses_job_id", "target_status", "reason", "practice_reason", "note",
        "overridden_rules", "schedule_id",
    )  # fmt: skip
    return SettleJob(
        **{name: getattr(job, name) for name in same},
        id=0,
        selection={},
        setting=practice.write_off,
        rule_values=terms.numbers_of(practice),
        as_of=today,
        posting_date=today,
    )
