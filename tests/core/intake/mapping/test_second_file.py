"""A second file of the office's own: a changed row never posts the same money twice."""

import datetime as dt
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from core.books import closing
from core.books.invariants import violations
from core.db.engine import transaction
from core.enums.people import Role
from core.enums.practices import WriteOffSetting
from core.intake.csv.postings_import import import_postings
from core.intake.loading.corrections import FILE_COLUMNS, Correction
from core.intake.loading.imported import Imported, ImportOptions
from core.intake.mapping.import_file import import_file
from core.intake.mapping.mapping import Mapping
from core.models.claims import Claim
from core.models.ledger import Posting
from core.practices.practice_queries import find_by_name
from tests.balances import different_claims
from tests.core.intake.mapping.conftest import MAPPING, PRACTICE, OfficeFiles
from tests.factories import NOW, GivenPractice, add_user

LINES_HEADER = "Claim #,Patient #,Patient Name,DOS,CPT,Primary Ins,Charge,Ins Paid,Ins Bal,Pt Bal"
LINES = Mapping.of({
    "rows": "line",
    "columns": {
        "Claim #": "claim", "Patient #": "patient", "Patient Name": "patient_name", "DOS": "service_date",
        "CPT": "procedure_code", "Primary Ins": "primary_payer", "Charge": "charge", "Ins Paid": "primary_paid",
        "Ins Bal": "insurance_balance", "Pt Bal": "patient_balance",
    },
    "dates": {"service_date": "MM/DD/YYYY"},
})  # fmt: skip
ADJUSTED_HEADER = "Claim #,Patient #,Patient Name,DOS,Primary Ins,Charge,Ins Paid,Adj,Ins Bal,Pt Bal"
ADJUSTED = Mapping.of({
    "columns": {
        "Claim #": "claim", "Patient #": "patient", "Patient Name": "patient_name", "DOS": "service_date",
        "Primary Ins": "primary_payer", "Charge": "charge", "Ins Paid": "primary_paid", "Adj": "adjustment",
        "Ins Bal": "insurance_balance", "Pt Bal": "patient_balance",
    },
    "dates": {"service_date": "MM/DD/YYYY"},
})  # fmt: skip
DATED_HEADER = f"{ADJUSTED_HEADER},Paid On"
DATED = Mapping.of({
    "columns": {**ADJUSTED.columns, "Paid On": "posting_date"},
    "dates": {"service_date": "MM/DD/YYYY", "posting_date": "MM/DD/YYYY"},
})  # fmt: skip
PAID_HEADER = f"{ADJUSTED_HEADER},Pt Paid"
PAID = Mapping.of({
    "columns": {**ADJUSTED.columns, "Pt Paid": "patient_paid"}, "dates": {"service_date": "MM/DD/YYYY"},
})  # fmt: skip
OPEN_LINE = "C1,P1,Example Ann,03/14/2026,99213,Aetna,100.00,0.00,100.00,0.00"
PAID_LINE = "C1,P1,Example Ann,03/14/2026,99214,Aetna,80.00,80.00,0.00,0.00"


def balances(office: OfficeFiles) -> tuple[int, int]:
    return balances_of_all(office)["C1"]


def balances_of_all(office: OfficeFiles) -> dict[str, tuple[int, int]]:
    with office.sessions() as session:
        assert violations(session) == []
        return {claim.external_id: (claim.insurance_due, claim.patient_due) for claim in session.scalars(select(Claim))}


def load(
    office: OfficeFiles,
    path: Path,
    mapping: Mapping,
    found: list[Correction] | None = None,
    **asked: bool,
) -> Imported:
    """Import the file, after a check that must forecast the A/R to the cent."""
    check = _load(office, path, mapping, ImportOptions(check_only=True))
    if asked.get("check_only"):
        return check
    options = ImportOptions(each_correction=None if found is None else found.append, **asked)
    done = _load(office, path, mapping, options)
    if done.agreement is not None:
        assert check.forecast is not None
        posted = check.forecast.to_post_cents + check.forecast.to_post_reversed_cents
        left = 0 if asked.get("post_corrections") else posted
        assert check.forecast.after_cents - left == done.agreement.cents
        if asked.get("post_corrections") or not check.corrections.to_post:
            assert different_claims(check.forecast) == different_claims(done.agreement)
    return done


def _load(office: OfficeFiles, path: Path, mapping: Mapping, options: ImportOptions) -> Imported:
    with office.sessions() as session:
        done = import_file(session, path, mapping, practice_name=PRACTICE, now=NOW, options=options)
        if not options.check_only:
            session.commit()
        return done


def post(office: OfficeFiles, corrections: list[Correction]) -> None:
    file = office.folder / "corrections.csv"
    rows = [",".join(row) for one in corrections for row in one.rows()]
    file.write_text("\n".join([",".join(FILE_COLUMNS), *rows, ""]), encoding="utf-8")
    with transaction(office.sessions) as session:
        import_postings(session, file, practice_name=PRACTICE, now=NOW)


def test_a_balance_that_moved_to_the_patient_comes_in_after_its_correction(office: OfficeFiles) -> None:
    first = office.csv("C1,P1,Example Ann,03/14/2026,Aetna,100.00,0.00")
    load(office, first, MAPPING)
    second = office.csv("C1,P1,Example Ann,03/14/2026,Aetna,0.00,40.00")
    corrections: list[Correction] = []

    done = load(office, second, MAPPING, corrections)

    assert (done.held_back, done.on_existing.postings, done.corrections.missing) == (1, 0, 1)
    assert balances(office) == (100_00, 0), "the same money is not owed twice"
    post(office, corrections)
    again = load(office, second, MAPPING)
    assert (again.held_back, again.on_existing.postings) == (0, 1)
    assert balances(office) == (0, 40_00)


def test_lines_without_numbers_in_another_order_post_no_payment_twice(office: OfficeFiles) -> None:
    load(office, office.csv(OPEN_LINE, PAID_LINE, header=LINES_HEADER), LINES)
    assert balances(office) == (100_00, 0)

    done = load(office, office.csv(PAID_LINE, OPEN_LINE, header=LINES_HEADER), LINES)

    assert (done.held_back, done.on_existing.postings) == (1, 0)
    assert balances(office) == (100_00, 0)


def test_a_new_payment_on_a_claim_without_changes_is_imported(office: OfficeFiles) -> None:
    mapping = Mapping.of({**LINES.as_json(), "rows": "claim"})
    load(office, office.csv(OPEN_LINE, header=LINES_HEADER), mapping)

    paid = office.csv(OPEN_LINE.replace("0.00,100.00,0.00", "60.00,40.00,0.00"), header=LINES_HEADER)
    done = load(office, paid, mapping)

    assert (done.held_back, done.on_existing.postings) == (0, 1)
    assert balances(office) == (40_00, 0)


def test_a_posting_that_changes_again_after_its_correction_is_not_corrected_twice(office: OfficeFiles) -> None:
    load(office, office.csv("C1,P1,Example Ann,03/14/2026,Aetna,100.00,0.00"), MAPPING)
    first: list[Correction] = []
    load(office, office.csv("C1,P1,Example Ann,03/14/2026,Aetna,87.00,0.00"), MAPPING, first)
    post(office, first)
    assert balances(office) == (87_00, 0)
    assert load(office, office.folder / "ar.csv", MAPPING).corrections.changed == 0, "it is corrected"

    for balance, cents in (("86.00", -1_00), ("100.00", 13_00)):
        later: list[Correction] = []
        load(office, office.csv(f"C1,P1,Example Ann,03/14/2026,Aetna,{balance},0.00"), MAPPING, later)

        assert [[posting.amount_cents for posting in one.postings] for one in later] == [[cents]]
    assert balances(office) == (87_00, 0)


def test_balances_that_a_job_wrote_off_are_recognized_in_the_next_export(office: OfficeFiles) -> None:
    owed_by = {
        "insurance": ("100.00,80.00,0.00,20.00,0.00", "100.00,80.00,20.00,0.00,0.00"),
        "patient": ("100.00,80.00,0.00,0.00,20.00", "100.00,80.00,20.00,0.00,0.00"),
        "both": ("100.00,60.00,20.00,5.00,15.00", "100.00,60.00,40.00,0.00,0.00"),
    }

    def export(day: int) -> Path:
        rows = (f"{name},P1,Example Ann,03/14/2026,Aetna,{days[day]}" for name, days in owed_by.items())
        return office.csv(*rows, header=ADJUSTED_HEADER)

    load(office, export(0), ADJUSTED)
    settle(office)

    done = load(office, export(1), ADJUSTED)

    assert (done.recognized.cents, done.recognized.claims) == (3 * 20_00, 3)
    assert (done.held_back, done.added["postings"], done.corrections.changed, done.corrections.missing) == (0, 0, 0, 0)
    assert balances_of_all(office) == dict.fromkeys(owed_by, (0, 0))
    again = load(office, office.folder / "ar.csv", ADJUSTED)
    assert (again.recognized.postings, again.nothing_new) == (0, True)


def test_a_payment_after_a_returning_write_off_comes_in(office: OfficeFiles) -> None:
    row = "C1,P1,Example Ann,03/14/2026,Aetna,"
    load(office, office.csv(row + "100.00,0.00,0.00,100.00,0.00", header=ADJUSTED_HEADER), ADJUSTED)
    settle(office)
    load(office, office.csv(row + "100.00,0.00,100.00,0.00,0.00", header=ADJUSTED_HEADER), ADJUSTED)

    done = load(office, office.csv(row + "100.00,5.00,95.00,0.00,0.00", header=ADJUSTED_HEADER), ADJUSTED)

    assert (done.held_back, done.corrections.changed) == (1, 1), "the adjustment changed, so that a person decides"
    assert balances(office) == (0, 0)


def test_a_balance_of_zero_after_a_write_off_is_no_change(office: OfficeFiles) -> None:
    load(office, office.csv("C1,P1,Example Ann,03/14/2026,Aetna,20.00,0.00"), MAPPING)
    settle(office)
    zero = office.csv("C1,P1,Example Ann,03/14/2026,Aetna,0.00,0.00")

    done, again = load(office, zero, MAPPING), load(office, zero, MAPPING)

    assert (done.recognized, done.corrections.missing) == ((1, 20_00, 1), 0)
    assert (again.recognized, again.corrections.missing) == ((0, 0, 0), 0)
    assert balances(office) == (0, 0)


def settle(office: OfficeFiles) -> GivenPractice:
    """Write off everything that the claim owes."""
    practice = in_practice(office)
    practice.settle()
    return practice


def in_practice(office: OfficeFiles) -> GivenPractice:
    """Return the practice of the files, in which a biller works."""
    with transaction(office.sessions) as session:
        practice_id = find_by_name(session, PRACTICE).id
        biller = add_user(session, practice_id, "biller@lakeside.example", Role.BILLER)
    practice = GivenPractice(office.sessions, practice_id, biller)
    practice.set_write_off(WriteOffSetting.BOTH)
    return practice


TOTALS = "C1,P1,Example Ann,03/14/2026,Aetna,"


def totals(office: OfficeFiles, amounts: str) -> Path:
    """An export with one claim: charge, insurance payments, adjustments, insurance and patient balance."""
    return office.csv(TOTALS + amounts, header=ADJUSTED_HEADER)


def is_clear(done: Imported) -> bool:
    return (done.corrections.changed, done.corrections.missing, done.held_back) == (0, 0, 0)


def test_totals_that_rise_each_day_are_posted_as_their_differences(office: OfficeFiles) -> None:
    load(office, totals(office, "100.00,10.00,0.00,90.00,0.00"), ADJUSTED)
    days = (
        ("100.00,25.00,0.00,75.00,0.00", (75_00, 0)),
        ("100.00,40.00,20.00,20.00,20.00", (20_00, 20_00)),
        ("110.00,40.00,20.00,30.00,20.00", (30_00, 20_00)),
        ("110.00,30.00,20.00,40.00,20.00", (40_00, 20_00)),
        ("110.00,0.00,20.00,70.00,20.00", (70_00, 20_00)),
        ("110.00,55.00,20.00,15.00,20.00", (15_00, 20_00)),
        ("110.00,30.00,20.00,40.00,20.00", (40_00, 20_00)),
        ("110.00,55.00,20.00,15.00,20.00", (15_00, 20_00)),
    )
    for amounts, expected in days:
        done = load(office, totals(office, amounts), ADJUSTED, post_corrections=True)

        assert done.corrected > 0 or done.on_existing.postings > 0
        assert balances(office) == expected
        again = load(office, office.folder / "ar.csv", ADJUSTED, post_corrections=True)
        assert (again.nothing_new, again.corrected, is_clear(again)) == (True, 0, True)


def test_a_file_of_corrections_and_the_import_itself_lead_to_the_same_books(office: OfficeFiles) -> None:
    load(office, totals(office, "100.00,10.00,0.00,90.00,0.00"), ADJUSTED)
    found: list[Correction] = []
    load(office, totals(office, "100.00,25.00,5.00,70.00,0.00"), ADJUSTED, found)
    post(office, found)

    done = load(office, office.folder / "ar.csv", ADJUSTED, post_corrections=True)
    last = load(office, totals(office, "100.00,45.00,5.00,50.00,0.00"), ADJUSTED, post_corrections=True)

    assert (is_clear(done), done.corrected) == (True, 0)
    assert (last.corrections.changed, last.corrected) == (1, 1), "a second change is corrected too"
    assert balances(office) == (50_00, 0)


def test_a_correction_that_a_user_posted_by_hand_is_not_listed_again(office: OfficeFiles) -> None:
    by_hand: dict[str, tuple[str, int, dict[str, Any]]] = {
        "PAYMENT": ("100.00,25.00,0.00,75.00,0.00", 15_00, {"paid_by": "primary"}),
        "CHARGE": (
            "90.00,10.00,0.00,80.00,0.00",
            10_00,
            {"kind": "adjustment", "group_code": "OA", "reason_code": "45"},
        ),
    }

    def rows(amounts: dict[str, str]) -> Path:
        one = (f"{number},P1,Example Ann,03/14/2026,Aetna,{of_claim}" for number, of_claim in amounts.items())
        return office.csv(*one, header=ADJUSTED_HEADER)

    load(office, rows(dict.fromkeys(by_hand, "100.00,10.00,0.00,90.00,0.00")), ADJUSTED)
    second = rows({number: amounts for number, (amounts, *_) in by_hand.items()})
    assert len(load(office, second, ADJUSTED).corrections.first) == 2
    practice = in_practice(office)
    for number, (_, cents, entry) in by_hand.items():
        practice.post(number, cents, key=number, responsibility="insurance", **entry)
    due = balances_of_all(office)

    done = load(office, second, ADJUSTED, post_corrections=True)

    assert (is_clear(done), done.corrected, done.recognized.postings) == (True, 0, 2)
    assert balances_of_all(office) == due


def test_the_postings_of_a_row_keep_their_order_on_a_claim_without_postings(office: OfficeFiles) -> None:
    row = "C1,P1,Example Ann,03/14/2026,Aetna,{}"
    office.load(office.csv(row.format("0.00,0.00,0.00,0.00,0.00"), header=ADJUSTED_HEADER), ADJUSTED)

    office.load(office.csv(row.format("100.00,60.00,10.00,0.00,30.00"), header=ADJUSTED_HEADER), ADJUSTED)

    with office.sessions() as session:
        names = [one.split(":")[0] for one in session.scalars(select(Posting.source_id).order_by(Posting.id))]
    assert names == ["insurance_charge", "primary_paid", "adjusted", "from_insurance", "to_patient"]


def test_a_payment_entered_before_any_amount_came_in_is_recognized(office: OfficeFiles) -> None:
    load(office, totals(office, "0.00,0.00,0.00,0.00,0.00"), ADJUSTED)
    in_practice(office).post("C1", 10_00, key="early", responsibility="insurance", paid_by="primary")

    done = load(office, totals(office, "100.00,10.00,0.00,90.00,0.00"), ADJUSTED)

    assert (done.recognized.postings, done.on_existing.postings) == (1, 1)
    assert balances(office) == (90_00, 0)


def test_a_payment_without_a_date_is_posted_today_if_its_month_of_service_is_closed(office: OfficeFiles) -> None:
    load(office, totals(office, "100.00,0.00,0.00,100.00,0.00"), ADJUSTED)
    practice = in_practice(office)
    practice.act(closing.close, dt.date(2026, 3, 1), by=practice.person("admin@lakeside.example", Role.ADMIN))

    done = load(office, totals(office, "100.00,60.00,0.00,40.00,0.00"), ADJUSTED)
    later = load(office, totals(office, "100.00,70.00,0.00,30.00,0.00"), ADJUSTED, post_corrections=True)

    assert (done.on_existing.postings, later.corrected) == (1, 1)
    assert balances(office) == (30_00, 0)
    assert load(office, office.folder / "ar.csv", ADJUSTED).nothing_new


def posting_dates(office: OfficeFiles, number: str) -> list[dt.date]:
    with office.sessions() as session:
        of_claim = select(Posting.posted_on).join(Claim, Claim.id == Posting.claim_id)
        return list(session.scalars(of_claim.where(Claim.external_id == number).order_by(Posting.id)))


def test_a_correction_of_a_posting_in_a_closed_month_is_posted_in_the_next_open_one(office: OfficeFiles) -> None:
    load(office, office.csv(f"{TOTALS}100.00,50.00,0.00,50.00,0.00,03/20/2026", header=DATED_HEADER), DATED)
    practice = in_practice(office)
    practice.act(closing.close, dt.date(2026, 3, 1), by=practice.person("admin@lakeside.example", Role.ADMIN))
    more = office.csv(f"{TOTALS}100.00,80.00,0.00,20.00,0.00,03/25/2026", header=DATED_HEADER)
    found: list[Correction] = []

    done = load(office, more, DATED, found, post_corrections=True)

    assert [one.posted_on for correction in found for one in correction.postings] == ["2026-04-01"]
    assert (done.corrected, balances(office)) == (1, (20_00, 0))
    assert posting_dates(office, "C1")[-1] == dt.date(2026, 4, 1)
    assert load(office, more, DATED).nothing_new


@pytest.mark.parametrize("dated", [False, True])
def test_a_new_claim_of_a_closed_month_is_posted_in_the_next_open_one(office: OfficeFiles, *, dated: bool) -> None:
    header, mapping = (DATED_HEADER, DATED) if dated else (ADJUSTED_HEADER, ADJUSTED)
    more = ",03/20/2026" if dated else ""
    first = "C1,P1,Example Ann,03/14/2026,Aetna,100.00,0.00,0.00,100.00,0.00" + more
    load(office, office.csv(first, header=header), mapping)
    practice = in_practice(office)
    admin = practice.person("admin@lakeside.example", Role.ADMIN)
    for month in (3, 4):
        practice.act(closing.close, dt.date(2026, month, 1), by=admin)
    late = "C2,P1,Example Ann,03/15/2026,Aetna,80.00,30.00,0.00,50.00,0.00" + more

    done = load(office, office.csv(first, late, header=header), mapping)
    again = load(office, office.folder / "ar.csv", mapping)

    assert (done.added["claims"], done.redated) == (1, [(dt.date(2026, 3, 1), 2, 1, dt.date(2026, 5, 1))])
    assert posting_dates(office, "C2") == [dt.date(2026, 5, 1)] * 2
    assert posting_dates(office, "C1") == [dt.date(2026, 3, 14)]
    assert (again.nothing_new, again.redated, again.corrections.changed) == (True, [], 0)
    with office.sessions() as session:
        assert session.scalars(select(Claim.service_date).order_by(Claim.id)).all()[1] == dt.date(2026, 3, 15)


def test_a_patients_payment_beside_the_returning_write_off_moves_no_balance_to_the_payer(office: OfficeFiles) -> None:
    row = "C1,P1,Example Ann,03/14/2026,Aetna,100.00,90.00,"
    load(office, office.csv(row + "0.00,0.00,10.00,0.00", header=PAID_HEADER), PAID)
    settle(office)

    done = load(office, office.csv(row + "10.00,0.00,-10.00,10.00", header=PAID_HEADER), PAID)

    assert (done.recognized.cents, done.on_existing.postings) == (10_00, 1)
    assert balances(office) == (0, 0), "the payment reversed the write-off, and nothing else moved"


NAMED = Mapping.of({
    "columns": {header: field for header, field in MAPPING.columns.items() if header != "Patient #"},
    "dates": {"service_date": "MM/DD/YYYY"},
})  # fmt: skip
NAMED_HEADER = "Claim #,Patient Name,DOS,Primary Ins,Ins Bal,Pt Bal"


def test_a_corrected_name_is_listed_if_the_file_has_no_patient_numbers(office: OfficeFiles) -> None:
    load(office, office.csv("C1,Exampel Ann,03/14/2026,Aetna,20.00,0.00", header=NAMED_HEADER), NAMED)
    second = office.csv(
        "C1,Example Ann,03/14/2026,Aetna,20.00,0.00", "C2,Example Ann,03/15/2026,Aetna,7.00,0.00", header=NAMED_HEADER
    )

    done = load(office, second, NAMED)
    taken = load(office, second, NAMED, take_changes=True)
    again = load(office, second, NAMED)

    assert (done.differences.counts, done.added["claims"], done.added["patients"]) == ({"patient name": 1}, 1, 0)
    assert taken.changes_taken
    assert (again.differences.count, again.nothing_new) == (0, True)


def test_a_claim_number_of_another_person_still_stops_the_import(office: OfficeFiles) -> None:
    load(office, office.csv("C1,Example Ann,03/14/2026,Aetna,20.00,0.00", header=NAMED_HEADER), NAMED)

    faults = office.faults(office.csv("C1,Sample Bob,03/14/2026,Aetna,20.00,0.00", header=NAMED_HEADER), NAMED)

    assert len(faults) == 1
    assert "this claim ID belongs to another patient" in faults[0]
