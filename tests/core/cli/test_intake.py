"""`settle import` and `settle sample`, as typed."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from tests.core.cli.conftest import Typed
from tests.x12_files import PLAIN, claim_loop, interchange, sent_file, whole_remittance


def test_a_template_is_filled_in_and_imported_twice_into_a_practice(settle: Typed, tmp_path: Path) -> None:
    folder = tmp_path / "files"

    assert settle("import", "csv", "--template", folder).exit_code == 0
    first = settle("import", "csv", folder, "--practice", "Lakeside")
    again = settle("import", "csv", folder, "--practice", "Lakeside")

    assert (first.exit_code, again.exit_code) == (0, 0)
    assert "2 claims, 3 lines, 7 postings" in first.stdout
    assert again.stdout.splitlines() == [
        (
            "Rows read: billing_statuses.csv 1, offices.csv 1, providers.csv 2, payers.csv 2, patients.csv 2, "
            "claims.csv 2, line_items.csv 3, postings.csv 5."
        ),
        "Nothing new: Lakeside already has all 2 claims.",
    ]


def test_faults_are_listed_one_per_line_with_exit_code_1(settle: Typed, tmp_path: Path) -> None:
    settle("import", "csv", "--template", tmp_path / "files")
    postings = tmp_path / "files" / "postings.csv"
    postings.write_text(postings.read_text(encoding="utf-8").replace("-88.00", "NaN"), encoding="utf-8")

    refused = settle("import", "csv", tmp_path / "files", "--practice", "Lakeside")

    assert refused.exit_code == 1
    assert refused.stdout == ""
    assert refused.stderr.splitlines() == [
        (
            'postings.csv, line 3, column amount, value "NaN": write dollars and cents as 1234.56: at most two '
            "decimals, no $ or commas"
        ),
        "Nothing was imported: 1 error.",
    ]


def test_x12_claims_are_checked_and_imported_twice(settle: Typed, tmp_path: Path) -> None:
    file = tmp_path / "sent.837"
    file.write_text(PLAIN.write(sent_file(claim_loop())))

    refused = settle("import", "x12", file, tmp_path / "no.837", "--practice", "Lakeside")
    checked = settle("import", "x12", file, "--practice", "Lakeside", "--check")
    first = settle("import", "x12", file, "--practice", "Lakeside", "--expect-total", "100.00")
    again = settle("import", "x12", file, "--practice", "Lakeside")

    assert (refused.exit_code, checked.exit_code, first.exit_code, again.exit_code) == (2, 0, 0, 0)
    assert "1 claim, 2 lines, 2 postings" in first.stdout
    assert again.stdout.splitlines() == [
        "Claims read: sent.837 1.",
        "Nothing new: Lakeside already has the claim.",
    ]
    era = tmp_path / "era.835"
    era.write_text(PLAIN.write(interchange([whole_remittance(2)])))
    taken = settle("import", "x12", era, "--practice", "Lakeside").stdout
    assert "Lakeside: added 1 remittance.\nRemittances:\n  Payments of posted answers " in taken
    assert re.search(r"  Payments of held answers +2 +\$141.00\n  Checks and transfers +1 +\$141.00\n", taken)
    assert re.search(r"  A/R of the practice after +\$100.00\n", taken)
    assert "Control totals" not in taken
    again = settle("import", "x12", era, "--practice", "Lakeside")
    assert again.stdout.endswith("Nothing new: Lakeside already has these remittances.\n")


def test_a_template_overwrites_no_file(settle: Typed, tmp_path: Path) -> None:
    settle("import", "csv", "--template", tmp_path)

    again = settle("import", "csv", "--template", tmp_path)

    assert again.exit_code == 1
    assert "claims.csv" in again.stderr


@pytest.mark.parametrize(
    "words",
    [
        ("import", "csv"),
        ("import", "csv", "here"),
        ("import", "csv", "here", "--practice", "P", "--template", "there"),
        ("import", "synthea", "here"),
        ("sample", "--practice", "P", "--claims", "0"),
        ("sample", "--claims", "5"),
    ],
)
def test_wrong_usage_exits_with_code_2(settle: Typed, words: tuple[str, ...]) -> None:
    assert settle(*words).exit_code == 2


@pytest.mark.parametrize("kind", ["csv", "synthea"])
def test_a_missing_folder_is_refused(settle: Typed, tmp_path: Path, kind: str) -> None:
    refused = settle("import", kind, tmp_path / "nowhere", "--practice", "Lakeside")

    assert refused.exit_code == 1
    assert refused.stderr == f"{tmp_path}/nowhere is not a folder.\n"


def test_an_unknown_time_zone_is_refused(settle: Typed, tmp_path: Path) -> None:
    settle("import", "csv", "--template", tmp_path)

    refused = settle("import", "csv", tmp_path, "--practice", "Lakeside", "--time-zone", "America/Nowhere")

    assert refused.exit_code == 1
    assert "Use a time zone name from the IANA list" in refused.stderr


def test_a_sample_reports_what_it_created_and_is_not_created_twice(settle: Typed) -> None:
    first = settle("sample", "--claims", "25", "--practice", "Sample", "--seed", "4")
    again = settle("sample", "--claims", "25", "--practice", "Sample", "--seed", "4")

    assert (first.exit_code, first.stdout) == (0, "Sample has 25 claims.\n")
    assert (again.exit_code, again.stderr) == (1, "There is already a practice with this name.\n")


HEAD = "posting_id,claim_id,line,responsibility,kind,amount,paid_by,group_code,reason_code,posting_date"
PAID = "{id},184146026,1,insurance,payment,-25.00,primary,,,2025-03-21"


def json_of(done: Result) -> Any:
    """Return a command's output for programs."""
    assert done.exit_code == 0, done.stderr
    return json.loads(done.stdout)


def post(settle: Typed, folder: Path, *ids: str, as_json: bool = False) -> Result:
    """Import payments that differ only in their id."""
    file = folder / "later.csv"
    file.write_text("\n".join([HEAD, *(PAID.format(id=one) for one in ids), ""]), encoding="utf-8")
    return settle("import", "postings", file, "--practice", "Lakeside", *(["--json"] if as_json else []))


def test_an_import_of_claims_prints_control_totals_in_dollars(settle: Typed, tmp_path: Path) -> None:
    settle("import", "csv", "--template", tmp_path)

    lines = settle("import", "csv", tmp_path, "--practice", "Lakeside").stdout.splitlines()

    totals = [" ".join(line.split()) for line in lines[4:]]
    assert lines[0] == "CREATED A NEW PRACTICE: Lakeside."
    assert lines[1].startswith("Before you settle its first claims, choose its Balance Writeoff setting")
    assert totals == [
        "Control totals: in the files new",
        "Claims 2 2",
        "Service lines 3 3",
        "Postings 7 7",
        "Charges 2 $370.50 2 $370.50",
        "Insurance payments 1 $88.00 1 $88.00",
        "from Ins 1 1 $88.00 1 $88.00",
        "from Ins 2 0 $0.00 0 $0.00",
        "Patient payments 1 $10.00 1 $10.00",
        "Refunds 0 $0.00 0 $0.00",
        "Adjustments 1 $40.00 1 $40.00",
        "Transfers 1 $22.00 1 $22.00",
        "Insurance balance $220.50 $220.50",
        "Patient balance $12.00 $12.00",
        "A/R total $232.50 $232.50",
        "Credit balances 0 $0.00",
        "Dates of service: 03/04/2025 to 03/04/2025.",
        "Posting dates: 03/04/2025 to 04/02/2025.",
        "Current balances on these claims:",
        "Insurance balance $220.50",
        "Patient balance $12.00",
        "Credit balances 0 $0.00",
    ]


def test_a_payment_that_resembles_another_is_posted_and_named_with_the_credit_it_leaves(
    settle: Typed, tmp_path: Path
) -> None:
    settle("import", "csv", "--template", tmp_path / "files")
    settle("import", "csv", tmp_path / "files", "--practice", "Lakeside")

    first, second = post(settle, tmp_path, "era1-1"), post(settle, tmp_path, "era2-1", "era2-2", "era1-1")

    assert "duplicate" not in first.stdout
    shown = second.stdout
    assert "Lakeside: added 2 postings. Already imported: 1." in shown
    assert (
        "2 payments or refunds ($50.00) may be duplicates (posted anyway): same claim, line, payer, amount and date "
        "as another posting, but a different id:" in shown
    )
    alike = "matches era1-1: claim 184146026, line 1, payment by primary, $25.00, 03/21/2025"
    assert f"  line 2: era2-1 {alike}" in shown
    assert f"  line 3: era2-2 {alike}" in shown
    assert (
        "1 credit balance: $75.00. Run `settle credits` to list all.\n  claim 184146026, line 1, insurance: $75.00"
        in shown
    )
    assert "Sample" not in shown, "no name is printed"


def test_the_import_facts_are_available_as_json(settle: Typed, tmp_path: Path) -> None:
    settle("import", "csv", "--template", tmp_path / "files")
    claims = json_of(settle("import", "csv", tmp_path / "files", "--practice", "Lakeside", "--json"))
    postings = json_of(post(settle, tmp_path, "a", "b", as_json=True))

    assert (claims["created"], claims["charges"], claims["credit"]) == (
        True, {"number": 2, "cents": 370_50}, {"number": 0, "cents": 0}
    )  # fmt: skip
    assert (postings["added"], postings["insurance_payments"]) == (2, {"number": 2, "cents": 50_00})
    assert postings["look_alikes"] == [
        {
            "line_of_file": 3, "posting_id": "b", "other_id": "a", "claim_id": "184146026", "line": 1,
            "paid_by": "primary", "amount_cents": -25_00, "posted_on": "2025-03-21",
        }
    ]  # fmt: skip
    assert postings["credits"] == [{"claim_id": "184146026", "line": 1, "responsibility": "insurance", "cents": 50_00}]


@pytest.mark.parametrize("kind", ["csv", "synthea"])
def test_a_typo_in_an_import_never_creates_a_practice(settle: Typed, tmp_path: Path, kind: str) -> None:
    settle("import", "csv", "--template", tmp_path)
    settle("import", "csv", tmp_path, "--practice", "Lakeside Family Medicine")

    slip = settle("import", kind, tmp_path, "--practice", "Lakeside Family Med")

    assert (slip.exit_code, slip.stdout) == (1, "")
    assert slip.stderr == (
        "There is no practice called Lakeside Family Med. Did you mean: Lakeside Family Medicine? "
        "To create a new practice, add --create.\n"
    )
    created = settle("import", "csv", tmp_path, "--practice", "Lakeside Family Med", "--create")
    assert created.stdout.startswith("CREATED A NEW PRACTICE: Lakeside Family Med.\n")


def test_an_option_leaves_out_empty_synthea_claims_and_counts_them(settle: Typed, tmp_path: Path) -> None:
    transactions = "ID,CLAIMID,CHARGEID,TYPE,AMOUNT,METHOD,TRANSFERTYPE,PAYMENTS,TRANSFERS,PLACEOFSERVICE,PROCEDURECODE"
    served = "p1,d1,,1,2024-01-05T10:00:00Z,,,,"
    for file, text in {
        "organizations": "Id,NAME\no1,Office\n",
        "providers": "Id,NAME\nd1,Doc\n",
        "payers": "Id,NAME\n",
        "patients": "Id,BIRTHDATE,FIRST,LAST\np1,1980-01-01,Ann,Sample\n",
        "claims": (
            "Id,PATIENTID,PROVIDERID,SUPERVISINGPROVIDERID,HEALTHCARECLAIMTYPEID1,SERVICEDATE,STATUS1,"
            "PRIMARYPATIENTINSURANCEID,SECONDARYPATIENTINSURANCEID,STATUS2\n"
            f"c1,{served}\nc2,{served}\n"
        ),
        "claims_transactions": f"{transactions},FROMDATE\nt1,c1,1,CHARGE,9.00,,p,,,o1,99213,2024-01-05T10:00:00Z\n",
    }.items():
        (tmp_path / f"{file}.csv").write_text(text, encoding="utf-8")

    refused = settle("import", "synthea", tmp_path, "--practice", "Lakeside")
    done = settle("import", "synthea", tmp_path, "--practice", "Lakeside", "--skip-empty-claims")

    assert (refused.exit_code, done.exit_code) == (1, 0)
    assert "to skip claims without transactions, use that option (--skip-empty-claims)" in refused.stderr
    assert "claims.csv 2, claims_transactions.csv 1." in done.stdout
    assert "Skipped: 1 claim without transactions." in done.stdout.splitlines()


def test_a_workbook_given_as_postings_is_refused_as_a_workbook(settle: Typed, tmp_path: Path) -> None:
    settle("import", "csv", "--template", tmp_path / "files")
    settle("import", "csv", tmp_path / "files", "--practice", "Lakeside")
    workbook = tmp_path / "march.xlsx"
    workbook.write_bytes(b"PK\x03\x04\x14\x00[Content_Types].xml")

    refused = settle("import", "postings", workbook, "--practice", "Lakeside")

    assert refused.stderr.splitlines() == [
        "march.xlsx: this is an Excel workbook (XLSX); open it and export it as CSV UTF-8",
        "Nothing was imported: 1 error.",
    ]


def test_empty_rows_are_skipped_and_counted(settle: Typed, tmp_path: Path) -> None:
    settle("import", "csv", "--template", tmp_path)
    with (tmp_path / "postings.csv").open("a", encoding="utf-8") as file:
        file.write(",,,,,,,,,\n" * 3)

    done = settle("import", "csv", tmp_path, "--practice", "Lakeside")

    assert "postings.csv 5 (3 empty rows skipped)." in done.stdout
