"""After an import, the balances are compared with those of the file."""

from core.intake.loading.agreement import DifferentBalance
from core.intake.loading.balance_reasons import ENTERED, NOT_CORRECTED, WILL_RESTORE, WILL_REVERSE, WRITTEN_OFF, Reason
from core.intake.loading.forecast import Forecast
from tests.core.intake.mapping.conftest import MAPPING, OfficeFiles
from tests.core.intake.mapping.test_second_file import PAID, PAID_HEADER, in_practice, load, settle
from tests.factories import TODAY


def test_a_claim_with_balances_of_zero_in_the_file_is_compared_too(office: OfficeFiles) -> None:
    """In a file of balances only, such a claim has no posting."""
    office.load(office.csv("C1,P1,Example Ann,03/14/2026,Aetna,100.00,0.00"), MAPPING)

    found = office.load(office.csv("C1,P1,Example Ann,03/14/2026,Aetna,0.00,0.00"), MAPPING).agreement

    assert found is not None
    assert (found.file_cents, found.cents, found.different) == (0, 100_00, 1)
    assert found.first == [DifferentBalance("C1", 0, 100_00, (Reason(NOT_CORRECTED, 100_00),))]


def test_a_check_says_what_the_import_does_to_the_balances(office: OfficeFiles) -> None:
    """The balance of C1 moves to the patient, so its new posting comes in only with the correction."""
    rows = ("C1,P1,Example Ann,03/14/2026,Aetna,{},{}", "C2,P2,Example Bob,03/14/2026,Aetna,5.00,0.00")
    new = "C3,P1,Example Ann,03/15/2026,Aetna,7.00,0.00"
    load(office, office.csv(*(row.format("100.00", "0.00") for row in rows)), MAPPING)
    path = office.csv(rows[0].format("0.00", "40.00"), new)

    found = load(office, path, MAPPING, check_only=True).forecast

    assert found == Forecast(
        before_cents=100_00, new_cents=7_00, to_post_cents=-60_00, file_cents=47_00, others_cents=5_00
    )
    load(office, path, MAPPING, post_corrections=True)
    assert found.after_cents == 47_00
    again = load(office, path, MAPPING, check_only=True).forecast
    assert again == Forecast(before_cents=47_00, new_cents=0, to_post_cents=0, file_cents=47_00, others_cents=5_00)


def test_a_check_counts_the_write_offs_that_late_payments_reverse_and_restore(office: OfficeFiles) -> None:
    """The file gives 6.61 as paid after a job wrote it off; then the payment is gone."""
    rows = [f"C1,P1,Example Ann,03/14/2026,,24.81,0.00,18.20,0.00,{amounts}" for amounts in ("6.61,0.00", "0.00,6.61")]
    before, paid = (office.csv(row, header=PAID_HEADER, name=f"{n}.csv") for n, row in enumerate(rows))
    load(office, before, PAID)
    settle(office)

    found = load(office, paid, PAID, check_only=True)

    assert found.forecast == Forecast(
        before_cents=0, new_cents=-6_61, to_post_cents=0, file_cents=0, others_cents=0, reversed_cents=6_61
    )
    (payment,) = found.new_postings.first
    assert (found.new_postings.cents, payment.claim_id, payment.reversed_cents) == (-6_61, "C1", 6_61)
    assert payment.cells() == (
        "C1", "2026-03-14", "1", "patient", "payment", "-6.61", "patient", "", "", str(TODAY), "6.61"
    )  # fmt: skip
    load(office, paid, PAID)
    gone = load(office, before, PAID, check_only=True).forecast
    assert gone is not None
    assert (gone.to_post_cents, gone.to_post_reversed_cents) == (6_61, -6_61)
    assert gone.first == [DifferentBalance("C1", 6_61, 0, (Reason(WILL_RESTORE, -6_61),))]
    load(office, before, PAID, post_corrections=True)


def test_a_check_names_the_claims_that_will_differ_and_why(office: OfficeFiles) -> None:
    """The office entered the write-off of 6.61 in its system, and the patient paid afterward."""
    amounts = ("18.20,0.00,6.61,0.00", "24.81,0.00,0.00,0.00", "24.81,0.00,-6.61,6.61")  # adjusted, balances, paid
    files = [
        office.csv(f"C1,P1,Example Ann,03/14/2026,,24.81,0.00,{row}", header=PAID_HEADER, name=f"{number}.csv")
        for number, row in enumerate(amounts)
    ]
    load(office, files[0], PAID)
    settle(office)
    load(office, files[1], PAID)

    found = load(office, files[2], PAID, check_only=True).forecast

    assert found is not None
    assert found.first == [DifferentBalance("C1", -6_61, 0, (Reason(WILL_REVERSE, 6_61),))]
    load(office, files[2], PAID)


def test_a_check_says_which_part_of_a_write_off_the_office_did_not_enter(office: OfficeFiles) -> None:
    """A job wrote off 6.61, and the office entered 4.00 of it. The import and its check say the same."""
    row = "C1,P1,Example Ann,03/14/2026,,24.81,0.00,{}"
    files = [
        office.csv(row.format(amounts), header=PAID_HEADER, name=f"{number}.csv")
        for number, amounts in enumerate(("18.20,0.00,6.61,0.00", "22.20,0.00,2.61,0.00"))
    ]
    load(office, files[0], PAID)
    settle(office)

    found = [load(office, files[1], PAID, check_only=check_only).agreement for check_only in (True, True, False)]

    expected = [DifferentBalance("C1", 2_61, 0, (Reason(WRITTEN_OFF, -2_61),))]
    assert [one and one.first for one in found] == [expected] * 3


def test_a_check_of_a_file_without_news_compares_the_balances_too(office: OfficeFiles) -> None:
    path = office.csv("C1,P1,Example Ann,03/14/2026,Aetna,100.00,0.00", "C2,P2,Example Bob,03/14/2026,Aetna,5.00,0.00")
    assert load(office, path, MAPPING, check_only=True).agreement is None, "new claims have the file's balances"
    load(office, path, MAPPING)
    in_practice(office).post("C1", 30_00, responsibility="insurance", kind="payment", paid_by="primary")

    found = load(office, path, MAPPING, check_only=True).agreement

    assert found is not None
    assert (found.file_cents, found.cents, found.different) == (105_00, 75_00, 1)
    assert found.first == [DifferentBalance("C1", 100_00, 70_00, (Reason(ENTERED, -30_00),))]
