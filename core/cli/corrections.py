"""`settle void`, `settle refund` and `settle transfer-credit`: correct manual postings, and clear credits."""

import secrets
from typing import Any

import click

from core.cli import options
from core.cli.client import Api, claim_path
from core.cli.postings import posting_date_option
from core.cli.user_command import user_command
from core.enums.ledger import PaidBy, Responsibility
from core.money import format_cents

_SIDE = options.choice(Responsibility)
_note_option = click.option("--note", required=True, help="Reason, saved with the posting.")
_line_option = click.option("--line", type=int, default=1, show_default=True, help="The service line's number.")
_side_option = click.option("--responsibility", required=True, type=_SIDE, help="Which balance has the credit.")


def _balances(claim: dict[str, Any]) -> str:
    insurance, patient = (format_cents(claim[f"{side}_due_cents"]) for side in ("insurance", "patient"))
    return f"Balance on claim {claim['id']} now: insurance {insurance}, patient {patient}."


def _say_voided(claim: dict[str, Any]) -> str:
    lines = ["Posting voided. The posting and its void both stay in the ledger.", _balances(claim)]
    if claim["restored_cents"]:
        lines.append(f"The void restored {format_cents(claim['restored_cents'])} in earlier write-offs.")
    if claim["reversed_cents"]:
        lines.append(f"The void reversed {format_cents(claim['reversed_cents'])} in earlier write-offs.")
    return "\n".join(lines)


@user_command(_say_voided)
@click.argument("claim")
@click.argument("posting", type=options.RecordNumber("posting", where="to find it, run `settle ledger CLAIM`"))
@_note_option
@posting_date_option
def void(api: Api, claim: str, posting: int, **asked: Any) -> Any:
    """Void a payment, an adjustment or a transfer that was entered manually.

    To find the posting's number, run `settle ledger CLAIM`. Both sides of a transfer are voided together.
    """
    return _post(api, claim, f"postings/{posting}/void", asked)


def _say_moved(claim: dict[str, Any]) -> str:
    left = claim["credit_cents"]
    return "\n".join([f"Credit left on this line: {format_cents(left)}.", _balances(claim)])


@user_command(_say_moved)
@click.argument("claim")
@click.argument("cents", metavar="DOLLARS", type=options.DOLLARS)
@_side_option
@_line_option
@click.option("--to", "paid_to", required=True, type=options.choice(PaidBy),
              help="Who gets the refund.")  # fmt: skip
@_note_option
@posting_date_option
def refund(api: Api, claim: str, cents: int, **asked: Any) -> Any:
    """Refund a credit, in whole or in part.

    To find credits, run `settle credits`.
    """
    return _post(api, claim, "refunds", {"amount_cents": cents, **asked})


@user_command(_say_moved, name="transfer-credit")
@click.argument("claim")
@click.argument("cents", metavar="DOLLARS", type=options.DOLLARS)
@_side_option
@_line_option
@click.option("--to-claim", help="A different claim for the same patient.  [default: the same claim]")
@click.option("--to-line", type=int, default=1, show_default=True, help="Service line that receives the credit.")
@click.option("--to-responsibility", required=True, type=_SIDE, help="Which balance to reduce.")
@_note_option
@posting_date_option
def transfer_credit(
    api: Api, claim: str, cents: int, to_claim: str | None, to_line: int, to_responsibility: str, **asked: Any
) -> Any:
    """Transfer a credit to another balance of the same patient.

    The balance may be on the same claim or a different one.
    """
    to = {"claim_id": to_claim, "line": to_line, "responsibility": to_responsibility}
    return _post(api, claim, "credit-transfers", {"amount_cents": cents, "to": to, **asked})


def _post(api: Api, claim: str, what: str, body: dict[str, Any]) -> Any:
    return api.post(claim_path(claim, f"/{what}"), body, key=secrets.token_urlsafe(16))


COMMANDS = [void, refund, transfer_credit]
