"""`settle post`: post a payment, an adjustment or a transfer manually."""

import secrets
from typing import Any, Final

import click

from core.cli import formats, options, posting_requests
from core.cli.client import Api, claim_path
from core.cli.user_command import user_command
from core.enums.ledger import GroupCode, PaidBy, Responsibility
from core.money import format_cents

posting_date_option: Final = click.option(
    "--posting-date", "--date", "posted_on", type=options.DAY, metavar="YYYY-MM-DD",
    help="A day in an open month, up to today.  [default: today]",
)  # fmt: skip


def _describe(claim: dict[str, Any]) -> str:
    if claim["request"]:
        return "\n".join(posting_requests.describe_waiting(claim["request"]))
    insurance, patient = (format_cents(claim[f"{side}_due_cents"]) for side in ("insurance", "patient"))
    lines = [f"Posted to claim {claim['id']}. Balance now: insurance {insurance}, patient {patient}."]
    if recovery := claim["took_back"]:
        lines.append(f"The posting reversed {format_cents(recovery['recovered_cents'])} in earlier write-offs.")
    if claim["restored_cents"]:
        lines.append(f"The posting restored {format_cents(claim['restored_cents'])} in earlier write-offs.")
    if claim["credit_cents"]:
        lines.append(f"The line now has a credit of {format_cents(claim['credit_cents'])}.")
    if claim["looks_like"]:
        lines.append(
            f"The same payment was posted on {formats.day(claim['looks_like']['posted_on'])}. Is it a duplicate?"
        )
    return "\n".join(lines)


@user_command(_describe)
@click.argument("claim")
@click.argument("kind", type=options.choice(["payment", "adjustment", "transfer"]))
@click.argument("cents", metavar="DOLLARS", type=options.DOLLARS)
@click.option("--responsibility", required=True, type=options.choice(Responsibility),
              help="Which balance to reduce.")  # fmt: skip
@click.option("--line", type=int, default=1, show_default=True, help="Number of the service line.")
@click.option("--paid-by", type=options.choice(PaidBy), help="Required for a payment.")
@click.option("--group-code", type=options.choice(GroupCode), help="Required for an adjustment.")
@click.option("--reason-code", metavar="CARC", help="Required for an adjustment.")
@posting_date_option
@click.option("--note", help="Note, saved with the posting.")
def post(api: Api, claim: str, cents: int, **entry: Any) -> Any:
    """Post a payment, an adjustment or a transfer to a claim.

    Above the per-claim limit, it waits for another user's approval.
    """
    given = {name: value for name, value in entry.items() if value is not None}
    body = {"amount_cents": cents, **given}
    return api.post(claim_path(claim, "/postings"), body, key=secrets.token_urlsafe(16))


def _list_ledger(answer: dict[str, Any]) -> str:
    waiting = [line for one in answer["waiting"] for line in posting_requests.describe_waiting(one)]
    return "\n".join([*map(_posting_line, answer["postings"]), *waiting]) or "The claim has no postings."


def _posting_line(row: dict[str, Any]) -> str:
    what = row["kind"].replace("_", "-")
    reverses = f" of posting {row['reverses_id']}" if row["reverses_id"] else ""
    who = (row["user"] or "import") + (f", approved by {row['approved_by']}" if row["approved_by"] else "")
    job = row["settle_job_id"] or row["origin_settle_job_id"]
    of_job = f", job {job}" if job else ""
    note = f": {row['note']}" if row["note"] else ""
    return (
        f"{row['id']}  {formats.day(row['posted_on'])}  line {row['line']}  {row['responsibility']:<9}  "
        f"{format_cents(row['amount_cents']):>12}  {what}{reverses}, by {who}{of_job}{note}"
    )


@user_command(_list_ledger)
@click.argument("claim")
def ledger(api: Api, claim: str) -> Any:
    """List the postings on a claim.

    Each line begins with the posting ID.
    """
    return api.get(claim_path(claim, "/postings"))


COMMANDS = [ledger, post]
