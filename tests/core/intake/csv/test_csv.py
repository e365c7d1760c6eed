"""The product's own CSV format: an import loads every row of its files, or nothing."""

from concurrent.futures import ThreadPoolExecutor

from sqlalchemy import func, select, text

from core.intake.csv.csv_template import template_files
from core.models.claims import Claim, LineItem
from core.models.ledger import Posting
from core.models.practices import Patient, Practice
from tests.core.intake.conftest import FilesOfPractice


def read_claim(files: FilesOfPractice, number: str) -> Claim:
    with files.sessions() as session:
        return session.scalars(select(Claim).where(Claim.external_id == number)).one()


def count_claims(files: FilesOfPractice) -> int:
    with files.sessions() as session:
        return session.scalars(select(func.count()).select_from(Claim)).one()


def test_the_template_imports_unchanged(files: FilesOfPractice) -> None:
    done = files.load()

    assert done.added == {
        "offices": 1, "providers": 2, "payers": 2, "patients": 2, "claims": 2, "lines": 3, "postings": 7
    }  # fmt: skip
    claim = read_claim(files, "184146026")
    assert (claim.billed, claim.adjustment, claim.primary_paid, claim.patient_paid) == (150_00, 40_00, 88_00, 10_00)
    assert (claim.insurance_due, claim.patient_due, claim.has_credit_line) == (0, 12_00, False)
    assert (claim.allowed, claim.expected, claim.billing_status) == (110_00, 88_00, "Balance Due")
    assert str(claim.last_payment_on) == "2025-04-02"
    assert (claim.version, claim.balance_mismatch) == (1, False)


def test_every_template_row_has_a_value_for_every_column(files: FilesOfPractice) -> None:
    for rows in template_files().values():
        assert all(len(row) == len(rows[0]) for row in rows)


def test_a_second_import_of_the_same_files_adds_nothing(files: FilesOfPractice) -> None:
    files.load()

    again = files.load()

    assert again.nothing_new
    assert again.already_there["postings"] == 7


def test_new_claims_are_added_beside_existing_ones(files: FilesOfPractice) -> None:
    files.load()
    until_status = ("NEW/1 ü", "P-2", "MAIN", "9000000001", "", "", "2025-03-09", "", "Balance Due")
    files.append("claims.csv", *until_status, *[""] * 14)
    files.append("line_items.csv", "NEW/1 ü", "1", "99213", "9999999.99", "patient")

    done = files.load()

    assert (done.added["claims"], done.already_there["claims"]) == (1, 2)
    assert read_claim(files, "NEW/1 ü").patient_due == 9_999_999_99


def test_two_practices_may_use_the_same_claim_ids(files: FilesOfPractice) -> None:
    files.load("Lakeside")
    files.load("Hillside")

    with files.sessions() as session:
        names = session.scalars(
            select(Practice.name)
            .join(Claim, Claim.practice_id == Practice.id)
            .where(Claim.external_id == "184146026")
            .order_by(Practice.name)
        ).all()
    assert names == ["Hillside", "Lakeside"]


def test_a_claim_without_lines_is_imported(files: FilesOfPractice) -> None:
    files.replace("line_items.csv", "184146027,1,99214,220.50,insurance\n", "")

    files.load()

    assert read_claim(files, "184146027").billed == 0


def test_a_zero_charge_makes_a_line_but_no_posting(files: FilesOfPractice) -> None:
    files.load()

    with files.sessions() as session:
        claim_id = select(Claim.id).where(Claim.external_id == "184146026").scalar_subquery()
        lines = session.scalars(select(LineItem.number).where(LineItem.claim_id == claim_id)).all()
        posted = session.scalars(select(Posting.line).where(Posting.claim_id == claim_id).distinct()).all()
    assert (sorted(lines), posted) == ([1, 2], [1])


def test_a_refund_raises_the_balance(files: FilesOfPractice) -> None:
    files.append("postings.csv", "6", "184146026", "1", "patient", "refund", "3.00", "patient", "", "", "2025-05-01")

    files.load()

    claim = read_claim(files, "184146026")
    assert (claim.patient_due, claim.patient_paid, str(claim.last_payment_on)) == (15_00, 7_00, "2025-04-02")


def test_names_in_any_script_are_imported_unchanged(files: FilesOfPractice) -> None:
    names = ["<script>alert(1)</script>", 'O\'Neil, "Ann" 🩺\u200d', "שרה כהן", "=cmd()", "Åse"]
    for number, name in enumerate(names):
        files.append("patients.csv", f"N-{number}", name, "")

    files.load()

    with files.sessions() as session:
        stored = select(Patient.name).where(Patient.external_id.like("N-%")).order_by(Patient.external_id)
        assert session.scalars(stored).all() == names


def test_a_byte_order_mark_and_crlf_are_read(files: FilesOfPractice) -> None:
    for file in files.path.iterdir():
        file.write_bytes(b"\xef\xbb\xbf" + file.read_bytes().replace(b"\n", b"\r\n"))

    assert files.load().added["claims"] == 2


def test_columns_may_come_in_any_order(files: FilesOfPractice) -> None:
    files.write("payers.csv", b"payer_class,payer_id,name\ncommercial,10001,Plan\nmedicare,20001,Medicare\n")

    assert files.load().added["payers"] == 2


def test_files_of_existing_patients_payers_providers_and_offices_may_be_omitted(files: FilesOfPractice) -> None:
    files.load()
    for name in ("payers", "patients", "providers", "offices", "billing_statuses"):
        (files.path / f"{name}.csv").unlink()

    assert files.load().nothing_new


def test_a_billing_status_of_the_practices_own_is_imported(files: FilesOfPractice) -> None:
    files.replace("claims.csv", "Bill Insurance", "Sent to Collections")

    files.load()

    assert read_claim(files, "184146027").billing_status == "Sent to Collections"


def test_changes_that_the_practice_made_after_an_import_are_no_fault(files: FilesOfPractice) -> None:
    files.load()
    with files.sessions.begin() as session:
        session.execute(text("UPDATE claim SET billing_status = 'Settled', hold = 'hold', version = version + 1"))

    assert files.load().nothing_new


def test_a_refused_import_creates_no_practice(files: FilesOfPractice) -> None:
    files.replace("postings.csv", "-88.00", "NaN")

    files.faults()

    with files.sessions() as session:
        assert session.scalars(select(Practice.name)).all() == []
    assert count_claims(files) == 0


def test_concurrent_imports_add_everything_once(files: FilesOfPractice) -> None:
    with ThreadPoolExecutor(3) as pool:
        done = [future.result() for future in [pool.submit(files.load) for _ in range(3)]]

    assert sorted(imported.added["claims"] for imported in done) == [0, 0, 2]
    assert count_claims(files) == 2
