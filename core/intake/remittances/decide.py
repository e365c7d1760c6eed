"""Decide an answer: post it, or hold it for a person with the reasons. Nothing here reads or writes the database."""

from typing import Final

from core.enums.ledger import GroupCode, PaidBy, PostingKind, Responsibility
from core.enums.remittances import Outcome, RuleAction
from core.intake.remittances import reasons
from core.intake.remittances.answers import Answer
from core.intake.remittances.below_zero import find_overdrawn
from core.intake.remittances.decision import Context, Decision, LineMoney, NewPosting
from core.intake.remittances.match_lines import match_lines
from core.intake.remittances.our_claim import OurClaim
from core.intake.remittances.posting_table import PRIOR_PAYER, action_for
from core.intake.remittances.reverse_answer import reverse_answer
from core.intake.remittances.spread import spread_over_lines
from core.x12.problems import Problem

_ROLES: Final = {
    "1": PaidBy.PRIMARY, "19": PaidBy.PRIMARY, "4": PaidBy.PRIMARY, "2": PaidBy.SECONDARY, "20": PaidBy.SECONDARY,
}  # fmt: skip
_FORWARDED: Final = ("19", "20", "21")
_THIRD: Final = ("3", "21")
_INFORMATION: Final = ("23", "25")  # not our claim and forwarded; a predetermination
_UNKNOWN_PATIENT: Final = "4"
_PLACEHOLDER: Final = reasons.code_of(Problem.PLACEHOLDER_ID)
_OLD_GROUP: Final = reasons.code_of(Problem.OLD_GROUP)
_PATIENT: Final = GroupCode.PATIENT_RESPONSIBILITY
_GROUPS: Final = frozenset(GroupCode)
_PAYERS_OWN: Final = (GroupCode.CONTRACTUAL, GroupCode.PAYER_INITIATED)


def decide(answer: Answer, claim: OurClaim | None, unmatched: list[str], context: Context) -> Decision:
    """Decide the answer on the matched claim. `unmatched` has the codes of how it was matched, or why it was not.

    Set the action on each adjustment and the practice's line on each line.
    """
    if answer.status in _INFORMATION:
        if answer.paid_cents:
            return Decision(Outcome.HELD, ["money_for_information"])
        return Decision(Outcome.NOTHING_TO_POST, [])
    # A placeholder is matched only by a person.
    problems = [code for code in answer.problems if claim is None or code != _PLACEHOLDER]
    codes = [*context.held_because, *problems, *unmatched]
    if claim is None:
        return Decision.of(codes or ["no_claim"], context, [])
    if claim.is_in_job:
        codes.append("claim_in_job")
    if answer.is_reversal:
        return reverse_answer(answer, claim, codes, context)
    return _post(answer, claim, codes, context)


def _post(answer: Answer, claim: OurClaim, codes: list[str], context: Context) -> Decision:
    role = _ROLES.get(answer.status)
    codes = codes + _cross_check(answer, claim, role) + _check_actions(answer, context)
    if role is PaidBy.SECONDARY and _reduces_without_prior_payer(answer):
        codes.append("secondary_without_oa23")
    codes += ["odd_remark"] * any(not _is_remark(one) for line in (answer.whole, *answer.lines) for one in line.remarks)
    if role is None or reasons.holding(codes, accepts=context.accepts):
        return Decision(Outcome.HELD, list(dict.fromkeys(codes)), role=role)
    codes += match_lines(answer.lines, claim.lines)
    if reasons.holding(codes, accepts=context.accepts):
        return Decision(Outcome.HELD, list(dict.fromkeys(codes)), role=role)
    stays = answer.status in _FORWARDED or answer.has_next_payer
    stays = stays or (role is PaidBy.PRIMARY and PaidBy.SECONDARY in claim.payers)
    money, spread_codes = _line_money(answer, claim, keeps_patient_share=stays)
    codes += spread_codes
    if role is PaidBy.SECONDARY:
        codes += _move_back(money, claim)
    postings = [posting for one in money.values() for posting in _postings(one, role)]
    codes += ["below_zero"] * bool(find_overdrawn(postings, claim))
    return Decision.of(codes, context, postings, role=role, denial=_denial(answer))


def _cross_check(answer: Answer, claim: OurClaim, role: PaidBy | None) -> list[str]:
    codes = []
    if answer.status == _UNKNOWN_PATIENT:
        codes.append("unknown_patient")
    if role is None:
        codes.append("third_payer" if answer.status in _THIRD else "unknown_status")
    elif role not in claim.payers:
        codes.append("no_such_payer")
    if answer.charge_cents != claim.charge_cents:
        codes.append("charge_differs")
    if answer.first_on and answer.last_on and not answer.first_on <= claim.service_on <= answer.last_on:
        codes.append("service_date_differs")
    if any(one.role is role and one.postings for one in claim.earlier):
        codes.append("answered_before")
    if claim.has_payment_like(role, [answer.paid_cents, *(line.paid_cents for line in answer.lines)]):
        codes.append("paid_before")
    if answer.member_id and claim.members and _plain(answer.member_id) not in map(_plain, claim.members):
        codes.append("member_differs")
    codes += ["negative_line"] * any(line.paid_cents < 0 for line in answer.lines)
    return codes


def _plain(member_id: str) -> str:
    """Return a member id as two systems would both write it."""
    return "".join(filter(str.isalnum, member_id)).upper()


def _check_actions(answer: Answer, context: Context) -> list[str]:
    """Set the action of each adjustment. Return the codes of those that hold the answer."""
    codes = []
    day = answer.last_on or answer.first_on
    for one in answer.adjustments:
        action = action_for(one, context.rules, service_on=day)
        if one.group not in _GROUPS:
            # The reader has found group CR in version 5010.
            codes += ["unknown_group"] * (_OLD_GROUP not in answer.problems)
        elif action is RuleAction.HOLD:
            is_other = one.group == GroupCode.OTHER and (one.group, one.reason) not in context.rules
            one.held_because = "other_adjustment" if is_other else "held_by_rule"
            codes.append(one.held_because)
            # If a person accepts it, the amount stays where it is, or goes to the patient as the payer says.
            action = RuleAction.TRANSFER if one.group == _PATIENT else RuleAction.TRACK
        if one.group == _PATIENT and one.cents < 0:
            codes.append("negative_patient_share")
        one.action = action.value
    return codes


def _reduces_without_prior_payer(answer: Answer) -> bool:
    given = answer.adjustments
    reduces = any(one.group in _PAYERS_OWN or one.action == RuleAction.POST for one in given)
    return reduces and not any((one.group, one.reason) == PRIOR_PAYER for one in given)


def _is_remark(code: str) -> bool:
    """Return whether a remark has the form of a code, such as M20, MA130 or N419. No list is kept."""
    letters, digits = code.rstrip("0123456789"), code.lstrip("ABCDEFGHIJKLMNOPQRSTUVWXYZ")
    return letters in ("M", "MA", "N") and 0 < len(digits) <= 4 and letters + digits == code  # noqa: PLR2004


def _line_money(
    answer: Answer, claim: OurClaim, *, keeps_patient_share: bool
) -> tuple[dict[int, LineMoney], list[str]]:
    """Return what each of our lines gets. What the patient owes stays with the insurance if another payer follows."""
    if keeps_patient_share:
        for one in answer.adjustments:
            if one.action == RuleAction.TRANSFER:
                one.action = RuleAction.TRACK.value
    money = {line.number: LineMoney(line.number) for line in claim.lines}
    for line in answer.lines:
        if line.line is None:
            continue  # it has no amount
        our = money[line.line]
        our.paid += line.paid_cents
        for one in line.adjustments:
            if one.action == RuleAction.POST:
                our.posted.append((one.group, one.reason, one.cents))
            elif one.action == RuleAction.TRANSFER:
                our.transferred += one.cents
    return money, spread_over_lines(answer, claim, money)


def _move_back(money: dict[int, LineMoney], claim: OurClaim) -> list[str]:
    """Move the patient's share back to the insurance where the answer needs it. Return the code of a warning.

    The share moved to the patient if the claim had no secondary payer when the first one answered.
    """
    found = []
    for line in claim.lines:
        our = money[line.number]
        back = min(our.insurance_cents - max(0, line.insurance_open), line.patient_due)
        if back > 0:
            our.transferred -= back
            found = ["share_moved_back"]
    return found


def _postings(money: LineMoney, role: PaidBy) -> list[NewPosting]:
    """Return the postings of one line. Those that raise the balance come first."""
    insurance = Responsibility.INSURANCE
    adjusted = [
        NewPosting(money.number, insurance, PostingKind.ADJUSTMENT, -cents, group_code=group, reason_code=reason)
        for group, reason, cents in sorted(money.posted, key=lambda one: one[2])
        if cents
    ]
    paid = [NewPosting(money.number, insurance, PostingKind.PAYMENT, -money.paid, paid_by=role)] * bool(money.paid)
    moved = [
        NewPosting(money.number, insurance, PostingKind.TRANSFER, -money.transferred),
        NewPosting(money.number, Responsibility.PATIENT, PostingKind.TRANSFER, money.transferred),
    ] * bool(money.transferred)
    raised = [one for one in adjusted if one.amount_cents > 0]
    lowered = [*paid, *adjusted[len(raised) :]]
    return [*raised, *moved, *lowered] if money.transferred < 0 else [*raised, *lowered, *moved]


def _denial(answer: Answer) -> tuple[str, str] | None:
    """Return group and reason of a denial: nothing is paid, the patient owes nothing, and a reduction stays open."""
    given = answer.adjustments
    if answer.paid_cents or any(one.group == _PATIENT for one in given):
        return None
    open_ = [one for one in given if one.action == RuleAction.TRACK and one.cents > 0]
    largest = max(open_, key=lambda one: one.cents, default=None)
    return (largest.group, largest.reason) if largest else None
