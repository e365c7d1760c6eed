"""A patient pays after a write-off, and the office reverses its write-off before its next export."""

from typing import NamedTuple

import pytest
from sqlalchemy import select

from core.books.invariants import violations
from core.ledger import recoveries
from core.models.claims import Claim
from tests.core.intake.mapping.conftest import OfficeFiles
from tests.core.intake.mapping.test_second_file import (
    PAID,
    PAID_HEADER,
    is_clear,
    load,
    settle,
)
from tests.factories import GivenPractice
from tests.properties import expected_balances

PAYERS = pytest.mark.parametrize("payer", ["Aetna", ""], ids=["insured", "self-pay"])


class Composition(NamedTuple):
    """The books of a claim in cents."""

    due: int
    adjusted: int
    patient_paid: int
    written_off: int


def export(office: OfficeFiles, payer: str, amounts: str, **asked: bool) -> bool:
    """Import the next export with its corrections. Return whether the same export then changes nothing.

    The amounts are the charge, the adjustments, the patient's balance and payments.
    """
    charge, adjusted, due, paid = amounts.split()
    row = f"C1,P1,Example Ann,03/14/2026,{payer},{charge},0.00,{adjusted},0.00,{due},{paid}"
    path = office.csv(row, header=PAID_HEADER)
    asked = {"post_corrections": True, **asked}
    load(office, path, PAID, **asked)
    again = load(office, path, PAID, **asked)
    return again.nothing_new and is_clear(again) and again.corrected == 0


def composition(practice: GivenPractice) -> Composition:
    with practice.sessions() as session:
        assert violations(session) == []
        claim = session.scalars(select(Claim)).one()
        found = claim.insurance_due + claim.patient_due, abs(claim.adjustment), abs(claim.patient_paid)
    return Composition(*found, sum(expected_balances.read(practice).written_off.values()))


def recovered(practice: GivenPractice) -> tuple[int, int]:
    """Return the cents of write-offs that payments reversed, and those restored or posted again."""
    with practice.sessions() as session:
        months = recoveries.totals_by_month(session, practice.id)
    return sum(one.reversed_cents for one in months), sum(one.posted_again_cents for one in months)


def written_off(office: OfficeFiles, payer: str, charge: str, paid: str) -> GivenPractice:
    """Write off the patient's balance of 6.61, and import the office's adjustment for it."""
    row = f"C1,P1,Example Ann,03/14/2026,{payer},{charge},0.00,18.20,0.00,6.61,{paid}"
    load(office, office.csv(row, header=PAID_HEADER), PAID)
    practice = settle(office)
    assert composition(practice).written_off == 6_61
    assert export(office, payer, f"{charge} 24.81 0.00 {paid}")
    return practice


@PAYERS
@pytest.mark.parametrize(
    ("charge", "before", "after"),
    [("100.00", "75.19", "81.80"), ("24.81", "0.00", "6.61")],
    ids=["second payment", "first payment"],
)
def test_a_payment_and_the_reversal_for_it_leave_the_composition_of_the_export(
    office: OfficeFiles, payer: str, charge: str, before: str, after: str
) -> None:
    practice = written_off(office, payer, charge, before)

    assert export(office, payer, f"{charge} 18.20 0.00 {after}")

    assert composition(practice) == Composition(0, 18_20, round(float(after) * 100), 0)
    assert recovered(practice) == (6_61, 0)


@PAYERS
def test_a_part_of_the_write_off_is_reversed_in_both_systems(office: OfficeFiles, payer: str) -> None:
    practice = written_off(office, payer, "100.00", "75.19")

    assert export(office, payer, "100.00 20.81 0.00 79.19")

    assert composition(practice) == Composition(0, 18_20, 79_19, 2_61)
    assert recovered(practice) == (6_61, 2_61)


@PAYERS
def test_a_reversal_of_more_than_the_payment_leaves_the_balance_of_the_export(office: OfficeFiles, payer: str) -> None:
    practice = written_off(office, payer, "100.00", "75.19")

    assert export(office, payer, "100.00 18.20 2.61 79.19")

    assert composition(practice).due == 2_61


@PAYERS
def test_the_reversal_may_come_in_a_later_export(office: OfficeFiles, payer: str) -> None:
    practice = written_off(office, payer, "100.00", "75.19")

    assert export(office, payer, "100.00 24.81 -6.61 81.80")
    assert composition(practice) == Composition(0, 18_20, 81_80, 0)
    assert export(office, payer, "100.00 18.20 0.00 81.80")

    assert composition(practice) == Composition(0, 18_20, 81_80, 0)
    assert recovered(practice) == (6_61, 0)


@PAYERS
def test_without_the_corrections_the_payment_comes_in_later(office: OfficeFiles, payer: str) -> None:
    practice = written_off(office, payer, "100.00", "75.19")

    export(office, payer, "100.00 18.20 0.00 81.80", post_corrections=False)
    assert composition(practice) == Composition(0, 18_20, 75_19, 6_61)
    assert export(office, payer, "100.00 18.20 0.00 81.80")

    assert composition(practice) == Composition(0, 18_20, 81_80, 0)
