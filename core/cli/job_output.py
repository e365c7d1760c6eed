"""Print a job's frozen preview, before CONFIRM and before an approval."""

from typing import Any, Final

from core.cli import formats
from core.counting import counted
from core.money import format_cents

NUMBERS_SHOWN: Final = 20  # of a list, that were not found; --json has all
GROUPS_SHOWN: Final = 10  # payers or providers, largest first; --json has more


def format_preview(job: dict[str, Any]) -> str:
    """Return the preview as text."""
    counts, totals = job["counts"], job["totals"]
    if counts is None:
        return f"Job {job['id']} is being prepared."
    lines = [*_not_found(job), _first_line(job), *map(_code_line, totals["by_code"])]
    if others := counts["in_other_jobs"]:
        are, them = ("is", "it") if others == 1 else ("are", "them")
        lines.append(
            f"  {others:,} of them {are} also in another unfinished job. The job that runs first settles {them}."
        )
    if counts["with_money"]:
        lines += [*_groups("payer", totals["by_payer"]), *_groups("billing provider", totals["by_provider"])]
    lines += [f"  {one}." for one in (*_request_lines(job), *_cost_share(job))]
    lines += [f"  {one}" for one in setting_lines(job)]
    if job["changed_words"]:
        lines.append(f"  {job['changed_words']}")
    if job["over"]:
        lines.append(f"  {_approval(job)}:")
        lines += [f"    {one['sentence']}" for one in job["over"]]
    return "\n".join(lines)


def _approval(job: dict[str, Any]) -> str:
    if chosen := job["without_approval"]:
        when = "After CONFIRM, it runs" if job["status"] == "previewed" else "It ran"
        return f"{when} without a second person, as {chosen['chosen_by'] or 'a user'} chose for this practice"
    when = "It needs" if job["status"] == "awaiting_approval" else "After CONFIRM, it needs"
    return f"{when} another user's approval"


def _not_found(job: dict[str, Any]) -> list[str]:
    """Return a line for each number of a list that was not found. Only a new job has them."""
    missing = job.get("not_found", ())
    near = [one for one in missing if one["did_you_mean"]]
    shown = [*near, *(one for one in missing if not one["did_you_mean"])][:NUMBERS_SHOWN]
    lines = [f"{counted(len(missing), 'claim number')} not found:"] if missing else []
    lines += [f"  {one['claim_number']}{_did_you_mean(one['did_you_mean'])}" for one in shown]
    return [*lines, *([f"  and {len(missing) - len(shown):,} more"] if len(missing) > len(shown) else [])]


def _did_you_mean(claim_ids: list[str]) -> str:
    return f" (did you mean {' or '.join(claim_ids)}?)" if claim_ids else ""


def setting_lines(job: dict[str, Any]) -> list[str]:
    """Return what the Balance Writeoff setting does not write off: a line for $0.00, and one for open balances."""
    return [*_neither(job), *filter(None, [job.get("open_words")])]


def _neither(job: dict[str, Any]) -> list[str]:
    """Return a sentence if the job writes nothing off because the setting is Neither."""
    counts = job["counts"] or {"will_settle": 0}
    if job["kind"] != "settle" or job["setting"] != "neither" or not counts["will_settle"] or counts["write_offs"]:
        return []
    return ["The Balance Writeoff setting is Neither, so this writes off $0.00."]


def job_title(job: int | str, name: str) -> str:
    """Return the job's number and name: "Job 7 (Year-end)"."""
    return f"Job {job} ({name})" if name else f"Job {job}"


def _first_line(job: dict[str, Any]) -> str:
    counts, totals = job["counts"], job["totals"]
    begins, moves, verb = job_title(job["id"], job["name"]), f"will move to {job['target_status']}", "posting"
    if job["kind"] == "reverse":
        begins, moves = f"{begins} reverses job {job['reverses_job_id']}", "will return to an earlier status"
        verb = "reversing"
    money = ""
    if counts["write_offs"]:
        insurance, patient = totals["insurance_cents"], totals["patient_cents"]
        money = (
            f", {verb} {counted(counts['write_offs'], 'write-off')} totaling {format_cents(insurance + patient)} "
            f"(insurance {format_cents(insurance)}, patient {format_cents(patient)})"
        )
    return f"{begins}: {counted(counts['claims'], 'claim')}; {counts['will_settle']:,} {moves}{money}."


def _code_line(count: dict[str, Any]) -> str:
    against = f", overridden: {_money(count)}" if count["overridden"] else ""
    return f"  {count['claims']:>10,}  {count['action']}  {count['code']}: {count['words']}{against}"


def _groups(what: str, groups: list[dict[str, Any]]) -> list[str]:
    shown = [
        f"    {_money(group):>14}  {group['name']}, {counted(group['claims'], 'claim')}"
        for group in groups[:GROUPS_SHOWN]
    ]
    more = [f"    and {len(groups) - GROUPS_SHOWN:,} more"] if len(groups) > GROUPS_SHOWN else []
    return [f"  By {what}:", *shown, *more] if shown else []


def _money(row: dict[str, Any]) -> str:
    return format_cents(row["insurance_cents"] + row["patient_cents"])


def _request_lines(job: dict[str, Any]) -> list[str]:
    """Return lines with the requester, reason, posting date and overridden rules."""
    lines = [f"Requested by {job['requested_by'] or 'an unknown user'}", f"Selection: {job['selection_words']}"]
    if job["approval_asked_at"] or job["confirmed_at"]:
        lines.append(f"Confirmed by {job['confirmed_by'] or 'an unknown user'}")
    if job["reason"]:
        lines.append(f"Reason: {job['reason_name']}. Posting date: {formats.day(job['posting_date'])}")
    if job["note"]:
        lines.append(f"Note: {job['note']}")
    if job["include"]:
        lines.append(f"Overridden rules: {'; '.join(job['include_words'])}")
    return lines


def _cost_share(job: dict[str, Any]) -> list[str]:
    share, given = job["totals"]["cost_share"], job["cost_share_reason"]
    return [share["sentence"], *([f"Reason for writing it off: {given}"] if given else [])] if share else []
