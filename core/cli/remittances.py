"""`settle remittances`: list payers' answers, and match, post or ignore those that are held."""

from typing import Any, Final

import click

from core.cli import formats, options
from core.cli.client import Api
from core.cli.postings import posting_date_option
from core.cli.user_command import user_command
from core.counting import counted
from core.enums.ledger import GroupCode
from core.enums.remittances import Outcome, RuleAction
from core.money import format_cents
from core.reading import as_sentence
from core.x12.code_labels import adjustment, labeled

_REMITTANCE: Final = options.RecordNumber("remittance", where="to find it, run `settle remittances list`")
_CLAIM: Final = options.RecordNumber("claim", where="to find it, run `settle remittances claims`")
_DEFAULT: Final = "default"
_remittance_argument = click.argument("remittance", type=_REMITTANCE)
_claim_argument = click.argument("ordinal", metavar="PLACE", type=_CLAIM)


@click.group()
def remittances() -> None:
    """List remittances (835), and match, post or ignore the claims that are held."""


def _describe(one: dict[str, Any]) -> str:
    counts = ", ".join(f"{count:,} {name.replace('_', ' ')}" for name, count in sorted(one["outcomes"].items()))
    day = formats.day(one["paid_on"]) if one["paid_on"] else "no date"
    held = f" Held: {one['held_because']}." if one["held_because"] else ""
    return f"{one['id']}  {day}  {one['payer']}, {one['trace']}: {format_cents(one['paid_cents'])}, {counts}.{held}"


def _describe_details(one: dict[str, Any]) -> str:
    adjustments = (
        f"  Provider adjustment {labeled(given['reason'], 'provider')}, {given['reference']}: "
        f"{format_cents(-given['cents'])}"
        for given in one["provider_adjustments"]
    )
    return "\n".join([_describe(one), *_explain(one), f"  Claims {format_cents(one['claims_cents'])}", *adjustments])


def _explain(one: dict[str, Any]) -> list[str]:
    """Return a line for each reason: the place in the file, what is wrong, and the cure."""
    lines = []
    for why in one["why"]:
        wrong = f"{why['words']}: {why['detail']}" if why["detail"] else why["words"]
        cure = [as_sentence(why["cure"])] if why["cure"] else []
        lines.append("  " + " ".join([*(f"{place}:" for place in why["places"]), as_sentence(wrong), *cure]))
    return lines


def _describe_answer(one: dict[str, Any], *, head: str = "", patient: str = "") -> str:
    words = "; ".join(one["words"])
    claim = f" (claim {one['claim']})" if one["claim"] not in (None, one["claim_number"]) else ""
    return (
        f"{one['remittance_id']} {one['ordinal']}  {head}{one['claim_number']}{claim}{patient}: charge "
        f"{_amount(one['charge_cents'])}, payment {_amount(one['paid_cents'])}, "
        f"{one['outcome'].replace('_', ' ')}{f': {words}' if words else ''}"
    )


def _amount(cents: int | None) -> str:
    return "unreadable" if cents is None else format_cents(cents)


def _list(answer: dict[str, Any]) -> str:
    return "\n".join(map(_describe, answer["remittances"])) or "No remittance was imported."


def _list_answers(answer: dict[str, Any]) -> str:
    return "\n".join(map(_describe_listed, answer["answers"])) or "No claim matches."


def _describe_listed(one: dict[str, Any]) -> str:
    day = formats.day(one["paid_on"]) if one["paid_on"] else "no date"
    patient = f", {one['patient_name']}" if one["patient_name"] else ""
    return _describe_answer(one, head=f"{day}  {one['payer']}, {one['trace']}  ", patient=patient)


@user_command(_list, name="list", group=remittances)
def list_remittances(api: Api) -> Any:
    """List remittances, newest first. Each line begins with the remittance ID."""
    return api.get_all("/remittances", "remittances")


@user_command(_describe_details, group=remittances)
@_remittance_argument
def show(api: Api, remittance: int) -> Any:
    """Show a remittance with its provider adjustments."""
    return api.get(f"/remittances/{remittance}")


@user_command(_list_answers, group=remittances)
@click.option("--outcome", type=options.choice(Outcome), help="Only claims with this outcome.")
@click.option("--remittance", type=_REMITTANCE, help="Only claims of this remittance.")
def claims(api: Api, outcome: str | None, remittance: int | None) -> Any:
    """List the claims that payers answered. Each line begins with the remittance ID and the claim's place in it."""
    return api.get_all("/remittance-claims", "answers", outcome=outcome, remittance=remittance)


def _describe_shown(one: dict[str, Any]) -> str:
    lines = [_describe_answer({**one, "words": []}), *_explain(one), *_compare(one)]
    for line in one["lines"]:
        ours = line["line"] or "–"
        amounts = f"{_amount(line['charge_cents'])}, payment {_amount(line['paid_cents'])}"
        lines.append(f"  Line {ours}  {line['code']}: charge {amounts}" if line["ordinal"] else "  Whole claim")
        for given in line["adjustments"]:
            words = f"{adjustment(given['group'], given['reason'])} {_amount(given['cents'])}"
            lines.append(f"    {words} {given['action']}".rstrip())
    if one["shown"]:
        lines.append(f"To post it as shown, type: settle remittances post {one['remittance_id']} {one['ordinal']} "
                     f"--shown {one['shown']}")  # fmt: skip
    return "\n".join(lines)


def _compare(one: dict[str, Any]) -> list[str]:
    """Return the patient as the payer names it, and as the matched claim does."""
    ours = one["matched_claim"]
    return [
        f"  {side}: {person}, member ID {members or 'unknown'}, {formats.day(day) if day else 'no date of service'}"
        for side, person, members, day in (
            ("Payer", one["patient_name"] or "no name", one["member_id"], one["first_on"]),
            *([("Claim", ours["patient_name"], ", ".join(ours["members"]), ours["service_on"])] if ours else []),
        )
    ]


@user_command(_describe_shown, group=remittances)
@_remittance_argument
@_claim_argument
def answer(api: Api, remittance: int, ordinal: int) -> Any:
    """Show a payer's answer on a claim as it stands now, and how to post it if it is held."""
    return api.get(f"/remittances/{remittance}/claims/{ordinal}")


@user_command(_describe_answer, group=remittances)
@_remittance_argument
@_claim_argument
@click.argument("claim")
def match(api: Api, remittance: int, ordinal: int, claim: str) -> Any:
    """Match a held answer to a claim. Then post it."""
    return api.post(f"/remittances/{remittance}/claims/{ordinal}/match", {"claim": claim})


@user_command(_describe_answer, group=remittances)
@_remittance_argument
@_claim_argument
@click.option("--shown", required=True, help="What `settle remittances answer` shows at its end.")
@posting_date_option
@click.option("--note", default="", help="Note, saved with the answer.")
def post(api: Api, remittance: int, ordinal: int, shown: str, posted_on: str | None, note: str) -> Any:
    """Post a held answer as it was shown, if its amounts add up."""
    body = {"shown": shown, "posted_on": posted_on, "note": note}
    return api.post(f"/remittances/{remittance}/claims/{ordinal}/post", body)


@user_command(
    lambda done: f"Posted: {done['posted']:,}. Still held: {done['held']:,}.",
    name="post-all",
    group=remittances,
)
@_remittance_argument
@click.option("--accept", "accepts", multiple=True, help="A code that holds the whole remittance, such as same_trace.")
@posting_date_option
def post_all(api: Api, remittance: int, accepts: tuple[str, ...], posted_on: str | None) -> Any:
    """Post the held answers of a remittance that nothing else holds, up to 200 at a time."""
    return api.post(f"/remittances/{remittance}/post", {"accepts": list(accepts), "posted_on": posted_on})


@user_command(_describe_answer, group=remittances)
@_remittance_argument
@_claim_argument
@click.option("--why", required=True, help="Reason, for anyone who looks at this later.")
def ignore(api: Api, remittance: int, ordinal: int, why: str) -> Any:
    """Take a held answer off the list without posting it."""
    return api.post(f"/remittances/{remittance}/claims/{ordinal}/ignore", {"why": why})


@user_command(_describe_answer, group=remittances)
@_remittance_argument
@_claim_argument
def hold(api: Api, remittance: int, ordinal: int) -> Any:
    """Put an ignored answer back on the list of held ones."""
    return api.post(f"/remittances/{remittance}/claims/{ordinal}/hold")


@user_command(lambda done: f"Posted: {done['posted']:,}. Held for another reason: {done['held']:,}.", group=remittances)
def retry(api: Api) -> Any:
    """Match held answers to claims again, as in an import, and post those that no reason holds."""
    return api.post("/remittances/retry")


def _list_rules(answer: dict[str, Any]) -> str:
    own = sum(one["is_own"] for one in answer["rules"])
    lines = [
        f"{adjustment(one['group'], one['reason'])}: {one['action']}"
        + (f" (default: {one['default']})" if one["is_own"] else "")
        for one in answer["rules"]
    ]
    own_words = f"{counted(own, 'code')} with the practice's own rule." if own else "All codes have the default rule."
    return "\n".join([*lines, own_words])


@user_command(_list_rules, group=remittances)
def rules(api: Api) -> Any:
    """List the posting rules for adjustments, with the default of those that the practice changed."""
    return api.get("/posting-rules")


@user_command(_list_rules, group=remittances)
@click.argument("group", type=options.choice(GroupCode))
@click.argument("reason", metavar="CARC")
@click.argument("action", type=options.choice(RuleAction, _DEFAULT))
def rule(api: Api, group: str, reason: str, action: str) -> Any:
    """Change the posting rule for an adjustment, such as CO 97 track. It applies to later postings."""
    body = {"action": None if action == _DEFAULT else action}
    return api.send("PUT", f"/posting-rules/{group}/{reason}", body=body)


COMMANDS = [remittances]
