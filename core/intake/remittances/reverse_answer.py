"""Reverse the postings of an earlier answer, if the payer reverses exactly what that answer said."""

from collections import Counter

from core.enums.ledger import PostingKind
from core.intake.remittances.answers import Answer
from core.intake.remittances.below_zero import find_overdrawn
from core.intake.remittances.decision import Context, Decision, NewPosting
from core.intake.remittances.our_claim import EarlierAnswer, OurClaim
from core.x12.adjustments import OLD_GROUP


def reverse_answer(answer: Answer, claim: OurClaim, codes: list[str], context: Context) -> Decision:
    """Return the reversal of the one posted answer of this payer that is equal and opposite, or hold it.

    On a claim with write-offs it is held, because whether the write-off stands again is a person's decision.
    """
    codes = list(codes)
    if claim.is_settled or claim.has_write_offs:
        codes.append("settled_claim")
    found = [one for one in claim.earlier if one.is_of_this_payer and _is_opposite(answer, one)]
    same_number = [one for one in found if one.payer_claim_id == answer.payer_claim_id]
    found = same_number or found
    if len(found) != 1:
        return Decision.of([*codes, "several_originals" if found else "no_original"], context, [])
    original = found[0]
    if len(original.posted) != original.postings or any(one.is_reversed for one in original.posted):
        codes.append("no_original")
    postings = [
        NewPosting(
            one.line, one.responsibility, PostingKind.REVERSAL, -one.amount_cents, paid_by=one.paid_by,
            reverses_id=one.id,
        )
        for one in sorted(original.posted, key=lambda one: one.amount_cents)  # those that raise a balance first
    ]  # fmt: skip
    codes += ["below_zero"] * bool(find_overdrawn(postings, claim))
    reverses = (original.remittance_id, original.ordinal)
    return Decision.of(codes, context, postings, role=original.role, reverses=reverses)


def _is_opposite(answer: Answer, original: EarlierAnswer) -> bool:
    if (answer.charge_cents, answer.paid_cents) != (-original.charge_cents, -original.paid_cents):
        return False
    taken: Counter[tuple[str, str]] = Counter()
    for one in answer.adjustments:
        taken[one.group, one.reason] -= one.cents
    if any(group == OLD_GROUP for group, _ in taken):  # version 4010 reverses all groups under this one
        return sum(taken.values()) == sum(original.adjusted.values())
    return {key: cents for key, cents in taken.items() if cents} == original.adjusted
