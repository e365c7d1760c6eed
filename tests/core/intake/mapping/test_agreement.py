"""After an import, the balances are compared with those of the file."""

from core.intake.loading.agreement import DifferentBalance, Forecast
from core.intake.loading.balance_reasons import ENTERED, NOT_CORRECTED, Reason
from tests.core.intake.mapping.conftest import MAPPING, OfficeFiles
from tests.core.intake.mapping.test_second_file import in_practice, load


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


def test_a_check_of_a_file_without_news_compares_the_balances_too(office: OfficeFiles) -> None:
    path = office.csv("C1,P1,Example Ann,03/14/2026,Aetna,100.00,0.00", "C2,P2,Example Bob,03/14/2026,Aetna,5.00,0.00")
    assert load(office, path, MAPPING, check_only=True).agreement is None, "new claims have the file's balances"
    load(office, path, MAPPING)
    in_practice(office).post("C1", 30_00, responsibility="insurance", kind="payment", paid_by="primary")

    found = load(office, path, MAPPING, check_only=True).agreement

    assert found is not None
    assert (found.file_cents, found.cents, found.different) == (105_00, 75_00, 1)
    assert found.first == [DifferentBalance("C1", 100_00, 70_00, (Reason(ENTERED, -30_00),))]
