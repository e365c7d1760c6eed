"""How changed totals are named, and why a claim's balance differs from the file after an import."""

import pytest

from core.intake.loading.corrections import Correction
from tests.core.intake.mapping.conftest import OfficeFiles
from tests.core.intake.mapping.test_second_file import (
    ADJUSTED,
    ADJUSTED_HEADER,
    DATED,
    DATED_HEADER,
    LINES,
    LINES_HEADER,
    PAID,
    PAID_HEADER,
    balances,
    in_practice,
    load,
    settle,
)

CLAIM = "C1,P1,Example Ann,03/14/2026,Aetna,"
TODAY = "11/23/2026"


def changes(office: OfficeFiles, before: str, after: str) -> list[Correction]:
    found: list[Correction] = []
    load(office, office.csv(CLAIM + before, header=ADJUSTED_HEADER), ADJUSTED)
    done = load(office, office.csv(CLAIM + after, header=ADJUSTED_HEADER), ADJUSTED, found)
    assert done.corrections.new == sum(one.is_new for one in found)
    return found


@pytest.mark.parametrize(
    ("after", "words"),
    [
        ("100.00,25.00,20.00,55.00,0.00", f"new payment by primary of $15.00 (insurance, line 1, {TODAY})"),
        ("100.00,10.00,30.00,60.00,0.00", f"new adjustment of $10.00 (insurance, line 1, {TODAY})"),
    ],
    ids=["payment", "adjustment"],
)
def test_a_total_that_rose_has_another_posting(office: OfficeFiles, after: str, words: str) -> None:
    (found,) = changes(office, "100.00,10.00,20.00,70.00,0.00", after)

    assert (found.is_new, found.to_post()) == (True, [words])


def test_a_total_that_fell_is_still_a_difference_to_correct(office: OfficeFiles) -> None:
    (found,) = changes(office, "100.00,25.00,20.00,55.00,0.00", "100.00,10.00,20.00,70.00,0.00")

    assert not found.is_new
    assert found.to_post()[0].startswith("refund to primary that raises the balance by $15.00")


def test_a_new_payment_on_a_dated_total_is_one_posting_on_its_own_date(office: OfficeFiles) -> None:
    found: list[Correction] = []
    load(office, office.csv(f"{CLAIM}100.00,50.00,0.00,50.00,0.00,03/20/2026", header=DATED_HEADER), DATED)
    more = office.csv(f"{CLAIM}100.00,80.00,0.00,20.00,0.00,04/02/2026", header=DATED_HEADER)

    done = load(office, more, DATED, found, post_corrections=True)

    assert [one.to_post() for one in found] == [["new payment by primary of $30.00 (insurance, line 1, 04/02/2026)"]]
    assert (done.corrected, balances(office)) == (1, (20_00, 0))
    assert load(office, more, DATED).nothing_new


@pytest.mark.parametrize("payer", ["Aetna", ""], ids=["insured", "self-pay"])
def test_the_write_off_is_named_apart_from_the_adjustments_of_the_file(office: OfficeFiles, payer: str) -> None:
    row = f"C1,P1,Example Ann,03/14/2026,{payer},100.00,0.00,"
    load(office, office.csv(row + "18.20,0.00,6.61,75.19", header=PAID_HEADER), PAID)
    settle(office)
    load(office, office.csv(row + "24.81,0.00,0.00,75.19", header=PAID_HEADER), PAID)

    done = load(office, office.csv(row + "23.81,0.00,1.00,75.19", header=PAID_HEADER), PAID)

    found = next(one for one in done.corrections.first if one.old.kind == "adjustment")
    assert found.old_words.startswith("adjustment -$18.20")
    assert found.old_words.endswith(", plus write-off -$6.61 posted in Batch Settle")


def test_a_payment_that_was_entered_here_is_named_apart(office: OfficeFiles) -> None:
    load(office, office.csv(CLAIM + "100.00,10.00,0.00,90.00,0.00", header=ADJUSTED_HEADER), ADJUSTED)
    in_practice(office).post("C1", 30_00, responsibility="insurance", kind="payment", paid_by="primary")
    load(office, office.csv(CLAIM + "100.00,40.00,0.00,60.00,0.00", header=ADJUSTED_HEADER), ADJUSTED)

    done = load(office, office.csv(CLAIM + "100.00,35.00,0.00,65.00,0.00", header=ADJUSTED_HEADER), ADJUSTED)

    (found,) = done.corrections.first
    assert found.old_words.startswith("payment by primary of $10.00")
    assert found.old_words.endswith(", plus payment -$30.00 posted in Batch Settle")


def reasons(office: OfficeFiles, row: str, *, header: str = PAID_HEADER, **asked: bool) -> list[tuple[str, int]]:
    """Import the file. Return why the claim's balance then differs from it."""
    mapping = {PAID_HEADER: PAID, LINES_HEADER: LINES}[header]
    found = load(office, office.csv(row, header=header), mapping, **asked).agreement
    assert found is not None
    return [(reason.code, reason.cents) for one in found.first for reason in one.reasons]


FIRST = CLAIM + "100.00,0.00,18.20,0.00,6.61,75.19"


def test_a_balance_differs_until_the_office_enters_the_write_off_and_its_reversal(office: OfficeFiles) -> None:
    load(office, office.csv(FIRST, header=PAID_HEADER), PAID)
    settle(office)

    assert reasons(office, FIRST) == [("written_off", -6_61)]
    assert reasons(office, CLAIM + "100.00,0.00,24.81,0.00,0.00,75.19") == []
    late = CLAIM + "100.00,0.00,24.81,0.00,-6.61,81.80"
    assert reasons(office, late, post_corrections=True) == [("reversed", 6_61)]
    assert reasons(office, CLAIM + "100.00,0.00,18.20,0.00,0.00,81.80") == []


def test_a_balance_differs_by_what_was_entered_here_or_not_corrected(office: OfficeFiles) -> None:
    load(office, office.csv(FIRST, header=PAID_HEADER), PAID)
    practice = in_practice(office)
    practice.post("C1", 2_00, responsibility="patient", kind="payment", paid_by="patient")

    assert reasons(office, FIRST) == [("entered", -2_00)]
    less = CLAIM + "100.00,0.00,18.20,0.00,11.80,70.00"
    assert reasons(office, less) == [("not_corrected", -5_19), ("entered", -2_00)]


def test_a_balance_differs_by_a_posting_that_was_held_back(office: OfficeFiles) -> None:
    line = "C1,P1,Example Ann,03/14/2026,99213,Aetna,100.00,{},0.00"
    load(office, office.csv(line.format("0.00,100.00"), header=LINES_HEADER), LINES)

    assert reasons(office, line.format("60.00,40.00"), header=LINES_HEADER) == [("held_back", 60_00)]
