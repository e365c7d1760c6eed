"""A total in the next export that changed by more, or by less, than what the ledger already has."""

from core.enums.practices import WriteOffSetting
from core.intake.mapping.mapping import Mapping
from tests.core.intake.mapping.conftest import HEADER, MAPPING, OfficeFiles
from tests.core.intake.mapping.test_second_file import (
    ADJUSTED,
    ADJUSTED_HEADER,
    PAID,
    PAID_HEADER,
    balances_of_all,
    in_practice,
    is_clear,
    load,
    settle,
)

Balances = dict[str, tuple[int, int]]


def rows_of(claims: dict[str, str]) -> list[str]:
    return [f"{number},P1,Example Ann,03/14/2026,Aetna,{amounts}" for number, amounts in claims.items()]


def after_next_export(office: OfficeFiles, claims: dict[str, str], header: str, mapping: Mapping) -> Balances:
    """Import the export with its corrections. Return the balances, which the same export does not change again."""
    path = office.csv(*rows_of(claims), header=header)
    load(office, path, mapping, post_corrections=True)
    due = balances_of_all(office)
    again = load(office, path, mapping, post_corrections=True)
    assert (again.nothing_new, again.corrected, is_clear(again)) == (True, 0, True)
    assert balances_of_all(office) == due
    return due


def test_a_payment_entered_here_is_part_of_a_larger_total_and_not_of_a_smaller_payment(office: OfficeFiles) -> None:
    numbers = ("LARGER", "SMALLER")
    unpaid = dict.fromkeys(numbers, "100.00,0.00,0.00,0.00,100.00,0.00")
    load(office, office.csv(*rows_of(unpaid), header=PAID_HEADER), PAID)
    practice = in_practice(office)
    for number in numbers:
        practice.post(number, 30_00, key=number, responsibility="patient", kind="payment", paid_by="patient")
    assert balances_of_all(office) == dict.fromkeys(numbers, (0, 70_00))

    export = {"LARGER": "100.00,0.00,0.00,0.00,50.00,50.00", "SMALLER": "100.00,0.00,0.00,0.00,80.00,20.00"}
    due = after_next_export(office, export, PAID_HEADER, PAID)
    assert due == dict.fromkeys(numbers, (0, 50_00)), "$20.00 of the $50.00 was new, and all of the $20.00"

    export = {"LARGER": "100.00,0.00,0.00,0.00,40.00,60.00", "SMALLER": "100.00,0.00,0.00,0.00,50.00,50.00"}
    due = after_next_export(office, export, PAID_HEADER, PAID)
    assert due == {"LARGER": (0, 40_00), "SMALLER": (0, 50_00)}, "the export has both payments of SMALLER now"


def test_a_payment_entered_here_is_part_of_a_lower_balance(office: OfficeFiles) -> None:
    load(office, office.csv(*rows_of({"C1": "0.00,100.00"}), header=HEADER), MAPPING)
    in_practice(office).post("C1", 30_00, responsibility="patient", kind="payment", paid_by="patient")

    assert after_next_export(office, {"C1": "0.00,50.00"}, HEADER, MAPPING) == {"C1": (0, 50_00)}
    assert after_next_export(office, {"C1": "0.00,0.00"}, HEADER, MAPPING) == {"C1": (0, 0)}


def test_a_write_off_is_compared_with_adjustments_of_another_amount(office: OfficeFiles) -> None:
    before = "100.00,0.00,0.00,20.00,80.00"
    load(office, office.csv(*rows_of({"MORE": before, "LESS": before}), header=ADJUSTED_HEADER), ADJUSTED)
    practice = in_practice(office)
    practice.set_write_off(WriteOffSetting.INSURANCE)
    practice.settle()
    assert balances_of_all(office) == {"MORE": (0, 80_00), "LESS": (0, 80_00)}

    export = {
        "MORE": "100.00,0.00,35.00,0.00,65.00",  # and $15.00 of the patient's balance
        "LESS": "100.00,0.00,15.00,5.00,80.00",  # the office has not entered all of it
    }
    due = after_next_export(office, export, ADJUSTED_HEADER, ADJUSTED)
    assert due == {"MORE": (0, 65_00), "LESS": (0, 80_00)}


def test_an_unrelated_rise_after_a_write_off_is_still_a_correction(office: OfficeFiles) -> None:
    load(office, office.csv(*rows_of({"C1": "100.00,0.00,80.00,20.00,0.00"}), header=ADJUSTED_HEADER), ADJUSTED)
    settle(office)
    assert balances_of_all(office) == {"C1": (0, 0)}

    more = office.csv(*rows_of({"C1": "100.00,0.00,70.00,30.00,0.00"}), header=ADJUSTED_HEADER)
    done = load(office, more, ADJUSTED)

    assert (done.recognized.postings, done.corrections.changed) == (0, 1)
