"""After an import, the balances are compared with those of the file."""

from core.intake.loading.agreement import DifferentBalance
from tests.core.intake.mapping.conftest import MAPPING, OfficeFiles


def test_a_claim_with_balances_of_zero_in_the_file_is_compared_too(office: OfficeFiles) -> None:
    """In a file of balances only, such a claim has no posting."""
    office.load(office.csv("C1,P1,Example Ann,03/14/2026,Aetna,100.00,0.00"), MAPPING)

    found = office.load(office.csv("C1,P1,Example Ann,03/14/2026,Aetna,0.00,0.00"), MAPPING).agreement

    assert found is not None
    assert (found.file_cents, found.cents, found.different) == (0, 100_00, 1)
    assert found.first == [DifferentBalance("C1", 0, 100_00)]
