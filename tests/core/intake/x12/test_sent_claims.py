"""Claims that were sent (837): each charge is posted once, however often the claim is sent, and to which payers."""

import datetime as dt
from dataclasses import replace
from pathlib import Path

from core.books import closing
from core.books.invariants import violations
from core.db.engine import transaction
from core.enums.people import Role
from core.intake.csv.csv_import import import_csv
from core.intake.loading.imported import AS_NEW, Imported, ImportOptions
from core.intake.mapping.import_file import import_file
from core.intake.mapping.mapping import Mapping
from core.practices.practice_queries import find_by_name
from tests.core.intake.conftest import FilesOfPractice
from tests.core.intake.x12.conftest import PRACTICE, X12Files
from tests.factories import NOW, add_user
from tests.own_export import MAPPING, csv_file
from tests.remittances import clp, svc
from tests.x12_files import GUIDES, PLAIN, claim_loop, interchange, remittance, sent_file

CHECK = replace(AS_NEW, check_only=True)


def own_export(x12: X12Files, path: Path, *, options: ImportOptions = AS_NEW) -> Imported:
    """Import the office's own export, with columns for holds and statements. Roll back a check."""
    columns = {**MAPPING["columns"], "Hold": "hold", "Statements": "statements_sent"}
    with transaction(x12.sessions) as session:
        done = import_file(
            session, path, Mapping.of({**MAPPING, "columns": columns}), practice_name=PRACTICE, now=NOW, options=options
        )
        if options.check_only:
            session.rollback()
    return done


def test_a_claim_is_charged_once_however_often_its_file_is_imported(x12: X12Files) -> None:
    file = x12.sent(claim_loop(dependent="PAT", patient_paid="15"), claim_loop("A2", ["12.34", "0"]))
    checked = x12.load(file, options=CHECK)

    done = x12.load(file)

    assert checked.added == done.added == {
        "offices": 1, "providers": 1, "payers": 1, "patients": 2, "claims": 2, "lines": 4, "postings": 3
    }  # fmt: skip
    assert checked.x12 == done.x12
    claim = x12.claim("A1")
    assert (claim.billed, claim.insurance_due, claim.patient_due, claim.patient_paid) == (100_00, 100_00, 0, 0)
    assert (claim.billing_status, claim.primary_status) == ("Bill Insurance", "In Process at Clearinghouse")
    assert (str(claim.service_date), str(claim.first_edi_on)) == ("2026-01-02", "2026-01-05")
    assert "$15.00 paid by patients" in done.warnings[0]
    again = x12.load(file)
    assert again.nothing_new
    assert not again.differences.count
    assert (again.corrections.changed, again.corrections.missing) == (0, 0)
    assert x12.claim("A1").billed == 100_00


def test_an_institutional_claim_has_lines_with_revenue_codes(x12: X12Files) -> None:
    loop = [one.replace("SV1*HC:99211:25*", "SV2*0120**").replace("SV1*HC:", "SV2*0260*HC:") for one in claim_loop()]
    body = PLAIN.write(sent_file(loop)).replace(GUIDES["837"][1], GUIDES["837I"][1])

    x12.load(x12.write("i.837", body))

    assert x12.claim("A1").claim_type == "Institutional"
    lines = x12.rows("SELECT procedure_code, charge FROM line_item ORDER BY number")
    assert lines == [("0120", 60_00), ("99212", 40_00)]


def test_a_charge_in_a_closed_month_is_posted_on_the_first_open_day(x12: X12Files) -> None:
    x12.load(x12.sent(claim_loop()))
    with transaction(x12.sessions) as session:
        admin = add_user(session, find_by_name(session, PRACTICE).id, "admin@lakeside.example", Role.ADMIN)
        closing.close(session, dt.date(2026, 1, 1), by=admin, now=NOW)

    late = x12.sent(claim_loop("A2"), name="late.837")

    [checked] = x12.load(late, options=CHECK).redated
    assert checked.sentence(is_done=False) == (
        "2 new postings on 1 claim are dated in January 2026, which is closed. They will be posted on 02/01/2026. "
        "Dates of service do not change."
    )
    assert (x12.load(late).redated, str(x12.claim("A2").service_date)) == ([checked], "2026-01-02")
    dates = "SELECT DISTINCT c.external_id, posted_on::text FROM posting JOIN claim c ON c.id = claim_id ORDER BY 1"
    assert x12.rows(dates) == [("A1", "2026-01-02"), ("A2", "2026-02-01")]
    assert x12.load(late).nothing_new


def test_a_dependent_is_a_patient_whose_number_holds_no_name(x12: X12Files) -> None:
    x12.load(x12.sent(claim_loop("A1", dependent="PAT"), claim_loop("A2"), claim_loop("A3", dependent="PAT")))

    patients = x12.rows("SELECT name, birth_date::text, external_id FROM patient ORDER BY birth_date")
    assert [row[:2] for row in patients] == [("SAMPLE, PETRA", "1980-01-01"), ("SAMPLE, PAT", "2015-05-05")]
    assert patients[0][2] == "W1"
    assert str(patients[1][2]).startswith("W1-")
    assert "PAT" not in str(patients[1][2]).upper()
    assert x12.claim("A1").patient_id == x12.claim("A3").patient_id != x12.claim("A2").patient_id
    x12.load(x12.sent(claim_loop("A4", first="ROY", born="19770303"), name="shared.837"))
    assert x12.claim("A4").patient_id not in {x12.claim("A1").patient_id, x12.claim("A2").patient_id}


def test_the_copy_to_the_secondary_payer_adds_the_payer_and_no_charge(x12: X12Files) -> None:
    x12.load(x12.sent(claim_loop()))
    copy = x12.sent(claim_loop(order="S", other="P"), name="secondary.837", at="1000")

    done = x12.load(copy)

    assert (done.added["claims"], done.added["lines"], done.added["postings"]) == (0, 0, 0)
    assert done.differences.counts == {"claim secondary payer": 1, "claim secondary status": 1}
    assert x12.claim("A1").billed == 100_00
    x12.load(copy, options=replace(AS_NEW, take_changes=True))
    claim = x12.claim("A1")
    assert (claim.billed, claim.secondary_status) == (100_00, "In Process at Clearinghouse")
    assert claim.secondary_payer_id is not None


def test_both_copies_in_one_import_charge_once(x12: X12Files) -> None:
    files = x12.sent(claim_loop()), x12.sent(claim_loop(order="S", other="P"), name="secondary.837", at="1000")

    x12.load(*files)

    claim = x12.claim("A1")
    assert (claim.billed, claim.billing_status) == (100_00, "Bill Secondary Insurance")
    assert (claim.primary_status, claim.secondary_status) == ("In Process at Clearinghouse",) * 2
    assert x12.rows("SELECT external_id FROM patient") == [("W1",)]
    assert x12.load(*reversed(files)).nothing_new


def test_a_replacement_is_offered_as_a_correction_and_an_older_copy_never_is(x12: X12Files) -> None:
    original = x12.sent(claim_loop())
    x12.load(original)
    replacement = x12.sent(claim_loop(charges=["60", "35", "7"], frequency="7"), name="replacement.837", at="1000")

    offered = x12.load(replacement)

    assert (offered.added["postings"], offered.held_back, offered.corrections.to_post) == (0, 1, 1)
    assert x12.claim("A1").billed == 100_00
    x12.load(replacement, options=replace(AS_NEW, post_corrections=True))
    assert x12.claim("A1").insurance_due == 102_00
    assert x12.load(replacement).nothing_new
    older = x12.load(original)
    assert older.nothing_new
    assert (older.corrections.changed, older.corrections.missing) == (0, 0)
    assert older.x12 is not None
    assert older.x12["sent"]["older"] == 1


def test_a_void_changes_no_balance_and_asks_for_a_look(x12: X12Files) -> None:
    original, void = x12.sent(claim_loop()), x12.sent(claim_loop(frequency="8"), name="void.837", at="1000")
    x12.load(original)

    done = x12.load(void)

    assert not any(done.added.values())
    assert done.differences.counts == {"claim hold": 1}
    assert done.warnings[0].startswith("1 claim voided at the payer: A1.")
    assert x12.claim("A1").insurance_due == 100_00
    x12.load(void, options=replace(AS_NEW, take_changes=True))
    assert x12.claim("A1").hold == "hold"
    assert x12.load(original).nothing_new
    assert x12.claim("A1").insurance_due == 100_00


def test_a_void_of_an_unknown_claim_adds_nothing(x12: X12Files) -> None:
    done = x12.load(x12.sent(claim_loop(), claim_loop("A2", frequency="8")))

    assert done.added["claims"] == 1
    assert done.warnings[0].startswith(
        "Not imported: 1 claim (A2). claims.837, segment 30, CLM01: the claim replaces or"
    )


def test_a_claim_from_another_import_keeps_its_charge_patient_and_payer(x12: X12Files, files: FilesOfPractice) -> None:
    files.load(PRACTICE)
    before = x12.claim("184146027")
    same_person = claim_loop("184146027", ["220.50"], first="OTIS")

    done = x12.load(x12.sent(same_person, claim_loop("184146026", ["60"], born="19800228")))

    assert not any(done.added.values())
    assert set(done.differences.counts) == {"claim last edi on"}
    different = "1 claim from another import with a different charge: 184146026 ($150.00 here, $60.00 in the files)."
    assert done.warnings == [f"{different} Nothing of it is imported."]
    assert done.x12
    assert done.x12["files"][0]["transactions"][0]["left_out"] == 1
    assert x12.claim("184146026").billed == 150_00
    after = x12.claim("184146027")
    assert (after.billed, after.patient_id, after.primary_payer_id) == (
        before.billed, before.patient_id, before.primary_payer_id
    )  # fmt: skip
    assert x12.rows("SELECT external_id FROM sent_claim JOIN claim c ON c.id = claim_id") == [("184146027",)]
    with transaction(x12.sessions) as session:
        assert import_csv(session, files.path, practice_name=PRACTICE, now=NOW).nothing_new


def test_a_claim_of_an_own_export_gets_the_control_numbers_that_its_remittance_returns(x12: X12Files) -> None:
    """An office that has its claims from its own export imports its 837 files, then the payers' answers."""
    rows = [["V1", "P1", "Sample, Petra", "2026-01-02", "Example", 100, 0, 0, 0, 100, 0],
            ["V2", "P1", "Sample, Petra", "2026-01-02", "Example", 99.99, 0, 0, 0, 99.99, 0]]  # fmt: skip
    own = x12.write("own.csv", csv_file(rows).decode())
    with transaction(x12.sessions) as session:
        import_file(session, own, Mapping.of(MAPPING), practice_name=PRACTICE, now=NOW)
    file = x12.sent(*(claim_loop(claim, ["100"], other="S") for claim in ("V1", "V2")))

    checked = x12.load(file, options=CHECK)
    done = x12.load(file, options=replace(AS_NEW, take_changes=True))

    assert checked.x12 == done.x12 is not None
    assert done.x12["sent"]["notes"] == [
        "1 existing claim with new facts for matching its remittances.",
        "1 claim from another import with equal charges, not posted again.",
    ]
    different = {"claim_id": "V2", "cents": 99_99, "file_cents": 100_00}
    assert done.x12["sent"]["different"] == {"count": 1, "first": [different]}
    assert (done.added["postings"], x12.claim("V1").billed, x12.claim("V2").billed) == (0, 100_00, 99_99)
    assert (x12.claim("V1").secondary_payer_id is None, x12.claim("V2").secondary_payer_id) == (False, None)
    line = svc("100", "70", "CO*45*30", code="HC:99211:25", control="V1L1")
    era = interchange([remittance([clp("V1", "100", "70", line)], paid="70")])
    x12.load(x12.write("era.835", PLAIN.write(era)))
    assert x12.rows("SELECT outcome, reasons::text FROM remittance_claim") == [("posted", "[]")]
    assert x12.claim("V1").insurance_due == 0
    assert x12.load(file).nothing_new


def test_an_own_export_after_the_837_adds_what_it_alone_knows_and_no_money(x12: X12Files) -> None:
    """Each claim has one receivable, whichever file comes first. Balances that differ are listed with their place."""
    x12.load(x12.sent(*(claim_loop(number) for number in ("V1", "V2", "V3", "V4", "V5"))))
    rows = [["V1", "P1", "Sample, Petra", "2026-01-02", "Example", 100, 0, 0, 0, 100, 0, "hold", 2],
            ["V2", "P1", "Sample, Petra", "2026-01-02", "Example", 100, 70, 0, 20, 0, 10, "", 0],
            ["V3", "P1", "Sample, Petra", "2026-01-02", "Example", 99.99, 0, 0, 0, 99.99, 0, "hold", 0],
            ["V4", "P1", "Sample, Petra", "2026-01-04", "Example", 100, 0, 0, 0, 100, 0, "hold", 0],
            ["V5", "P2", "Other, Otis", "2026-01-02", "Example", 100, 0, 0, 0, 100, 0, "hold", 0],
            ["NEW", "P3", "New, Nina", "2026-01-02", "Example", 50, 0, 0, 0, 50, 0, "", 0]]  # fmt: skip
    own = x12.write("own.csv", csv_file(rows, "Hold", "Statements").decode())

    checked = own_export(x12, own, options=CHECK)
    done = own_export(x12, own, options=replace(AS_NEW, take_changes=True))

    assert checked.warnings == done.warnings
    posts_none = "837 files charged this claim, so this file posts no money on it, and the balances differ."
    cure = "Import the payer's remittances (835), or post the difference on the claim's page"
    amounts = "insurance $100.00, patient $0.00 here; insurance $0.00, patient $10.00 in the file"
    assert done.warnings[:-1] == [
        f'own.csv, line 3, column Claim #, value "V2": {posts_none} {cure} ({amounts}).',
        (
            'own.csv, line 4, column Claim #, value "V3": 837 files charged another amount, so nothing of the claim is '
            "imported. Correct the charge, or send a replacement of the claim (837) ($100.00 here, $99.99 in the file)."
        ),
        (
            'own.csv, line 5, column Claim #, value "V4": 837 files have another date of service for this claim ID, so '
            "nothing of it is imported. Give a new visit its own ID, or correct the date (01/02/2026 here, 01/04/2026 "
            "in the file)."
        ),
        (
            'own.csv, line 6, column Claim #, value "V5": 837 files have another patient for this claim ID, so nothing '
            "of it is imported. Give the new claim its own ID, or correct the patient's name or date of birth."
        ),
    ]
    assert {kind: count for kind, count in done.added.items() if count} == {
        "offices": 1, "providers": 1, "payers": 1, "patients": 1, "claims": 1, "lines": 1, "postings": 1
    }  # fmt: skip
    assert (checked.in_file.total_cents, checked.in_file) == (459_99, done.in_file), "as the office's own report"
    [forecast] = [one for one in checked.forecast.first if one.claim_id == "V2"] if checked.forecast else []
    assert (forecast.file_cents, forecast.cents, forecast.reasons[0].code) == (10_00, 100_00, "charged_by_837")
    claims = "SELECT external_id, billed, insurance_due, patient_due, hold, statements_sent FROM claim ORDER BY 1"
    untouched = [(number, 100_00, 100_00, 0, None, None) for number in ("V3", "V4", "V5")]
    sent = [("V1", 100_00, 100_00, 0, "hold", 2), ("V2", 100_00, 100_00, 0, None, 0), *untouched]
    assert x12.rows(claims) == [("NEW", 50_00, 50_00, 0, None, 0), *sent]
    assert x12.rows("SELECT external_id FROM patient ORDER BY 1") == [("P3",), ("W1",)], "no patient twice"
    # The payer's answer explains what differed, and the next export agrees.
    first = svc("60", "42", "CO*45*12", "PR*2*6", code="HC:99211:25")
    second = svc("40", "28", "CO*45*8", "PR*2*4", code="HC:99212:25")
    era = interchange([remittance([clp("V2", "100", "70", first, second, patient="10")], paid="70")])
    x12.load(x12.write("era.835", PLAIN.write(era)))
    again = own_export(x12, x12.write("own.csv", csv_file([*rows[:2], rows[-1]], "Hold", "Statements").decode()))
    assert (again.nothing_new, again.warnings[:-1], again.differences.count) == (True, [], 0)
    assert again.agreement is not None
    assert (again.agreement.different, again.agreement.cents) == (0, 160_00)
    with x12.sessions() as session:
        assert violations(session) == []


def test_files_in_our_format_after_the_837_post_no_second_charge(x12: X12Files, files: FilesOfPractice) -> None:
    charges = {"184146026": ["150"], "184146027": ["220.50"]}
    x12.load(x12.sent(*(claim_loop(claim, each, day="20250304", first="OTIS") for claim, each in charges.items())))
    files.replace("claims.csv", ",P-1,", ",W1,")
    files.replace("claims.csv", ",P-2,", ",W1,")

    done = files.load(PRACTICE)

    [warning] = done.warnings
    assert warning.startswith('claims.csv, line 2, column claim_id, value "184146026": 837 files charged this claim')
    assert warning.endswith("(insurance $150.00, patient $0.00 here; insurance $0.00, patient $12.00 in the file).")
    assert [x12.claim(claim).billed for claim in charges] == [150_00, 220_50]
    assert (done.added["claims"], done.added["lines"], done.added["postings"]) == (0, 0, 0)
    changed = (
        "allowed, billing status, expected, first edi on, last edi on, last statement on, primary status, secondary"
    )
    changed += " payer, statements sent, supervising provider"
    assert list(done.differences.counts) == [f"claim {name}" for name in changed.split(", ")]


def test_a_claim_number_of_another_patient_is_refused(x12: X12Files) -> None:
    x12.load(x12.sent(claim_loop()))

    faults = x12.faults(
        x12.sent(claim_loop(first="OTHER", born="19911231", dependent="KIM"), name="other.837", at="1000")
    )

    assert len(faults) == 1
    assert "this claim ID belongs to another patient" in faults[0]
    assert "other.837" in faults[0]
    assert "CLM01" in faults[0] or "NM109" in faults[0]


def test_one_number_for_two_visits_or_two_patients_leaves_out_those_claims_alone(x12: X12Files) -> None:
    visits = x12.sent(claim_loop("V"), claim_loop("A1"), name="1.837")
    corrected = x12.sent(claim_loop("V", day="20260103"), claim_loop("V", day="20260103", frequency="7"), name="2.837")
    patients = x12.sent(claim_loop("P"), claim_loop("P", dependent="PAT"), claim_loop("A2"), name="3.837")

    done = x12.load(visits, corrected, patients)

    assert x12.rows("SELECT external_id, billed FROM claim ORDER BY external_id") == [("A1", 100_00), ("A2", 100_00)]
    assert x12.rows("SELECT count(*) FROM sent_claim") == [(2,)]
    visit, patient = done.warnings
    words = "Not imported: 3 claims (V). 1.837, segment 15, CLM01: two dates of service in these files have this claim"
    cure = "give each claim its own number, or import only the file with the right claim."
    assert visit == f"{words} number (also 2.837, segment 30); {cure}"
    words = "Not imported: 2 claims (P). 3.837, segment 15, CLM01: two patients in these files have this claim number"
    assert patient == f"{words} (also 3.837, segment 34); {cure}"
    rows = [one["transactions"][0] for one in done.x12["files"]] if done.x12 else []
    assert [row["left_out"] for row in rows] == [1, 2, 2]
    x12.load(corrected)
    assert x12.rows("SELECT service_date::text FROM claim WHERE external_id = 'V'") == [("2026-01-03",)]


def test_a_line_number_of_thousands_of_digits_is_replaced_by_the_place_of_the_line(x12: X12Files) -> None:
    loop = [one.replace("LX*1", f"LX*{'1' * 5_000}") for one in claim_loop()]

    x12.load(x12.sent(loop))

    assert x12.rows("SELECT number, charge FROM line_item ORDER BY number") == [(1, 60_00), (2, 40_00)]
