"""Spread what an answer says of the whole claim over its lines: the largest open line first, none below zero."""

from core.enums.remittances import RuleAction
from core.intake.remittances.answers import Answer
from core.intake.remittances.decision import LineMoney
from core.intake.remittances.our_claim import OurClaim


def spread_over_lines(answer: Answer, claim: OurClaim, money: dict[int, LineMoney]) -> list[str]:
    """Add the claim level to each line's money. Return the codes of a warning or of why it cannot be done.

    With service lines, the payer's payments on them are before the claim-level adjustments. So each adjustment lowers
    the payment of a line. Without, the payment and the adjustments go to the open insurance balances.
    """
    given = [one for one in answer.whole.adjustments if one.cents]
    if answer.lines:
        amounts = [(one.action, one.group, one.reason, one.cents) for one in given]
        room = {number: one.paid for number, one in money.items()}
    else:
        paid = [("", "", "", answer.paid_cents)] * bool(answer.paid_cents)
        moving = [one for one in given if one.action in (RuleAction.POST, RuleAction.TRANSFER)]
        amounts = [*paid, *((one.action, one.group, one.reason, one.cents) for one in moving)]
        room = {line.number: max(0, line.insurance_open) for line in claim.lines}
    if any(cents < 0 for *_, cents in amounts):
        return ["negative_claim_level"]
    for action, group, reason, cents in amounts:
        parts = _take(room, cents)
        if parts is None:
            return ["cannot_spread"]
        for number, part in parts.items():
            _add(money[number], action, group, reason, part, is_instead_of_payment=bool(answer.lines))
    return ["spread"] * bool(amounts)


def _take(room: dict[int, int], cents: int) -> dict[int, int] | None:
    """Take `cents` from the room of the lines, largest first. Return the part of each, or None if there is too little.

    Lines with the same room are taken in their order, so that the same file always gives the same postings.
    """
    parts = {}
    for number in sorted(room, key=lambda one: (-room[one], one)):
        part = min(cents, room[number])
        if part:
            parts[number] = part
            room[number] -= part
            cents -= part
    return None if cents else parts


def _add(money: LineMoney, action: str, group: str, reason: str, cents: int, *, is_instead_of_payment: bool) -> None:
    if is_instead_of_payment:
        money.paid -= cents
    if not action:
        money.paid += cents
    elif action == RuleAction.POST:
        money.posted.append((group, reason, cents))
    elif action == RuleAction.TRANSFER:
        money.transferred += cents
