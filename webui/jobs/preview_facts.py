"""Facts for the pages and the dialog of a job that awaits CONFIRM: its totals, its claims and the exceeded limits."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy.orm import Session
from werkzeug.datastructures import MultiDict

from core import paging, reading
from core.access.permissions import Action
from core.enums.job_items import Verdict
from core.enums.jobs import JobKind, JobStatus
from core.jobs import codes, commands, job_queries, large_confirm, posting_month, requesters, stale
from core.jobs.approval import limits, without_approval
from core.jobs.approval.limits import LimitExceeded
from core.jobs.keys import JobKey
from core.jobs.preview import open_balances, selections
from core.jobs.preview.freezing import PREVIEW_EXPIRES_AFTER, is_expired
from core.jobs.preview.totals import PreviewTotals
from core.jobs.results import item_groups, outcomes
from core.jobs.results.item_groups import ItemGroup
from core.jobs.results.outcomes import ItemRow
from core.models.jobs import SettleJob
from core.policy import rule_scope
from core.policy.rules import RULES_BY_CODE, skip_rules_on_and_off
from core.reading import NOTE_CHARACTERS_MAX
from webui.claims.feed_columns import SHORT_LABELS
from webui.jobs.job_labels import CONFIRM_LABELS
from webui.shared.app_context import now
from webui.shared.auth import current_actor, current_day

LEFT_OUT_SHOWN: Final = 5  # skipped claims named in a reversal's sentence; the table has all
ROWS: Final = 200  # claims of the preview shown at a time


@dataclass(frozen=True)
class ClaimTable:
    """A page of the preview's claims, and where the next page begins."""

    rows: list[ItemRow]
    verdict: Verdict | None
    over: bool  # only claims over the limit for one claim
    code: str | None  # only claims that this rule decided
    group: ItemGroup
    next: int | None
    after: int


def preview_page_facts(db: Session, job: SettleJob, args: MultiDict[str, str]) -> dict[str, Any]:
    """Return the facts for the page of a job that awaits CONFIRM."""
    if job.status is JobStatus.PREPARING or job.preview is None:
        return {"waited": now() - job.requested_at, **dialog_labels(job)}
    over, changed = limits_exceeded_now(db, job), stale.count(db, job)
    alone = without_approval.choice_now(db, job, confirmer=_confirmer(job), exceeds=bool(over), now=now())
    names = job_queries.names_of_users(db, job.practice_id, [job.requested_by, alone and alone.by])
    return {
        "alone": alone,
        "alone_name": names.get(alone.by) if alone else None,
        "changed": changed,
        "changed_words": stale.describe(job, changed),
        "totals": PreviewTotals.model_validate(job.preview),
        "rules": skip_rules_on_and_off(
            job.kind, job.rule_values, reason=job.reason, scheduled=job.schedule_id is not None
        ),
        "rules_not_applied": rule_scope.rules_not_applied(RULES_BY_CODE, job.setting, job.provider_settings.values()),
        **open_balance_facts(job),
        **preview_claims_facts(db, job, args),
        "expired": is_expired(job, now=now()),
        "expires_at": job.previewed_at and job.previewed_at + PREVIEW_EXPIRES_AFTER,
        "short": SHORT_LABELS,
        "cost_share_max": NOTE_CHARACTERS_MAX,
        "left_out": _claims_left_out(db, job),
        "next_open_date": posting_month.next_open_date_if_closed(db, job),
        "today": current_day(),
        "needs_verification": large_confirm.needs_verification(db, job),
        "over": limits.describe(over, whose=whose_limit({job.requested_by, _confirmer(job)}, names)),
        "approvers": [user.name for user in requesters.approvers(db, job, confirmer=_confirmer(job), now=now())],
    }


def preview_claims_facts(db: Session, job: SettleJob, args: MultiDict[str, str]) -> dict[str, Any]:
    """Return the facts for a list of the preview's claims."""
    return {
        "claims": preview_claims_table(db, job, args),
        **claim_limit_facts(db, job, limits_exceeded_now(db, job)),
        **dialog_labels(job),
    }


def open_balance_facts(job: SettleJob) -> dict[str, Any]:
    """Return the facts about balances that stay open. The filter is None if the user picked the claims."""
    selection, frozen = selections.origin(job), (job.preview or {}).get("stays_open") or {}
    return {
        "open_words": open_balances.describe(job),
        "open_insurance": frozen.get("insurance_claims", 0),
        "open_filter": {} if selection.get("all") else selection.get("filter"),
    }


def limits_exceeded_now(db: Session, job: SettleJob) -> list[LimitExceeded]:
    """Return the exceeded limits: the frozen ones, or before CONFIRM those that this user would exceed."""
    previewed = job.status is JobStatus.PREVIEWED
    return limits.if_confirmed_by(db, job, by=_confirmer(job), now=now()) if previewed else job.limits_exceeded


def whose_limit(requester_ids: Collection[int], names: Mapping[int, str]) -> str:
    """Return whose own limits apply to a job, as this user reads it.

    With two requesters, the stricter limit applies, and it could be either's.
    """
    if len(requester_ids) > 1:
        return codes.ANY_USER
    (requester_id,) = requester_ids
    if requester_id == current_actor().user_id:
        return "your"
    return f"{names[requester_id]}'s" if requester_id in names else codes.ANY_USER


def claim_limit_facts(db: Session, job: SettleJob, over: Sequence[LimitExceeded]) -> dict[str, Any]:
    """Return the limit for one claim, and how many claims exceed it."""
    counts = [one["claims"] for one in over if one["code"] in limits.PER_CLAIM_LIMITS]
    return {"claim_limit": _claim_limit(db, job), "over_claims": max(counts, default=0)}


def _claim_limit(db: Session, job: SettleJob) -> int:
    previewed = job.status is JobStatus.PREVIEWED
    return limits.per_claim_cents(
        limits.for_confirmer(db, job, _confirmer(job), now=now()) if previewed else job.limits
    )


def _confirmer(job: SettleJob) -> int:
    """Return who would confirm it: this user, or the requester if this user may not."""
    actor = current_actor()
    return actor.user_id if commands.may(actor, job, Action.CONFIRM_JOB) else job.requested_by


def dialog_labels(job: SettleJob) -> dict[str, Any]:
    """Return the dialog's labels by the job's kind, and what this user may do."""
    actor = current_actor()
    return {
        "w": CONFIRM_LABELS[job.kind],
        "settles": job.kind is JobKind.SETTLE,
        "reverses": job.kind is JobKind.REVERSE,
        "money": job.kind is JobKind.SETTLE or (job.kind is JobKind.REVERSE and _moves_money(job)),
        "rows_max": ROWS,
        "may_confirm": commands.may(actor, job, Action.CONFIRM_JOB),
        "may_discard": commands.may(actor, job, Action.PREVIEW_JOB),
    }


def _moves_money(job: SettleJob) -> bool:
    """Return whether the reversal posts anything. The reversal of a status change does not."""
    return job.preview is not None and PreviewTotals.model_validate(job.preview).with_money > 0


def _claims_left_out(db: Session, job: SettleJob) -> list[str]:
    """Return the numbers of the first claims that a reversal skips."""
    if job.kind is not JobKind.REVERSE:
        return []
    rows = outcomes.items(db, JobKey(job.practice_id, job.id), verdict=Verdict.SKIP, limit=LEFT_OUT_SHOWN)
    return [row.claim_id for row in rows]


def preview_claims_table(db: Session, job: SettleJob, args: MultiDict[str, str]) -> ClaimTable:
    """Return the requested claims: with a verdict, or over the limit for one claim, after a position."""
    wanted = args.get("verdict")
    verdict = Verdict(wanted) if wanted in set(Verdict) else None
    position = reading.number(args.get("after", "")) or 0
    above = limits.is_over_claim_limit(_claim_limit(db, job)) if args.get("over") else None
    key = JobKey(job.practice_id, job.id)
    code, group = args.get("code") or None, item_groups.of_query(db, job.practice_id, args)
    rows = outcomes.items(
        db, key, verdict=verdict, code=code, where=above, group=group, after_position=position, limit=ROWS + 1
    )
    shown, last = paging.cut(rows, ROWS)
    return ClaimTable(shown, verdict, above is not None, code, group, last.position if last else None, position)
