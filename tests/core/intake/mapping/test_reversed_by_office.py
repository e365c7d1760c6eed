"""A patient pays after a write-off, and the office reverses its write-off before its next export."""

from collections import Counter
from itertools import product
from typing import NamedTuple

from sqlalchemy import select

from core.books.invariants import violations
from core.ledger import recoveries
from core.models.claims import Claim
from tests.core.intake.mapping.conftest import OfficeFiles
from tests.core.intake.mapping.test_second_file import PAID, PAID_HEADER, is_clear, load, settle
from tests.factories import GivenPractice
from tests.properties import expected_balances

PAYERS = {"insured": "Aetna", "self-pay": ""}


class Composition(NamedTuple):
    """The books of a claim in cents."""

    due: int
    adjusted: int
    patient_paid: int
    written_off: int


class Case(NamedTuple):
    """A claim's charge, the patient's payments before the write-off, and a later export.

    The export has the adjustments, the patient's balance and payments. The books then have the composition. `recovered`
    are the cents of write-offs that payments reversed, and those restored or posted again; None if either is right.
    """

    charge: str
    paid: str
    later: str
    books: Composition
    recovered: tuple[int, int] | None


SECOND_PAYMENT = Case("100.00", "75.19", "18.20 0.00 81.80", Composition(0, 18_20, 81_80, 0), (6_61, 0))
CASES = {
    "a payment and the reversal for it": SECOND_PAYMENT,
    "the first payment": Case("24.81", "0.00", "18.20 0.00 6.61", Composition(0, 18_20, 6_61, 0), (6_61, 0)),
    "a part of the write-off": Case(
        "100.00", "75.19", "20.81 0.00 79.19", Composition(0, 18_20, 79_19, 2_61), (6_61, 2_61)
    ),
    "a reversal of more than the payment": Case(
        "100.00", "75.19", "18.20 2.61 79.19", Composition(2_61, 11_59, 79_19, 6_61), None
    ),
}


def export(office: OfficeFiles, cases: dict[str, Case], amounts: dict[str, str], **asked: bool) -> bool:
    """Import the next export with its corrections: the claims of each case for each payer.

    Return whether the same export then changes nothing.
    """
    rows = []
    for (name, case), (kind, payer) in product(cases.items(), PAYERS.items()):
        adjusted, due, paid = amounts[name].split()
        rows.append(f"{name} {kind},P1,Example Ann,03/14/2026,{payer},{case.charge},0.00,{adjusted},0.00,{due},{paid}")
    path = office.csv(*rows, header=PAID_HEADER)
    asked = {"post_corrections": True, **asked}
    load(office, path, PAID, **asked)
    again = load(office, path, PAID, **asked)
    return again.nothing_new and is_clear(again) and again.corrected == 0


def compositions(practice: GivenPractice) -> dict[str, Composition]:
    written_off = expected_balances.read(practice).written_off
    with practice.sessions() as session:
        assert violations(session) == []
        return {
            claim.external_id: Composition(
                claim.insurance_due + claim.patient_due,
                abs(claim.adjustment),
                abs(claim.patient_paid),
                sum(cents for (number, *_), cents in written_off.items() if number == claim.external_id),
            )
            for claim in session.scalars(select(Claim))
        }


def of_each(books: dict[str, Composition]) -> dict[str, Composition]:
    """Return what is expected of the claims of each case, for each payer."""
    return {f"{name} {kind}": expected for (name, expected), kind in product(books.items(), PAYERS)}


def recovered(practice: GivenPractice) -> dict[str, tuple[int, int]]:
    """Return for each claim the cents of write-offs that payments reversed, and those restored or posted again."""
    with practice.sessions() as session:
        page = recoveries.page(session, practice.id, limit=99)
        months = recoveries.totals_by_month(session, practice.id)
    reversed_, again = Counter[str](), Counter[str]()
    for one in page:
        reversed_[one.claim_id] += one.reversed_cents
        again[one.claim_id] += one.posted_again_cents
    assert sum(one.reversed_cents for one in months) == reversed_.total()
    assert sum(one.posted_again_cents for one in months) == again.total()
    return {number: (reversed_[number], again[number]) for number in reversed_}


def written_off(office: OfficeFiles, cases: dict[str, Case]) -> GivenPractice:
    """Write off the patients' balances of 6.61, and import the office's adjustments for them."""
    export(office, cases, {name: f"18.20 6.61 {case.paid}" for name, case in cases.items()})
    practice = settle(office)
    assert {found.written_off for found in compositions(practice).values()} == {6_61}
    assert export(office, cases, {name: f"24.81 0.00 {case.paid}" for name, case in cases.items()})
    return practice


def test_a_payment_and_the_reversal_for_it_leave_the_composition_of_the_export(office: OfficeFiles) -> None:
    practice = written_off(office, CASES)

    assert export(office, CASES, {name: case.later for name, case in CASES.items()})

    assert compositions(practice) == of_each({name: case.books for name, case in CASES.items()})
    found = recovered(practice)
    for (name, case), kind in product(CASES.items(), PAYERS):
        assert case.recovered in (None, found.get(f"{name} {kind}"))


def test_the_reversal_may_come_in_a_later_export_and_the_payment_after_an_import_without_corrections(
    office: OfficeFiles,
) -> None:
    cases = {"later reversal": SECOND_PAYMENT, "without corrections": SECOND_PAYMENT}
    practice = written_off(office, cases)
    last = dict.fromkeys(cases, SECOND_PAYMENT.later)
    before = Composition(0, 18_20, 75_19, 6_61)
    after = SECOND_PAYMENT.books

    assert export(office, cases, {"later reversal": "24.81 -6.61 81.80", "without corrections": "24.81 0.00 75.19"})
    assert compositions(practice) == of_each({"later reversal": after, "without corrections": before})
    export(office, cases, last, post_corrections=False)
    assert compositions(practice) == of_each({"later reversal": after, "without corrections": before})
    assert export(office, cases, last)

    assert compositions(practice) == of_each(dict.fromkeys(cases, after))
    assert recovered(practice) == dict.fromkeys(compositions(practice), SECOND_PAYMENT.recovered)
