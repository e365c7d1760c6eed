"""The reconciliation certificate: what a finished job did to accounts receivable, and under which rules."""

import datetime as dt
import hashlib
from typing import Any, Final

from pydantic import BaseModel
from sqlalchemy import and_, func, literal, select
from sqlalchemy.dialects.postgresql import aggregate_order_by
from sqlalchemy.orm import Session

from core.enums.job_items import Outcome
from core.enums.jobs import FINAL_STATUSES, JobKind, JobStatus
from core.errors import Refusal
from core.jobs import job_queries, reversed_totals
from core.jobs.approval import limits, without_approval
from core.jobs.approval.limits import OverLimit
from core.jobs.approval.without_approval import WithoutApproval
from core.jobs.execution import reconcile
from core.jobs.keys import JobKey
from core.jobs.preview import cost_share, selections
from core.jobs.preview.cost_share import CostShare
from core.jobs.preview.groups import Group, group_rows
from core.ledger import recoveries
from core.models.claims import Claim
from core.models.job_items import JobChunk, JobItem
from core.models.jobs import SettleJob
from core.models.practices import Practice
from core.policy.rule_scope import rules_not_applied
from core.policy.rules import skip_rules_on_and_off

_LATE_PAYMENTS_MAX: Final = 200  # listed one by one; the sums cover all
_HASHED_TOGETHER: Final = 10_000  # items whose lines are hashed as one text, to limit the size of the text


class NotFinished(Refusal):
    """Only a completed or canceled job has a certificate."""

    code = "job_not_finished"


class Money(BaseModel):
    """Cents by responsibility."""

    insurance_cents: int
    patient_cents: int
    total_cents: int


class LatePayment(BaseModel):
    """A payment, adjustment or transfer after the job, and how much of the write-off it reversed."""

    kind: str
    claim_id: str
    line: int
    responsibility: str
    posted_on: dt.date
    amount_cents: int
    recovered_cents: int  # of this job's write-off; the rest of the amount paid the balance or became a credit


class Since(BaseModel):
    """What happened to the write-offs after the job. The job's own sums do not change.

    Written off − reversed − recovered − replaced = still written off.
    """

    written_off_cents: int
    reversed_cents: int  # by reversals of this job
    payments: int
    recovered_cents: int  # by payments after the write-off
    replaced_cents: int  # by adjustments and transfers after the write-off
    still_written_off_cents: int
    first: list[LatePayment]  # the first 200, in the order of posting


class RulesNotApplied(BaseModel):
    """Rules that cannot skip a claim, because the job leaves open the balance that they check."""

    sentence: str
    codes: list[str]


class Certificate(BaseModel):
    """What a finished job did. Receivable before − written off = after. A reversal adds instead."""

    practice: str
    job_id: str
    name: str  # a label that users may change; no evidence, and part of no digest
    kind: str
    status: str
    reverses_job_id: str | None
    target_status: str
    requested_by: str
    requested_at: dt.datetime
    confirmed_by: str | None
    confirmed_at: dt.datetime | None
    approved_by: str | None  # the approver of a job over a limit
    approved_at: dt.datetime | None
    without_approval: WithoutApproval | None  # who chose that it runs without a second person
    over: list[OverLimit]  # exceeded limits
    started_at: dt.datetime | None
    finished_at: dt.datetime | None
    selection_words: str  # what the request selected
    filter: dict[str, Any]  # the keys and values that chose the claims; empty if no filter did
    posting_date: dt.date
    reason: str | None  # the built-in kind
    reason_name: str | None  # the practice's name for it at the preview
    adjustment_code: str
    note: str
    cost_share: CostShare | None  # None if the job wrote off no cost sharing
    cost_share_reason: str
    setting: str
    provider_settings: dict[str, str]
    rules: list[str]  # in effect, in order
    rules_off: list[str]  # turned off by the practice's numbers, or not for the job's reason
    rules_not_applied: list[RulesNotApplied]
    rules_overridden: list[str]
    rule_values: dict[str, Any]
    total: int
    settled: int
    skipped: int
    failed: int
    not_processed: int
    by_code: dict[str, int]
    receivable_before: Money  # of the settled claims
    written_off: Money  # restored, for a reversal
    receivable_after: Money
    by_payer: list[Group]
    by_provider: list[Group]
    items_sha256: str | None  # None if the user does not compare fingerprints
    since: Since | None  # None unless the job settles
    reconciles: bool


def for_job(session: Session, key: JobKey, *, fingerprint: bool = True) -> Certificate:
    """Return the certificate of an ended job, with or without `items_sha256`. Raise `NotFound` and `NotFinished`."""
    job = job_queries.find(session, key)
    if job.status not in FINAL_STATUSES or job.confirmed_at is None:
        raise NotFinished
    users = (job.requested_by, job.confirmed_by, job.decided_by, job.without_approval_chosen_by)
    names = job_queries.names_of_users(session, key.practice_id, users)
    chunks = _sums(session, key)
    before, moved, after = (_money(chunks, suffix) for suffix in ("before_cents", "cents", "after_cents"))
    settled = group_rows(session, key, JobItem.outcome == Outcome.SETTLED)
    sign = -1 if job.kind is JobKind.REVERSE else 1
    agrees = before.total_cents - sign * moved.total_cents == after.total_cents
    done = chunks["settled"] + chunks["skipped"] + chunks["failed"]
    return Certificate(
        practice=session.get_one(Practice, key.practice_id).name,
        job_id=str(job.id),
        name=job.name,
        kind=job.kind.value,
        status=job.status.value,
        reverses_job_id=str(job.reverses_job_id) if job.reverses_job_id else None,
        target_status=job.target_status,
        **_who_and_when(job, names),
        over=limits.describe(job.limits_exceeded),
        selection_words=selections.describe(job),
        filter=selections.origin(job).get("filter") or {},
        posting_date=job.posting_date,
        reason=job.reason.value if job.reason else None,
        reason_name=job.reason_name,
        adjustment_code=job.practice_reason.get("adjustment_code", ""),
        note=job.note,
        cost_share=cost_share.written_off_by_job(job, settled.payers),
        cost_share_reason=cost_share.reason_of(job),
        setting=job.setting.value,
        provider_settings=job.provider_settings,
        **_rules(job),
        total=job.claims_total or 0,
        settled=chunks["settled"],
        skipped=chunks["skipped"],
        failed=chunks["failed"],
        not_processed=(job.claims_total or 0) - done,
        by_code=_codes(session, key),
        receivable_before=before,
        written_off=moved,
        receivable_after=after,
        by_payer=settled.by_payer(),
        by_provider=settled.by_provider(),
        items_sha256=items_hash(session, key) if fingerprint else None,
        since=_changes_since(session, key, moved.total_cents) if job.kind is JobKind.SETTLE else None,
        reconciles=agrees and not _find_discrepancies(session, job),
    )


def _who_and_when(job: SettleJob, names: dict[int, str]) -> dict[str, Any]:
    return {
        "requested_by": names.get(job.requested_by, "the system"),
        "requested_at": job.requested_at,
        "confirmed_by": names.get(job.confirmed_by) if job.confirmed_by else None,
        "confirmed_at": job.approval_requested_at or job.confirmed_at,  # by the requester; an approved job ran later
        "approved_by": names.get(job.decided_by) if job.decided_by else None,
        "approved_at": job.decided_at,
        "without_approval": without_approval.describe(without_approval.recorded_choice(job), names),
        "started_at": job.started_at,
        "finished_at": job.finished_at,
    }


def _rules(job: SettleJob) -> dict[str, Any]:
    on, off = skip_rules_on_and_off(job.kind, job.rule_values, reason=job.reason, scheduled=job.schedule_id is not None)
    groups = rules_not_applied(on, job.setting, job.provider_settings.values()) if job.kind is JobKind.SETTLE else []
    not_applied = {code for group in groups for code in group.codes}
    return {
        "rules": [code for code in on if code not in not_applied], "rules_off": off,
        "rules_not_applied": [RulesNotApplied(**group._asdict()) for group in groups],
        "rules_overridden": list(job.overridden_rules), "rule_values": job.rule_values,
    }  # fmt: skip


def _changes_since(session: Session, key: JobKey, written_off_cents: int) -> Since:
    late = recoveries.recoveries_of_job(session, key.practice_id, key.job_id)
    reversals = reversed_totals.for_jobs(session, key.practice_id, [key.job_id]).get(key.job_id)
    reversed_cents = reversals.cents if reversals else 0
    return Since(
        written_off_cents=written_off_cents,
        reversed_cents=reversed_cents,
        **late._asdict(),
        still_written_off_cents=written_off_cents - reversed_cents - late.recovered_cents - late.replaced_cents,
        first=[
            LatePayment(
                kind=one.kind.value, claim_id=one.claim_id, line=one.line, responsibility=one.responsibility.value,
                posted_on=one.posted_on, amount_cents=one.amount_cents, recovered_cents=one.recovered_cents,
            )
            for one in recoveries.list_for_job(session, key.practice_id, key.job_id, limit=_LATE_PAYMENTS_MAX)
        ],
    )  # fmt: skip


def _find_discrepancies(session: Session, job: SettleJob) -> list[str]:
    """Return the totals that differ. A canceled job may have unprocessed claims; all else must agree."""
    faults = reconcile.find_discrepancies(session, job)
    return [fault for fault in faults if not (job.status is JobStatus.CANCELLED and fault == "items_and_total")]


def _sums(session: Session, key: JobKey) -> dict[str, int]:
    names = [
        "settled", "skipped", "failed", "insurance_cents", "patient_cents", "insurance_before_cents",
        "patient_before_cents", "insurance_after_cents", "patient_after_cents",
    ]  # fmt: skip
    sums = select(*(func.coalesce(func.sum(getattr(JobChunk, name)), 0).label(name) for name in names))
    return {name: int(value) for name, value in session.execute(sums.where(*key.of(JobChunk))).one()._mapping.items()}


def _money(sums: dict[str, int], suffix: str) -> Money:
    insurance, patient = sums[f"insurance_{suffix}"], sums[f"patient_{suffix}"]
    return Money(insurance_cents=insurance, patient_cents=patient, total_cents=insurance + patient)


def _codes(session: Session, key: JobKey) -> dict[str, int]:
    coded = select(JobItem.code, func.count()).where(*key.of(JobItem), JobItem.code.is_not(None))
    return {code: count for code, count in session.execute(coded.group_by(JobItem.code).order_by(JobItem.code)) if code}


def items_hash(session: Session, key: JobKey) -> str:
    """Return a SHA-256 over the frozen items in order, with a line "position|claim|version|verdict|cents|cents" each.

    The claim is the practice's own number. Each block of 10,000 positions is hashed as lower-case hex, and the hex
    digests are hashed together.
    """
    block = func.div(JobItem.position - 1, _HASHED_TOGETHER).label("block")
    line = func.concat_ws(
        "|", JobItem.position, Claim.external_id, JobItem.claim_version, JobItem.verdict, JobItem.insurance_cents,
        JobItem.patient_cents,
    )  # fmt: skip
    lines = func.string_agg(line, aggregate_order_by(literal("\n"), JobItem.position))
    of_item = and_(Claim.practice_id == JobItem.practice_id, Claim.id == JobItem.claim_id)
    digest = func.encode(func.sha256(func.convert_to(lines, "UTF8")), "hex")
    blocks = select(digest).join_from(JobItem, Claim, of_item).where(*key.of(JobItem)).group_by(block).order_by(block)
    together = hashlib.sha256()
    for text in session.scalars(blocks):
        together.update(text.encode())
    return together.hexdigest()
