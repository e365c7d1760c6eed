"""List the jobs and postings that need approval."""

from typing import Any

from core.cli import formats, posting_requests
from core.cli.client import Api
from core.cli.user_command import user_command
from core.money import format_cents


def _format_lists(answer: dict[str, Any]) -> str:
    lines = []
    for what, heading in (
        ("waiting_for_me", "Needs your approval"),
        ("waiting_for_others", "Your jobs and postings that need approval"),
    ):
        lines.append(f"{heading}: {len(answer[what]) + len(answer[f'postings_{what}']) or 'none'}")
        for job in answer[what]:
            cents = job["totals"]["insurance_cents"] + job["totals"]["patient_cents"]
            until = f"requested by {job['accountable_user']}, expires {formats.moment(job['approval_expires_at'])}"
            lines.append(f"  Job {job['id']}: {format_cents(cents)}, {until}")
            lines += [f"    {one['sentence']}" for one in job["over"]]
            lines += [f"    {job['changed_words']}"] if job["changed_words"] else []
        for one in answer[f"postings_{what}"]:
            lines += [f"  {line}" for line in posting_requests.describe_waiting(one)]
    lines += [f"Decided: {_describe_decision(job)}" for job in answer["decided"]]
    return "\n".join(lines + [f"Decided: {posting_requests.describe(one)}" for one in answer["postings_decided"]])


def _describe_decision(job: dict[str, Any]) -> str:
    if job["decided_by"] is None:
        return f"job {job['id']} expired because it was not approved within 7 days"
    if job["status"] == "discarded":
        return f"job {job['id']} was discarded by {job['decided_by']}"
    if not job["decision_note"]:
        return f"job {job['id']} was approved by {job['decided_by']}"
    return f"job {job['id']} was rejected by {job['decided_by']}: {job['decision_note']}"


@user_command(_format_lists)
def approvals(api: Api) -> Any:
    """List jobs and postings that need approval.

    Show those that you may approve, your own that need approval, and the decisions on yours in the last 7 days.
    """
    return api.get("/approvals")


COMMANDS = [approvals]
