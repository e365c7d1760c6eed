"""The balances of an 835 and the faults of its claims."""

import pytest

from core.x12.problems import Problem, Reach
from tests.core.x12.seen import Seen, see_text
from tests.x12_files import PLAIN, interchange, remittance

CLP = "CLP*A1*1*100*80*5*12*ICN1*11*1"
SVC = "SVC*HC:99213*100*80**1"
CO, PR = "CAS*CO*45*15", "CAS*PR*2*5"
CLAIM = [CLP, "NM1*QC*1*SECRET*PETRA****MI*W1", SVC, "DTM*472*20260102", CO, PR]


def seen_of(*claims: list[str], paid: str = "80", after: tuple[str, ...] = ()) -> Seen:
    """Read a remittance with these claims, and these segments after them."""
    return see_text(PLAIN.write(interchange([remittance(list(claims), paid=paid, after=list(after))])))


def with_segment(old: str, *new: str) -> list[str]:
    """Return the claim with one segment replaced."""
    place = CLAIM.index(old)
    return [*CLAIM[:place], *new, *CLAIM[place + 1 :]]


def test_a_claim_that_balances_has_no_fault() -> None:
    seen = seen_of(CLAIM)

    (claim,) = seen.paid
    assert seen.faults == []
    assert (claim.claim_id, claim.status, claim.charge_cents, claim.paid_cents) == ("A1", "1", 10000, 8000)
    assert (claim.patient_cents, claim.patient_adjusted_cents, claim.lines[0].adjusted_cents) == (500, 500, 2000)
    assert claim.parties["QC"].id == "W1"
    payment = seen.payments[0]
    assert (payment.trace, payment.paid_cents, payment.method) == ("T000001", 8000, "ACH")
    assert payment.payee is not None
    assert (payment.payee.id, payment.payee.references) == ("1234567893", [("TJ", "999999999")])


@pytest.mark.parametrize(
    ("old", "new", "problem", "element"),
    [
        (SVC, ["SVC*HC:99213*100*+80**1"], Problem.BAD_AMOUNT, "SVC03"),
        (SVC, ["SVC*HC:99213*1,00*80**1"], Problem.BAD_AMOUNT, "SVC02"),
        (CO, ["CAS*CO*45*15.000"], Problem.BAD_AMOUNT, "CAS03"),
        (CO, ["CAS*CO*45"], Problem.MISSING_AMOUNT, "CAS03"),
        (CLP, ["CLP*A1*1*1E2*80*5"], Problem.BAD_AMOUNT, "CLP03"),
        (CLP, ["CLP*A1*1"], Problem.MISSING_AMOUNT, "CLP03"),
        (CLP, ["CLP*0*1*100*80*5"], Problem.PLACEHOLDER_ID, "CLP01"),
        (CLP, ["CLP*99999*1*100*80*5"], Problem.PLACEHOLDER_ID, "CLP01"),
        (CLP, ["CLP**1*100*80*5"], Problem.PLACEHOLDER_ID, "CLP01"),
        (CLP, ["CLP*A1**100*80*5"], Problem.NO_STATUS, "CLP02"),
        (CO, ["CAS*CR*45*15"], Problem.OLD_GROUP, "CAS01"),
        (CO, ["CAS*XX*45*15"], Problem.UNKNOWN_GROUP, "CAS01"),
        (CO, ["CAS*CO**15"], Problem.NO_REASON, "CAS02"),
        (CO, ["CAS*CO*45*9**1*1**2*1**3*1**4*1**5*1**6*1"], Problem.MANY_ADJUSTMENTS, "CAS"),
        (CO, ["CAS*CO*45*14.99"], Problem.LINE_OUT_OF_BALANCE, "SVC"),
        (CO, ["CAS*CO*45*14.99"], Problem.CLAIM_OUT_OF_BALANCE, "CLP"),
        (SVC, ["SVC*HC:99213*90*70**1"], Problem.LINES_DIFFER, "CLP03"),
        (SVC, [SVC, "SVC*HC:85025*10*10**1"], Problem.LINES_DIFFER, "CLP03"),
        (CLP, ["CLP*A1*1*100*90*5"], Problem.CLAIM_OUT_OF_BALANCE, "CLP"),
    ],
)  # fmt: skip
def test_a_claim_with_a_fault_is_held(old: str, new: list[str], problem: Problem, element: str) -> None:
    seen = seen_of(with_segment(old, *new), CLAIM, paid="160")

    assert problem in [fault.problem for fault in seen.paid[0].faults]
    assert element in [fault.element for fault in seen.paid[0].faults if fault.problem is problem]
    assert problem.reach is Reach.CLAIM
    assert seen.paid[1].faults == []
    assert not any("SECRET" in str(fault) or "A1" in str(fault) for fault in seen.faults)


def test_a_payment_that_cannot_be_read_holds_only_its_claim_if_the_sums_allow_it() -> None:
    bad = with_segment(CLP, "CLP*A1*1*100*+80*5*12*ICN1*11*1")

    seen = seen_of(bad, CLAIM, paid="160")
    assert [(one.problem, one.element) for one in seen.faults] == [(Problem.BAD_AMOUNT, "CLP04")]
    assert seen_of(bad, CLAIM, paid="161").problems[:1] == [Problem.OUT_OF_BALANCE]
    also = [one.replace("*45*15", "*45*1,5") for one in bad]
    assert seen_of(also, CLAIM, paid="160").problems[:1] == [Problem.OUT_OF_BALANCE], "nothing tells the payment"


def test_a_fault_names_the_file_the_place_what_is_wrong_and_the_cure() -> None:
    (fault,) = seen_of(with_segment(SVC, "SVC*HC:99213*100*80.001**1")).faults

    assert str(fault) == (
        "era.835, segment 16, SVC03: the value is not an amount in dollars and cents, such as 1234.56 or -5.00; "
        "ask the sender to correct it"
    )


def test_an_adjustment_below_zero_raises_the_payment() -> None:
    seen = seen_of(
        ["CLP*A1*2*541.00*34.00**12", "SVC*HC:1*541*34", "CAS*OA*23*516**94*-9"],
        ["CLP*A2*1*95*195*0", "SVC*HC:1*95*195", "CAS*CO*45*-100"],
        paid="229",
    )

    assert seen.faults == []
    assert [(one.reason, one.cents) for one in seen.paid[0].lines[0].adjustments] == [("23", 51600), ("94", -900)]


def test_a_gap_and_missing_quantities_do_not_shift_the_adjustments() -> None:
    claim = with_segment(CO, "CAS*CO*45*5*1****253*10*2")

    (line,) = seen_of(claim).paid[0].lines
    assert [(one.reason, one.cents, one.quantity) for one in line.adjustments] == [
        ("45", 500, "1"), ("253", 1000, "2"), ("2", 500, ""),
    ]  # fmt: skip


def test_adjustments_of_the_claim_count_in_its_balance_and_not_in_its_lines() -> None:
    seen = seen_of([CLP, "CAS*CO*A2*10", SVC, "CAS*CO*45*15", PR], paid="80")
    good = seen_of(["CLP*A1*1*100*70*5", "CAS*CO*A2*10", SVC, "CAS*CO*45*15", PR], paid="70")

    assert seen.problems == [Problem.CLAIM_OUT_OF_BALANCE]
    assert good.faults == []
    assert (good.paid[0].adjusted_cents, good.paid[0].lines[0].adjusted_cents) == (1000, 2000)


def test_patient_responsibility_is_a_warning_and_not_part_of_the_balance() -> None:
    seen = seen_of(with_segment(CLP, "CLP*A1*1*100*80*7"))
    reversal = seen_of(
        ["CLP*A1*22*-100*-80*0", "SVC*HC:99213*-100*-80", "CAS*CO*45*-15", "CAS*PR*2*-5"], CLAIM, CLAIM, paid="80"
    )

    assert [str(fault).partition(": ")[2] for fault in seen.faults] == [
        "the patient responsibility differs from the PR adjustments (CLP05 $7.00, PR $5.00); no fix is needed"
    ]
    assert Problem.PATIENT_SHARE.reach is Reach.WARNING
    assert reversal.faults == []
    assert [claim.is_reversal for claim in reversal.paid] == [True, False, False]


@pytest.mark.parametrize(
    ("plb", "paid", "balances"),
    [
        ("PLB*1*20261231*WO:ICN0*50", "30", True),
        ("PLB*1*20261231*WO:ICN0*50", "130", False),
        ("PLB*1*20261231*L6*-1.27", "81.27", True),
        ("PLB*1*20261231*72:A*10*WO:B*-5*L6:C*0", "75", True),
        ("PLB*1*20261231*FB:T9*80", "0", True),
        ("PLB*1*20261231*CS*0.01", "80", False),
    ],
)
def test_a_provider_adjustment_above_zero_lowers_the_payment(plb: str, paid: str, balances: bool) -> None:
    seen = seen_of(CLAIM, paid=paid, after=(plb,))

    assert seen.problems == ([] if balances else [Problem.OUT_OF_BALANCE])
    assert Problem.OUT_OF_BALANCE.reach is Reach.TRANSACTION
    assert {(one.reason, one.reference) for one in seen.provider} <= {
        ("WO", "ICN0"), ("L6", ""), ("72", "A"), ("WO", "B"), ("L6", "C"), ("FB", "T9"), ("CS", ""),
    }  # fmt: skip


@pytest.mark.parametrize(
    ("after", "paid", "problem"),
    [
        (("PLB*1*20261231*WO:ICN0*1,0",), "80", Problem.BAD_PROVIDER_AMOUNT),
        (("PLB*1*20261231" + "*WO*1" * 7,), "73", Problem.MANY_PROVIDER_AMOUNTS),
        (("PLB*1*20261231*WO*100",), "-20", Problem.NEGATIVE_PAYMENT),
        (("SVC*HC:1*1*1",), "80", Problem.MISPLACED_SEGMENT),
        (("LX*2", "CAS*CO*45*1"), "80", Problem.MISPLACED_SEGMENT),
        (("LX*2", "BPR*I*80"), "80", Problem.MISPLACED_SEGMENT),
        (("LX*2", "CUR*PR*CAD"), "80", Problem.FOREIGN_CURRENCY),
    ],
)
def test_a_transaction_with_a_fault_is_held(after: tuple[str, ...], paid: str, problem: Problem) -> None:
    claim = CLAIM if not after[0].startswith("SVC") else [CLP, "CAS*CO*45*15", "CAS*PR*2*5", "LX*2"]
    seen = seen_of(claim, paid=paid, after=after)

    assert problem in seen.problems
    assert [one.reach for one in seen.closed] == [Reach.TRANSACTION]
    assert problem.reach is Reach.TRANSACTION


@pytest.mark.parametrize(("paid", "held"), [("80", True), ("0", False)])
def test_a_remittance_for_information_only_has_no_payment(paid: str, held: bool) -> None:
    after = [] if held else ["PLB*1*20261231*WO:X*80"]
    segments = interchange([remittance([CLAIM], paid=paid, after=after)])

    seen = see_text(PLAIN.write([segment.replace("BPR*I", "BPR*H") for segment in segments]))

    assert seen.problems == ([Problem.NOT_PAID] if held else [])


def test_an_invalid_date_and_a_wrong_separator_are_warnings() -> None:
    seen = seen_of(with_segment(SVC, "SVC*HC>99213*100*80**1", "DTM*150*20260231"))

    assert seen.problems == [Problem.WRONG_SEPARATOR, Problem.BAD_DATE]
    assert {problem.reach for problem in seen.problems} == {Reach.WARNING}
    assert list(seen.paid[0].lines[0].dates) == ["472"]


def test_ids_keep_a_colon_and_other_qualifiers_are_read() -> None:
    claim = [
        "CLP*A:1*1*100*80*0*12", "SVC*NU:0120*60*50*0120**HC:99213:26*2", "CAS*CO*45*10", "REF*6R*L:1",
        "SVC*AD:D0120*40*30", "CAS*CO*45*10", "LQ*HE*N4", "MOA***MA01*MA02",
    ]  # fmt: skip

    seen = seen_of(claim)

    assert seen.faults == []
    first, second = seen.paid[0].lines
    assert (seen.paid[0].claim_id, first.control_number, second.control_number) == ("A:1", "L:1", "")
    assert (first.code, first.revenue_code, first.submitted_code, first.submitted_units) == (
        ("NU", "0120"), "0120", ("HC", "99213", "26"), "2",
    )  # fmt: skip
    assert (second.code, second.remarks) == (("AD", "D0120"), ["N4", "MA01", "MA02"])


def test_a_record_never_prints_a_name() -> None:
    seen = seen_of(CLAIM)

    assert "SECRET" not in repr(seen.paid[0])
    assert "W1" not in repr(seen.paid[0])


def test_millions_of_faults_of_one_transaction_are_counted_and_not_kept() -> None:
    seen = seen_of(CLAIM, after=("ZZZ*1",) * 3_000)

    (closed,) = seen.closed
    assert (len(closed.faults), closed.faults_left_out) == (1_000, 2_000)
