"""Print a job's frozen preview, before CONFIRM and before an approval."""

from typing import Any, Final

from sqlalchemy.orm import Session

from core.counting import counted
from core.jobs import codes, job_queries
from core.jobs.approval import decide, limits, requesters
from core.jobs.preview import cost_share, stale
from core.jobs.preview.totals import CodeCount, Group, PreviewTotals
from core.models.jobs import JobKind, JobStatus, SettleJob
from core.money import format_cents

GROUPS_SHOWN: Final = 10  # payers or providers, largest first; --json has more


def preview_facts(session: Session, job: SettleJob) -> dict[str, Any]:
    """Return the preview, its requesters and the exceeded limits as JSON."""
    names = job_queries.names_of_users(session, job.practice_id, (*requesters.requester_ids(job), job.decided_by))
    let_run = job.approval_requested_at or job.confirmed_at
    expires_at = decide.expires_at(job) if job.status is JobStatus.AWAITING_APPROVAL else None
    totals = _totals(job)
    return {
        "id": str(job.id),
        "status": job.status.value,
        "kind": job.kind.value,
        "target_status": job.target_status,
        "reason": job.reason.value if job.reason else None,
        "note": job.note,
        "posting_date": job.posting_date.isoformat(),
        "requested_by": names.get(job.requested_by),
        "confirmed_by": names.get(job.confirmed_by or 0) if let_run else None,
        "asked_by": names.get(requesters.accountable_user(job)),
        "decided_by": names.get(job.decided_by or 0),
        "expires_at": expires_at.isoformat() if expires_at else None,
        "include": list(job.overridden_rules),
        "over": [
            one.model_dump(mode="json") | {"sentence": one.sentence} for one in limits.describe(job.limits_exceeded)
        ],
        "cost_share_reason": cost_share.reason_of(job),
        "changed_since_preview": stale.count(session, job),
        **(totals.model_dump(mode="json") if totals else {}),
    }


def format_preview(session: Session, job: SettleJob) -> str:
    """Return the preview as text."""
    totals = _totals(job)
    if totals is None:
        return f"Job {job.id} is being prepared."
    lines = [_first_line(job, totals)]
    lines += [_code_line(count) for count in totals.by_code]
    if totals.in_other_jobs:
        are, them = ("is", "it") if totals.in_other_jobs == 1 else ("are", "them")
        lines.append(
            f"  {totals.in_other_jobs:,} of them {are} also in another unfinished job. "
            f"The job that runs first settles {them}."
        )
    if totals.with_money:
        lines += [*_groups("payer", totals.by_payer), *_groups("billing provider", totals.by_provider)]
    lines += [f"  {one}." for one in (*_request_lines(session, job), *_cost_share(job))]
    if changed := stale.describe(job, stale.count(session, job)):
        lines.append(f"  {changed}")
    if job.limits_exceeded:
        waits = job.status is JobStatus.AWAITING_APPROVAL
        when = "It needs" if waits else "After CONFIRM, it needs"
        lines.append(f"  {when} another user's approval, because it is over a limit:")
        lines += [f"    {one.sentence}" for one in limits.describe(job.limits_exceeded)]
    return "\n".join(lines)


def _totals(job: SettleJob) -> PreviewTotals | None:
    return PreviewTotals.model_validate(job.preview) if job.preview is not None else None


def _first_line(job: SettleJob, totals: PreviewTotals) -> str:
    if job.kind is JobKind.REVERSE:
        begins, moves = f"Job {job.id} reverses job {job.reverses_job_id}", "will return to an earlier status"
        verb = "reversing"
    else:
        begins, moves = f"Job {job.id}", f"will move to {job.target_status}"
        verb = "posting"
    money = (
        f", {verb} {counted(totals.write_offs, 'write-off')} totaling "
        f"{format_cents(totals.insurance_cents + totals.patient_cents)} "
        f"(insurance {format_cents(totals.insurance_cents)}, patient {format_cents(totals.patient_cents)})"
        if totals.write_offs
        else ""
    )
    return f"{begins}: {counted(totals.claims, 'claim')}; {totals.will_settle:,} {moves}{money}."


def _code_line(count: CodeCount) -> str:
    against = ""
    if count.overridden:
        against = f", overridden: {format_cents(count.insurance_cents + count.patient_cents)}"
    return f"  {count.claims:>10,}  {count.action}  {count.code}: {codes.describe(count.code)}{against}"


def _groups(what: str, groups: list[Group]) -> list[str]:
    shown = [
        f"    {format_cents(group.insurance_cents + group.patient_cents):>14}  {group.name}, "
        f"{counted(group.claims, 'claim')}"
        for group in groups[:GROUPS_SHOWN]
    ]
    more = [f"    and {len(groups) - GROUPS_SHOWN:,} more"] if len(groups) > GROUPS_SHOWN else []
    return [f"  By {what}:", *shown, *more] if shown else []


def _request_lines(session: Session, job: SettleJob) -> list[str]:
    """Return lines with the requester, reason, posting date and overridden rules."""
    names = job_queries.names_of_users(session, job.practice_id, requesters.requester_ids(job))
    lines = [f"Requested by {names.get(job.requested_by, 'an unknown user')}"]
    if job.approval_requested_at or job.confirmed_at:
        lines.append(f"Confirmed by {names.get(job.confirmed_by or 0, 'an unknown user')}")
    if job.reason is not None:
        lines.append(f"Reason: {job.reason.replace('_', ' ')}. Posting date: {job.posting_date:%m/%d/%Y}")
    if job.note:
        lines.append(f"Note: {job.note}")
    if job.overridden_rules:
        lines.append(f"Overridden rules: {'; '.join(map(codes.describe, job.overridden_rules))}")
    return lines


def _cost_share(job: SettleJob) -> list[str]:
    share = cost_share.as_previewed(job)
    given = cost_share.reason_of(job)
    reason = [f"Reason for writing it off: {given}"] if given else []
    return [share.sentence(), *reason] if share else []
