"""How changed totals are named, and why a claim's balance differs from the file after an import."""

from core.intake.loading.corrections import Correction
from core.intake.loading.imported import Imported
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


def test_a_total_that_rose_has_another_posting_and_one_that_fell_is_a_difference_to_correct(
    office: OfficeFiles,
) -> None:
    cases = {  # before, after, and what would be posted
        "PAYMENT": ("10.00,20.00,70.00", "25.00,20.00,55.00", "new payment by primary of $15.00"),
        "ADJUSTMENT": ("10.00,20.00,70.00", "10.00,30.00,60.00", "new adjustment of $10.00"),
        "FELL": ("25.00,20.00,55.00", "10.00,20.00,70.00", "refund to primary that raises the balance by $15.00"),
    }
    found: list[Correction] = []
    for day in (0, 1):
        rows = (f"{number},P1,Example Ann,03/14/2026,Aetna,100.00,{case[day]},0.00" for number, case in cases.items())
        done = load(office, office.csv(*rows, header=ADJUSTED_HEADER), ADJUSTED, found)

    assert {one.claim_id: one.is_new for one in found} == {"PAYMENT": True, "ADJUSTMENT": True, "FELL": False}
    assert done.corrections.new == 2
    words = {one.claim_id: one.to_post() for one in found}
    assert words["FELL"][0].startswith(cases["FELL"][2])
    for number in ("PAYMENT", "ADJUSTMENT"):
        assert words[number] == [f"{cases[number][2]} (insurance, line 1, {TODAY})"]


def test_a_new_payment_on_a_dated_total_is_one_posting_on_its_own_date(office: OfficeFiles) -> None:
    found: list[Correction] = []
    load(office, office.csv(f"{CLAIM}100.00,50.00,0.00,50.00,0.00,03/20/2026", header=DATED_HEADER), DATED)
    more = office.csv(f"{CLAIM}100.00,80.00,0.00,20.00,0.00,04/02/2026", header=DATED_HEADER)

    done = load(office, more, DATED, found, post_corrections=True)

    assert [one.to_post() for one in found] == [["new payment by primary of $30.00 (insurance, line 1, 04/02/2026)"]]
    assert (done.corrected, balances(office)) == (1, (20_00, 0))
    assert load(office, more, DATED).nothing_new


def test_the_write_off_is_named_apart_from_the_adjustments_of_the_file(office: OfficeFiles) -> None:
    def export(amounts: str) -> Imported:
        payers = {"INSURED": "Aetna", "SELF-PAY": ""}
        rows = (f"{number},P1,Example Ann,03/14/2026,{payer},100.00,{amounts}" for number, payer in payers.items())
        return load(office, office.csv(*rows, header=PAID_HEADER), PAID)

    export("0.00,18.20,0.00,6.61,75.19")
    settle(office)
    export("0.00,24.81,0.00,0.00,75.19")

    done = export("0.00,23.81,0.00,1.00,75.19")

    found = {one.claim_id: one.old_words for one in done.corrections.first if one.old.kind == "adjustment"}
    assert found.keys() == {"INSURED", "SELF-PAY"}
    for words in found.values():
        assert words.startswith("adjustment -$18.20")
        assert words.endswith(", plus write-off -$6.61 posted in Batch Settle")


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
