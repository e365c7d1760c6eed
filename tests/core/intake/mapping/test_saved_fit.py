"""Which saved mapping fits a file."""

import pytest

from core.intake.mapping import saved_fit
from core.intake.mapping.guess import guess_mapping
from tests.core.intake.mapping.conftest import OfficeFiles
from tests.factories import TODAY

PAID_HEADER = "Claim #,Patient #,Patient Name,DOS,Primary Ins,Charge,Ins Paid,Adj,Resp"
PAID = "C1,P1,Example Ann,03/14/2026,Aetna,100.00,{paid},{adjusted},I"


@pytest.mark.parametrize(("paid", "adjusted", "fits"), [
    ("50.00", "10.00", True),
    ("-50.00", "10.00", False),
    ("50.00", "-10.00", False),
    ("0.00", "0.00", True),
    ("", "", True),
])  # fmt: skip
def test_a_file_that_writes_payments_with_the_other_sign_does_not_fit(
    office: OfficeFiles, paid: str, adjusted: str, *, fits: bool
) -> None:
    """Without a balance column, a payment of the other sign would raise the balance instead of lowering it."""
    usual = guess_mapping(office.csv(PAID.format(paid="60.00", adjusted="5.00"), header=PAID_HEADER), today=TODAY)
    other = guess_mapping(office.csv(PAID.format(paid=paid, adjusted=adjusted), header=PAID_HEADER), today=TODAY)

    assert saved_fit.fits(usual.mapping, other) is fits
    below = usual.mapping.model_copy(update={"payments_below_zero": True, "adjustments_below_zero": True})
    assert saved_fit.fits(below, other) is (paid in ("", "0.00"))
