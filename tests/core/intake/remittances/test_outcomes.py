"""How an answer is decided, and what it posts. No database: the reader's records meet a claim as it is loaded."""

import datetime as dt
from dataclasses import replace

import pytest

from core.enums.ledger import PaidBy, PostingKind
from core.enums.remittances import Outcome, RuleAction
from core.intake.remittances.decision import Context
from core.intake.remittances.our_claim import EarlierAnswer
from core.intake.remittances.reasons import REASONS, describe
from tests.decided import BOTH, CONTEXT, INS, LINE, PAID, PAT, TAKEN, answered, decided, moved, our
from tests.remittances import clp, svc


def test_posted_if_the_claim_is_found_and_balanced_and_every_code_has_a_rule() -> None:
    decision = decided(PAID, our(100))

    assert (decision.outcome, decision.reasons) == (Outcome.POSTED, [])
    assert moved(decision) == [
        (1, INS, PostingKind.PAYMENT, -7000), (1, INS, PostingKind.ADJUSTMENT, -2000),
        (1, INS, PostingKind.TRANSFER, -1000), (1, PAT, PostingKind.TRANSFER, 1000),
    ]  # fmt: skip
    assert decision.denial is None


def test_the_patient_share_stays_with_the_insurance_while_another_payer_follows() -> None:
    for segments, claim in (
        (PAID, our(100, payers=BOTH)),
        (clp("A1", "100", "70", svc("100", "70", "CO*45*20", "PR*2*10"), status="19", patient="10"), our(100)),
        (clp("A1", "100", "70", svc("100", "70", "CO*45*20", "PR*2*10"), more=["NM1*TT*2*NEXT*****PI*9"]), our(100)),
    ):
        decision = decided(segments, claim)
        assert sum(one.amount_cents for one in decision.postings) == -9000, "10.00 is left for the next payer"
        assert all(one.responsibility is INS for one in decision.postings)


def test_a_secondary_payer_pays_the_rest_and_what_the_first_one_did_is_not_posted_again() -> None:
    claim = our(100, payers=BOTH)
    claim.lines[0].insurance_due = 1000  # after the primary payer
    segments = clp("A1", "100", "8", svc("100", "8", "OA*23*90", "PR*2*2"), status="2", patient="2")

    decision = decided(segments, claim)

    assert decision.outcome is Outcome.POSTED
    assert moved(decision) == [
        (1, INS, PostingKind.PAYMENT, -800), (1, INS, PostingKind.TRANSFER, -200), (1, PAT, PostingKind.TRANSFER, 200)
    ]  # fmt: skip
    assert decision.postings[0].paid_by is PaidBy.SECONDARY


def test_a_denial_stays_open_with_its_code() -> None:
    decision = decided(clp("A1", "100", "0", svc("100", "0", "CO*16*100")), our(100))

    assert (decision.outcome, decision.postings, decision.denial) == (Outcome.POSTED, [], ("CO", "16"))
    in_full = decided(clp("A1", "100", "0", svc("100", "0", "CO*45*100")), our(100))
    assert in_full.denial is None, "a contractual reduction is no denial"
    deductible = decided(clp("A1", "100", "0", svc("100", "0", "PR*1*100"), patient="100"), our(100))
    assert deductible.denial is None


def test_a_payer_may_allow_more_than_the_charge() -> None:
    decision = decided(clp("A1", "95", "195", svc("95", "195", "CO*45*-100")), our(95))

    assert decision.outcome is Outcome.POSTED
    assert moved(decision) == [(1, INS, PostingKind.ADJUSTMENT, 10000), (1, INS, PostingKind.PAYMENT, -19500)]
    bundled = decided(clp("A1", "290", "100", svc("290", "100", "OA*94*-206", "CO*45*396")), our(290))
    assert (bundled.outcome, [cents for *_, cents in moved(bundled)]) == (Outcome.POSTED, [20600, -10000, -39600])


def test_posted_with_warning_if_modifiers_differ_or_the_version_is_old() -> None:
    claim = our(100)
    claim.lines[0].modifiers = ("25",)
    assert decided(PAID, claim).reasons == ["modifiers_differ"]
    assert decided(PAID, our(100, members=frozenset({"w-1", "W2"}))).reasons == [], "one of the ids that were sent"
    old = decided(PAID, our(100), old=True, context=replace(CONTEXT, warnings=("old_version",)))
    assert (old.outcome, old.reasons) == (Outcome.WARNED, ["old_version"])


def test_a_placeholder_is_matched_only_by_a_person() -> None:
    for number in ("0", "", "99999"):
        segments = clp(number, "100", "80", LINE)
        assert decided(segments, None).reasons == ["placeholder_id"]
        assert decided(segments, our(100)).outcome is Outcome.POSTED


def test_held_if_a_balance_would_go_below_zero() -> None:
    claim = our(100)
    claim.lines[0].insurance_due = 8999  # a cent less than the payment, the adjustment and the transfer
    assert decided(PAID, claim).reasons == ["below_zero"]
    claim.lines[0].insurance_due = 9000
    assert decided(PAID, claim).reasons == ["below_zero"], "the patient's share comes from the insurance balance too"
    claim.lines[0].insurance_written_off = 1000
    assert decided(PAID, claim).outcome is Outcome.POSTED, "a late payment reverses the write-off"


def test_a_secondary_payer_may_pay_the_share_that_moved_to_the_patient_meanwhile() -> None:
    claim = our(100, payers=BOTH)
    claim.lines[0].insurance_due, claim.lines[0].patient_due = 0, 1000
    segments = clp("A1", "100", "8", svc("100", "8", "OA*23*90", "PR*2*2"), status="2", patient="2")

    decision = decided(segments, claim)

    assert (decision.outcome, decision.reasons) == (Outcome.WARNED, ["share_moved_back"])
    assert moved(decision) == [
        (1, INS, PostingKind.TRANSFER, 800), (1, PAT, PostingKind.TRANSFER, -800), (1, INS, PostingKind.PAYMENT, -800)
    ]  # fmt: skip
    claim.lines[0].patient_due = 799
    assert decided(segments, claim).reasons == ["share_moved_back", "below_zero"], "the patient has paid"


def test_held_if_the_payer_answered_before() -> None:
    earlier = EarlierAnswer(1, 1, PaidBy.PRIMARY, True, "ICN0", 10000, 1000, 1)
    assert decided(PAID, our(100, earlier=[earlier])).reasons == ["answered_before"]
    denied = replace(earlier, paid_cents=0, postings=0)
    assert decided(PAID, our(100, earlier=[denied])).outcome is Outcome.POSTED


def test_held_with_the_whole_remittance() -> None:
    decision = decided(PAID, our(100), context=replace(CONTEXT, held_because=["out_of_balance"]))

    assert (decision.outcome, decision.reasons) == (Outcome.HELD, ["out_of_balance"])


@pytest.mark.parametrize("status", ["23", "25"])
def test_nothing_to_post_for_information(status: str) -> None:
    decision = decided(clp("A1", "100", "0", svc("100", "0", "CO*45*100"), status=status), our(100))

    assert (decision.outcome, decision.postings) == (Outcome.NOTHING_TO_POST, [])


def test_a_reversal_reverses_each_posting_of_the_exact_original() -> None:
    decision = decided(TAKEN, answered())

    assert (decision.outcome, decision.reverses) == (Outcome.POSTED, (5, 3))
    assert {one.reverses_id: one.amount_cents for one in decision.postings} == {11: 7000, 12: 2000, 13: 1000, 14: -1000}
    without_status = [TAKEN[0].replace("*22*", "*1*"), *TAKEN[1:]]
    assert decided(without_status, answered()).outcome is Outcome.WARNED, "some payers reverse with status 1"


def test_a_reversal_is_held_if_the_patient_has_paid_the_share_that_it_reverses() -> None:
    claim = answered()
    claim.lines[0].patient_due = 0
    assert decided(TAKEN, claim).reasons == ["below_zero"]


def test_an_amount_of_the_whole_claim_goes_to_the_largest_open_line_first() -> None:
    claim = our(30, 70)
    decision = decided(clp("A1", "100", "60", cas=["CO*45*25", "PR*2*15"], patient="15"), claim)

    assert decision.reasons == ["spread"]
    assert moved(decision) == [
        (1, INS, PostingKind.ADJUSTMENT, -2500), (1, INS, PostingKind.TRANSFER, -500),
        (1, PAT, PostingKind.TRANSFER, 500),
        (2, INS, PostingKind.PAYMENT, -6000), (2, INS, PostingKind.TRANSFER, -1000),
        (2, PAT, PostingKind.TRANSFER, 1000),
    ]  # fmt: skip


def test_a_split_line_is_added_up_by_its_control_number() -> None:
    claim = our(100)
    claim.lines[0].control_number = "L1"
    lines = [svc("60", "50", "CO*45*10", control="L1"), svc("40", "40", control="L1", code="HC:99999")]
    decision = decided(clp("A1", "100", "90", *lines), claim)

    assert decision.outcome is Outcome.POSTED
    assert moved(decision) == [(1, INS, PostingKind.PAYMENT, -9000), (1, INS, PostingKind.ADJUSTMENT, -1000)]


def test_lines_that_look_alike_are_matched_only_while_their_balances_are_equal() -> None:
    lines = [svc("50", "50"), svc("50", "10", "CO*45*40")]
    claim = our(50, 50)
    assert decided(clp("A1", "100", "60", *lines), claim).outcome is Outcome.POSTED
    claim.lines[1].insurance_due = 4000
    assert decided(clp("A1", "100", "60", *lines), claim).reasons == ["line_unmatched"]


def test_lines_that_look_alike_are_matched_by_their_dates_of_service() -> None:
    paid, denied = svc("50", "50"), svc("50", "0", "CO*16*50")
    first, second = (f"DTM*472*{day}" for day in ("20260102", "20260103"))
    claim = our(50, 50)
    for line, day in zip(claim.lines, (2, 3), strict=True):
        line.service_on = dt.date(2026, 1, day)

    decision = decided(clp("A1", "100", "50", [*paid, second], [*denied, first]), claim)
    assert [one[:4] for one in decision.postings] == [(2, INS, PostingKind.PAYMENT, -5000)]
    by_number = [*svc("50", "50", control="1"), second], [*svc("50", "0", "CO*16*50", control="2"), first]
    decision = decided(clp("A1", "100", "50", *by_number), claim)
    assert [one[:4] for one in decision.postings] == [(2, INS, PostingKind.PAYMENT, -5000)], "numbers of the payer"
    assert decided(clp("A1", "100", "50", paid, denied), claim).reasons == ["line_unmatched"], "no dates to tell"
    assert decided(clp("A1", "100", "100", paid, paid), claim).outcome is Outcome.POSTED, "alike on both days"

    alone = our(50, 40)
    alone.lines[0].service_on = dt.date(2026, 1, 3)
    other = clp("A1", "90", "90", [*paid, first], svc("40", "40"))
    assert decided(other, alone).reasons == ["line_date_differs"], "no other line has this code and charge"


@pytest.mark.parametrize(
    ("cas", "posted_cents"),
    [
        ("CO*45", 2000), ("CO*253", 2000), ("CO*131", 2000), ("CO*144", 2000), ("PI*45", 2000), ("CO*223", 0),
        ("CO*A2", 0), ("CO*42", 0), ("CO*97", 0), ("PI*97", 0), ("OA*18", 0), ("OA*94", 0), ("OA*23", 0),
    ],
)  # fmt: skip
def test_only_trusted_codes_are_posted(cas: str, posted_cents: int) -> None:
    decision = decided(clp("A1", "100", "80", svc("100", "80", f"{cas}*20")), our(100))

    assert decision.outcome is Outcome.POSTED
    adjusted = [one.amount_cents for one in decision.postings if one.kind is PostingKind.ADJUSTMENT]
    assert -sum(adjusted) == posted_cents


def test_the_practice_may_change_a_rule() -> None:
    segments = clp("A1", "100", "80", svc("100", "80", "CO*97*20"))
    for action, cents in ((RuleAction.POST, -10000), (RuleAction.TRACK, -8000)):
        decision = decided(segments, our(100), context=Context({("CO", "97"): action}))
        assert sum(one.amount_cents for one in decision.postings) == cents
    assert decided(segments, our(100), context=Context({("CO", "97"): RuleAction.HOLD})).reasons == ["held_by_rule"]


def test_a_person_accepts_only_what_may_be_accepted() -> None:
    accepts = Context({}, held_because=["out_of_balance"], accepts=True)
    assert decided(PAID, our(100), context=accepts).outcome is Outcome.WARNED
    to_patient = decided(clp("A1", "100", "0", svc("100", "0", "PR*100*100"), patient="100"), our(100), context=accepts)
    assert moved(to_patient) == [(1, INS, PostingKind.TRANSFER, -10000), (1, PAT, PostingKind.TRANSFER, 10000)]
    unbalanced = clp("A1", "100", "80", svc("100", "80", "CO*45*19.99"))
    assert decided(unbalanced, our(100), context=accepts).outcome is Outcome.HELD


def test_each_reason_has_words() -> None:
    for code in REASONS:
        assert describe(code) != code
        assert not describe(code).endswith(".")
        assert REASONS[code].is_warning or REASONS[code].cure
