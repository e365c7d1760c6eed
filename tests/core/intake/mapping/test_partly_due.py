"""A total in the next export that changed by more, or by less, than what the ledger already has."""

import pytest

from core.models.practices import WriteOffSetting
from tests.core.intake.mapping.conftest import MAPPING, OfficeFiles
from tests.core.intake.mapping.test_second_file import (
    ADJUSTED,
    ADJUSTED_HEADER,
    PAID,
    PAID_HEADER,
    balances,
    in_practice,
    is_clear,
    load,
    settle,
)

CLAIM = "C1,P1,Example Ann,03/14/2026,Aetna,"


def after_next_export(office: OfficeFiles, row: str, *, header: str, **of_file: object) -> tuple[int, int]:
    """Import the export with its corrections. Return the balances, which the same export does not change again."""
    path = office.csv(CLAIM + row, header=header)
    load(office, path, post_corrections=True, **of_file)  # type: ignore[arg-type]
    due = balances(office)
    again = load(office, path, post_corrections=True, **of_file)  # type: ignore[arg-type]
    assert (again.nothing_new, again.corrected, is_clear(again)) == (True, 0, True)
    assert balances(office) == due
    return due


def test_a_payment_entered_here_is_part_of_a_larger_total(office: OfficeFiles) -> None:
    load(office, office.csv(CLAIM + "100.00,0.00,0.00,0.00,100.00,0.00", header=PAID_HEADER), PAID)
    in_practice(office).post("C1", 30_00, responsibility="patient", kind="payment", paid_by="patient")
    assert balances(office) == (0, 70_00)

    due = after_next_export(office, "100.00,0.00,0.00,0.00,50.00,50.00", header=PAID_HEADER, mapping=PAID)

    assert due == (0, 50_00), "$20.00 of the $50.00 was new"
    due = after_next_export(office, "100.00,0.00,0.00,0.00,40.00,60.00", header=PAID_HEADER, mapping=PAID)
    assert due == (0, 40_00)


def test_a_payment_entered_here_is_part_of_a_lower_balance(office: OfficeFiles) -> None:
    header = "Claim #,Patient #,Patient Name,DOS,Primary Ins,Ins Bal,Pt Bal"
    load(office, office.csv(CLAIM + "0.00,100.00", header=header), MAPPING)
    in_practice(office).post("C1", 30_00, responsibility="patient", kind="payment", paid_by="patient")

    assert after_next_export(office, "0.00,50.00", header=header, mapping=MAPPING) == (0, 50_00)
    assert after_next_export(office, "0.00,0.00", header=header, mapping=MAPPING) == (0, 0)


@pytest.mark.parametrize(
    ("row", "due"),
    [
        ("100.00,0.00,35.00,0.00,65.00", (0, 65_00)),  # and $15.00 of the patient's balance
        ("100.00,0.00,15.00,5.00,80.00", (0, 80_00)),  # the office has not entered all of it
    ],
    ids=["more", "less"],
)
def test_a_write_off_is_compared_with_adjustments_of_another_amount(
    office: OfficeFiles, row: str, due: tuple[int, int]
) -> None:
    load(office, office.csv(CLAIM + "100.00,0.00,0.00,20.00,80.00", header=ADJUSTED_HEADER), ADJUSTED)
    practice = in_practice(office)
    practice.set_write_off(WriteOffSetting.INSURANCE)
    practice.settle()
    assert balances(office) == (0, 80_00)

    assert after_next_export(office, row, header=ADJUSTED_HEADER, mapping=ADJUSTED) == due


def test_a_smaller_payment_is_another_payment(office: OfficeFiles) -> None:
    load(office, office.csv(CLAIM + "100.00,0.00,0.00,0.00,100.00,0.00", header=PAID_HEADER), PAID)
    in_practice(office).post("C1", 30_00, responsibility="patient", kind="payment", paid_by="patient")

    due = after_next_export(office, "100.00,0.00,0.00,0.00,80.00,20.00", header=PAID_HEADER, mapping=PAID)

    assert due == (0, 50_00)
    due = after_next_export(office, "100.00,0.00,0.00,0.00,50.00,50.00", header=PAID_HEADER, mapping=PAID)
    assert due == (0, 50_00), "the export has both payments now"


def test_an_unrelated_rise_after_a_write_off_is_still_a_correction(office: OfficeFiles) -> None:
    load(office, office.csv(CLAIM + "100.00,0.00,80.00,20.00,0.00", header=ADJUSTED_HEADER), ADJUSTED)
    settle(office)
    assert balances(office) == (0, 0)

    done = load(office, office.csv(CLAIM + "100.00,0.00,70.00,30.00,0.00", header=ADJUSTED_HEADER), ADJUSTED)

    assert (done.recognized.postings, done.corrections.changed) == (0, 1)
