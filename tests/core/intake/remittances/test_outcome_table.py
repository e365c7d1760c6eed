"""Each row of what is posted with a warning or held: the payer's answer, our claim, and what the user reads."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from core.enums.remittances import Outcome
from core.intake.remittances.our_claim import OurClaim
from tests.decided import BOTH, CONTEXT, LINE, PAID, TAKEN, answered, our, told
from tests.remittances import clp, svc

BY_HAND = "Post it by hand on the claim, then ignore this answer."
PAYER = "Ask the payer for a corrected remittance, or post it by hand on the claim, then ignore this answer."
COMPARE = "Compare it with the claim. Post it, or match it to another claim."
OA23 = "The secondary payer reduces the charge without naming what the first payer did (OA-23)"
IF_NEW = (
    "Post it if the reduction is new. If the first payer's answer has it, post it by hand on the claim, then ignore "
    "this answer."
)
NOT_AN_AMOUNT = "The value is not an amount in dollars and cents, such as 1234.56 or -5.00."
WARNED = {
    "CLP05 is not the PR sum": (
        clp("A1", "100", "70", svc("100", "70", "CO*45*20", "PR*2*10"), patient="11"),
        "segment 14, CLP05 (CLP05 $11.00, PR $10.00): The patient responsibility differs from the PR adjustments.",
    ),
    "unknown RARC": (
        clp("A1", "100", "80", [*LINE, "LQ*HE*X-1"]), "A remark code has an unknown form."),
    "payer renamed a code": (
        clp("A1", "100", "80", svc("100", "80", "CO*45*20", code="HC:99212", billed="HC:99213")),
        "The payer changed a procedure code."),
    "claim-level CAS spread over lines": (
        clp("A1", "100", "60", LINE, cas=["CO*45*20"]),
        "Amounts of the whole claim were spread over its lines, largest open line first."),
    "amount text not canonical": (
        clp("A1", "0100", "80", LINE),
        "segment 14, CLP03: The amount has extra zeros, a point without decimals, or a minus sign before zero."),
    "a date that is none": (
        clp("A1", "100", "80", LINE, more=["DTM*050*20269999"]),
        "segment 16, DTM02: The value is not a date, and was not read."),
}  # fmt: skip
HELD = {
    "charge differs": (
        clp("A1", "90", "70", svc("90", "70", "CO*45*20")), our(100),
        ("The charge differs from the claim's charges: payer $90.00, claim $100.00. Match it to another claim, "
        f"or correct the claim's charge. Otherwise p{BY_HAND[1:]}")),
    "date of service differs": (
        clp("A1", "100", "80", LINE, day="20260301"), our(100),
        "The claim's date of service is not among the payer's dates: payer 03/01/2026, claim 01/02/2026. "
        + COMPARE),
    "member ID differs": (
        clp("A1", "100", "80", LINE), our(100, members=frozenset({"W2"})),
        f"The patient's member ID is not one that the claim was sent with: payer W1, claim W2. {COMPARE}"),
    "no such payer on the claim": (
        clp("A1", "100", "80", LINE), our(100, payers=()),
        "The claim has no such payer. Import the claim again with this payer, then post this answer."),
    "line unmatched": (
        clp("A1", "100", "0", svc("100", "0", "CO*45*100", code="HC:99999")), our(100),
        f"A service line cannot be matched to one line of the claim: 99999 $100.00. {BY_HAND}"),
    "SVC pays a line we never sent": (
        clp("A1", "100", "80", svc("100", "80", "CO*45*20", code="HC:99999")), our(100),
        f"The payer pays a service line that is not on the claim: 99999 $100.00. {BY_HAND}"),
    "charge of a line differs": (
        clp("A1", "100", "80", svc("70", "50", "CO*45*20", control="1"), svc("30", "30", control="2")), our(60, 40),
        ("The charge of a service line differs from the claim's line: line 1, payer $70.00, claim $60.00; line 2, "
        f"payer $30.00, claim $40.00. {BY_HAND}")),
    "line unbalanced by a cent": (
        clp("A1", "100", "80", svc("100", "80", "CO*45*19.99")), our(100),
        ("segment 16, SVC (charge $100.00, adjustments $19.99, payment $80.00): The line's charge less its adjustments "
        f"differs from its payment. {PAYER}")),
    "claim unbalanced by a cent": (
        clp("A1", "100", "80.01", LINE), our(100),
        ("segment 14, CLP (charge $100.00, adjustments $20.00, payment $80.01): The claim's charge less its "
        f"adjustments differs from its payment. {PAYER}")),
    "lines that are not the charge": (
        clp("A1", "100", "80", LINE, svc("5", "0", "CO*45*5")), our(100),
        (f"segment 14, CLP03 (claim $100.00, lines $105.00): The claim's charge differs from the sum of its lines. "
        f"{PAYER}")),
    "amount not a legal decimal": (
        clp("A1", "100", "80.001", LINE), our(100), f"segment 14, CLP04: {NOT_AN_AMOUNT} {PAYER}"),
    "amount missing": (
        clp("A1", "100", "", LINE), our(100), f"segment 14, CLP04: The amount is missing. {PAYER}"),
    "more than six triplets": (
        clp("A1", "100", "80", svc("100", "80", "CO*45*20" + "*****" * 4)), our(100),
        f"segment 17, CAS: The segment has more than six adjustments. {PAYER}"),
    "adjustment without a reason": (
        clp("A1", "100", "80", svc("100", "80", "CO**20")), our(100),
        f"segment 17, CAS02: An adjustment has no reason code. {PAYER}"),
    "third payer": (
        clp("A1", "100", "80", LINE, status="3"), our(100), f"A third payer answered, and a claim has two. {BY_HAND}"),
    "unknown status": (
        clp("A1", "100", "80", LINE, status="5"), our(100), f"The claim status has no posting rule. {BY_HAND}"),
    "no status": (
        clp("A1", "100", "80", LINE, status=""), our(100), f"segment 14, CLP02: The claim has no status. {PAYER}"),
    "status 4": (
        clp("A1", "100", "0", svc("100", "0", "CO*31*100"), status="4"), our(100),
        "The payer does not know the patient (status 4). Correct the claim and send it again."),
    "status 25 with money": (
        clp("A1", "100", "80", LINE, status="25"), our(100),
        f"The status is for information only, but money is paid. {BY_HAND}"),
    "OA other than 23, 94 or 18": (
        clp("A1", "100", "80", svc("100", "80", "OA*209*20")), our(100),
        ("An OA adjustment has no posting rule: OA-209 not billable to the patient by law $20.00. Give it a posting "
        "rule, or post this answer to leave its amount open.")),
    "PR-100": (
        clp("A1", "100", "0", svc("100", "0", "PR*100*100"), patient="100"), our(100),
        ("A posting rule holds an adjustment for a person: PR-100 paid to the patient $100.00. Decide about its "
        "amount. If you post this answer, it stays open, or moves to the patient (PR).")),
    "CR group in 5010": (
        clp("A1", "100", "80", svc("100", "80", "CR*45*20")), our(100),
        f"segment 17, CAS01: The adjustment group CR is not part of version 5010. {PAYER}"),
    "unknown group": (
        clp("A1", "100", "80", svc("100", "80", "XX*45*20")), our(100),
        f"segment 17, CAS01: The adjustment group is not CO, OA, PI or PR. {PAYER}"),
    "negative payment of a line": (
        clp("A1", "100", "80", svc("60", "-10", "CO*45*70"), svc("40", "90", "CO*45*-50")), our(60, 40),
        f"The payment of a service line is below zero: 99213 -$10.00. {BY_HAND}"),
    "negative patient share": (
        clp("A1", "100", "110", svc("100", "110", "PR*2*-10"), patient="-10"), our(100),
        f"A patient responsibility is below zero: PR-2 coinsurance -$10.00. {BY_HAND}"),
    "negative amount of the whole claim": (
        clp("A1", "100", "90", LINE, cas=["CO*45*-10"]), our(100),
        f"An adjustment or payment of the whole claim is below zero. {BY_HAND}"),
    "more than the lines can take": (
        clp("A1", "100", "100"), our(100, open_cents=9_999),
        f"An amount of the whole claim is larger than its lines can take. {BY_HAND}"),
    "would go below zero": (
        PAID, our(100, open_cents=9_999),
        ("A balance would go below zero: line 1, insurance balance $99.99, lowered by $100.00. If a posting on the "
        f"claim is wrong, void it, then post this answer. Otherwise p{BY_HAND[1:]}")),
    "locked in a running batch": (
        PAID, our(100, is_in_job=True), "A running job has the claim. Wait. It is posted after the job has ended."),
    "secondary with CO but no OA-23": (
        clp("A1", "100", "10", svc("100", "10", "CO*45*90"), status="2"), our(100, payers=BOTH),
        f"{OA23}: CO-45 contractual $90.00. {IF_NEW}"),
    "secondary with PI but no OA-23": (
        clp("A1", "100", "8", svc("100", "8", "PI*45*92"), status="2"), our(100, payers=BOTH),
        f"{OA23}: PI-45 above the fee schedule $92.00. {IF_NEW}"),
    "placeholder PCN": (
        clp("0", "100", "80", LINE), None,
        "segment 14, CLP01: The claim number is a placeholder. Match the answer to its patient's claim."),
}  # fmt: skip
MATCH = "atch the answer to its patient's claim."
UNMATCHED = {
    "no candidate": ("no_claim", f"No claim of the practice has this number. Import the claim, or m{MATCH}"),
    "several candidates": ("several_claims", f"Several claims of the practice could have this number. M{MATCH}"),
    "shared by several patients": (
        "shared_number", f"Several patients of the remittance have this claim number. M{MATCH}"),
}  # fmt: skip
UNDATED = {
    "period closed": ("closed_month", "The month of the payment is closed: 01/05/2026. Choose another posting date."),
    "payment date in the future": (
        "future_date",
        (
            "The payment date is in the future: 01/05/2026. Wait. It is posted on that day. Or choose another posting "
            "date."
        ),
    ),
    "no payment date": ("no_date", "The payment has no date. Choose a posting date."),
}
NO_ORIGINAL = (
    "No posted answer of this payer is exactly what it reverses. Import the remittance that it reverses, if it is "
    f"missing. Otherwise p{BY_HAND[1:]}"
)


def unlike(claim: OurClaim, **changes: Any) -> OurClaim:
    claim.earlier[0] = replace(claim.earlier[0], **changes)
    return claim


REVERSED = {
    "status 22 without an original": (lambda claim: replace(claim, earlier=[]), NO_ORIGINAL),
    "another payment": (lambda claim: unlike(claim, paid_cents=6999), NO_ORIGINAL),
    "another charge": (lambda claim: unlike(claim, charge_cents=9999), NO_ORIGINAL),
    "other reasons": (lambda claim: unlike(claim, adjusted={("CO", "97"): 2000, ("PR", "2"): 1000}), NO_ORIGINAL),
    "another payer": (lambda claim: unlike(claim, is_of_this_payer=False), NO_ORIGINAL),
    "a posting that is gone": (lambda claim: unlike(claim, posted=claim.earlier[0].posted[:3]), NO_ORIGINAL),
    "several originals": (
        lambda claim: replace(claim, earlier=claim.earlier * 2),
        f"Several posted answers of this payer are what it reverses. {BY_HAND}"),
    "claim already settled": (
        lambda claim: replace(claim, is_settled=True),
        ("It reverses an answer on a claim that was settled or written off. Decide whether the write-off stands. If "
        "you post this answer, the balance is open again.")),
    "locked in a running batch": (
        lambda claim: replace(claim, is_in_job=True),
        "A running job has the claim. Wait. It is posted after the job has ended."),
}  # fmt: skip


@pytest.mark.parametrize(("segments", "sentence"), WARNED.values(), ids=WARNED)
def test_posted_with_warning(segments: list[str], sentence: str) -> None:
    decision, said = told(segments, our(100))

    assert (decision.outcome, said) == (Outcome.WARNED, [sentence])
    assert decision.postings


@pytest.mark.parametrize(("segments", "claim", "sentence"), HELD.values(), ids=HELD)
def test_held_for_a_person(segments: list[str], claim: OurClaim | None, sentence: str) -> None:
    decision, said = told(segments, claim)

    assert (decision.outcome, decision.postings) == (Outcome.HELD, [])
    assert sentence in said
    assert len(said) == len({one.rpartition(": ")[2] for one in said}), "each reason once"


@pytest.mark.parametrize(("code", "sentence"), UNMATCHED.values(), ids=UNMATCHED)
def test_held_if_no_single_claim_was_found(code: str, sentence: str) -> None:
    assert told(PAID, None, matched=[code])[1] == [sentence]


@pytest.mark.parametrize(("code", "sentence"), UNDATED.values(), ids=UNDATED)
def test_held_if_nothing_can_be_posted_on_its_date(code: str, sentence: str) -> None:
    context = replace(CONTEXT, date_problem=code)
    assert told(PAID, our(100), context=context)[1] == [sentence]
    denied = clp("A1", "100", "0", svc("100", "0", "CO*16*100"))
    assert told(denied, our(100), context=context)[0].outcome is Outcome.POSTED, "it posts nothing"


@pytest.mark.parametrize(("change", "sentence"), REVERSED.values(), ids=REVERSED)
def test_a_reversal_without_an_exact_original_or_on_a_settled_claim_is_held(
    change: Callable[[OurClaim], OurClaim], sentence: str
) -> None:
    decision, said = told(TAKEN, change(answered()))

    assert (decision.outcome, said, decision.reverses) == (Outcome.HELD, [sentence], None)
