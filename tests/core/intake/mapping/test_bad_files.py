"""Files that cannot be imported as they are: each fault names the row, the header and the cure."""

import datetime as dt
import zipfile
from pathlib import Path

import pytest
import xlsxwriter

from core.intake.mapping import workbook
from core.intake.mapping.guess import NoHeader, UnreadableOfficeFile, guess_mapping
from core.intake.mapping.mapping import BadMapping, Mapping
from tests.core.intake.mapping.conftest import COLUMNS, HEADER, MAPPING, ROWS, OfficeFiles
from tests.core.intake.mapping.samples import write_workbook
from tests.factories import TODAY

AMOUNTS = [["C1", "P1", "Example Ann", dt.date(2026, 3, 14), "Aetna", 100, 0]]


def changed(**values: object) -> Mapping:
    return Mapping.of(MAPPING.as_json() | values)


@pytest.mark.parametrize(("values", "problems"), [
    ({"columns": COLUMNS | {"Acct": "claim"}}, ["two_columns"]),
    ({"columns": {k: v for k, v in COLUMNS.items() if v != "claim"}}, ["no_claim_number"]),
    ({"columns": {k: v for k, v in COLUMNS.items() if v != "patient_balance"}}, ["no_balance"]),
    ({"dates": {}}, ["no_date_format"]),
    ({"constants": {"claim": "1"}}, ["column_and_constant"]),
    ({"columns": COLUMNS | {"Paid": "primary_paid"}}, ["no_charge"]),
    ({"words": {"hold": {"Y": "yes"}}}, ["unknown_word"]),
])  # fmt: skip
def test_a_mapping_that_cannot_work_says_what_to_choose(values: dict[str, object], problems: list[str]) -> None:
    with pytest.raises(BadMapping) as refused:
        changed(**values).require_usable()
    assert refused.value.facts["problems"] == problems


def test_two_columns_at_one_field_are_both_named() -> None:
    with pytest.raises(BadMapping, match=r'The columns "Claim #" and "Acct" both mean Claim ID\. Choose one\.'):
        changed(columns=COLUMNS | {"Acct": "claim"}).require_usable()


def test_dates_that_fit_two_formats_are_asked_and_not_guessed(office: OfficeFiles) -> None:
    assert office.questions(office.csv(ROWS[0].replace("03/14", "03/04"))) == ["ambiguous_date"]


def test_a_date_format_taken_from_another_column_is_named_as_a_guess(office: OfficeFiles) -> None:
    header = "Claim #,Patient Name,DOB,DOS,Posting Date,Ins Bal,Pt Bal"
    path = office.csv("C1,Example Ann,02/01/1980,04/04/2026,13/04/2026,1.00,0.00",
                      "C2,Example Bob,03/02/1981,03/04/2026,14/04/2026,1.00,0.00", header=header)  # fmt: skip

    birth, service = (note for note in guess_mapping(path, today=TODAY).notes if "date format" in note)

    assert birth.endswith('DD/MM/YYYY, like "Posting Date". Check it.')  # without an example, because it is private
    assert service == (
        'The date format of Date of service ("DOS") is a guess, because no day is above 12: DD/MM/YYYY, like '
        '"Posting Date". Check it: "03/04/2026" is April 3, 2026, or March 4, 2026.'
    )


def test_rows_that_shift_after_50_000_are_one_line(office: OfficeFiles) -> None:
    rows = [f"C{n},P{n},Example Ann,03/14/2026,Aetna,1.00,0.00" for n in range(50_000)]
    shifted = [f"S{n},P{n},Example Ann,,03/14/2026,Aetna,1.00,0.00" for n in range(700)]

    faults = office.faults(office.csv(*rows, *shifted), MAPPING)

    assert (
        "ar.csv, 700 rows (line 50002, line 50003, line 50004, …): the row contains more values than the header has "
        "columns; are its values shifted?"
    ) in faults
    assert len(faults) <= 4


def test_a_totals_row_is_compared_and_not_imported(office: OfficeFiles) -> None:
    right = office.csv(*ROWS, "Grand Total,,,,,120.00,5.00", name="right.csv")
    wrong = office.csv(*ROWS, ",,,,,120.01,5.00", name="wrong.csv")
    between = office.csv(ROWS[0], "Total Aetna,,,,,100.00,0.00", ROWS[1], name="between.csv")

    assert office.load(right).added["claims"] == 2
    assert office.faults(wrong) == [
        (
            'wrong.csv, line 4, column Ins Bal, value "120.01": this looks like a totals row, but the rows above add '
            "up to 120.00; give the row a claim ID if it is a claim, or export the file again"
        )
    ]
    assert office.faults(between, MAPPING) == [
        "between.csv, line 3: this looks like a totals row between claims; remove it"
    ]


@pytest.mark.parametrize(("row", "fault"), [
    ("1.84146E+08,P1,Example Ann,03/14/2026,Aetna,1.00,0", 'Claim #, value "1.84146E+08": Excel turned the ID into'),
    ("C1,P1,Example Ann,14/03/2026,Aetna,1.00,0", 'DOS, value "14/03/2026": write a date as MM/DD/YYYY'),
    ("C1,P1,Example Ann,46095,Aetna,1.00,0", 'DOS, value "46095": write a date as MM/DD/YYYY, or choose another'),
    ("C1,P1,Example Ann,03/14/2026,Aetna,1.005,0", 'Ins Bal, value "1.005": the amount has more than two decimals'),
    ("C1,P1,,03/14/2026,Aetna,1.00,0", "Patient Name: must not be empty"),
    ("C1,P1,Example\u200bAnn,03/14/2026,Aetna,1.00,0", "Patient Name, value (hidden): remove the hidden character"),
    ("C1,P1,Example Ann,03/14/2026", "line 2: the row is too short"),
    (HEADER, "line 2: the column names are repeated here"),
    ('C1,P1,"Example Ann,03/14/2026,Aetna,1.00,0', "line 2: a quote opens here"),
])  # fmt: skip
def test_a_bad_row_is_reported_under_the_files_own_header(office: OfficeFiles, row: str, fault: str) -> None:
    assert any(fault in line for line in office.faults(office.csv(row), MAPPING)), fault


def test_the_same_claim_number_twice_is_refused(office: OfficeFiles) -> None:
    other_amount = office.csv(*ROWS, ROWS[0].replace("100", "101"))
    assert "another row has the same claim ID" in office.faults(other_amount, MAPPING)[0]
    assert "duplicate row" in office.faults(office.csv(*ROWS, ROWS[0]), MAPPING)[0]
    by_line = changed(rows="line")
    twice = office.csv(*ROWS, *ROWS)
    assert office.faults(twice, by_line) == [
        "ar.csv, line 5: every row is in the file at least twice; was the file pasted twice?"
    ]
    other_patient = office.csv(*ROWS, ROWS[0].replace("P1", "P9"))
    assert "ar.csv, line 4, column Patient #" in office.faults(other_patient, by_line)[0]


def test_a_column_that_was_renamed_is_named(office: OfficeFiles) -> None:
    renamed = office.csv(*ROWS, header=HEADER.replace("Ins Bal", "Ins Balance"))

    assert office.faults(renamed, MAPPING) == [
        (
            "ar.csv, line 1, column Ins Bal: the mapping uses this column, but the file does not have it; "
            'correct the mapping; did "Ins Balance" replace it?'
        )
    ]


def test_a_status_that_the_practice_does_not_have_is_refused(office: OfficeFiles) -> None:
    columns = COLUMNS | {"Status": "billing_status"}
    path = office.csv(ROWS[0] + ",ZZ", header=f"{HEADER},Status")

    refused = office.faults(path, changed(columns=columns))
    assert "the practice does not have this billing status" in refused[0]
    assert "add it to the value meanings in the mapping" in refused[0]
    words = {"billing_status": {"ZZ": "Internal Review"}}
    assert office.load(path, changed(columns=columns, words=words)).added["claims"] == 1


def test_windows_1252_is_shown_as_evidence_and_never_assumed(office: OfficeFiles, tmp_path: Path) -> None:
    path = tmp_path / "ar.csv"
    path.write_bytes("\n".join([HEADER, ROWS[0].replace("Ann", "Núñez")]).encode("windows-1252"))

    guess = guess_mapping(path, today=TODAY)

    assert guess.mapping.encoding == "windows-1252"
    assert guess.notes[0] == (
        "The file is read as Windows-1252: line 2 is not UTF-8; in Windows-1252, the file contains these characters: "
        "ñ ú."
    )
    assert "set the mapping's encoding to windows-1252" in office.faults(path, MAPPING)[0]
    path.write_bytes(b"\n".join([HEADER.encode(), ROWS[0].encode().replace(b"Ann", b"Jos\x82")]))
    with pytest.raises(UnreadableOfficeFile, match="byte 0x82 is unusual in Windows-1252"):
        guess_mapping(path, today=TODAY)


def test_the_notes_name_the_row_of_the_column_names_if_it_is_not_the_first(tmp_path: Path) -> None:
    path = tmp_path / "ar.csv"
    path.write_text("\n".join(["Outstanding A/R,,,,,", "", HEADER, *ROWS]), encoding="utf-8")

    assert guess_mapping(path, today=TODAY).notes[0] == (
        "Row 3 contains the column names. The rows above it are not imported."
    )
    path.write_text("\n".join([HEADER, *ROWS]), encoding="utf-8")
    assert not [one for one in guess_mapping(path, today=TODAY).notes if "column names" in one]


def test_a_file_without_a_header_is_refused_without_its_values(tmp_path: Path) -> None:
    path = tmp_path / "ar.csv"
    path.write_text("\n".join(ROWS), encoding="utf-8")

    with pytest.raises(NoHeader, match="The file has no row of column names"):
        guess_mapping(path, today=TODAY)


def test_two_sheets_with_claims_are_asked(office: OfficeFiles, tmp_path: Path) -> None:
    path = tmp_path / "two.xlsx"
    write_workbook(path, {"May": [HEADER.split(","), *AMOUNTS], "June": [HEADER.split(","), *AMOUNTS]})

    assert office.questions(path) == ["two_sheets"]
    assert "choose one in the mapping: May, June" in office.faults(path, MAPPING)[0]
    june = guess_mapping(path, today=TODAY, sheet="June")
    assert office.load(path, june.mapping).added["claims"] == 1


def test_a_workbook_with_merged_cells_names_the_row(office: OfficeFiles, tmp_path: Path) -> None:
    path = tmp_path / "merged.xlsx"
    with xlsxwriter.Workbook(path) as book:
        sheet = book.add_worksheet("AR")
        sheet.merge_range(0, 0, 0, 6, "Report of November")  # above the header it does no harm
        sheet.write_row(1, 0, HEADER.split(","))
        sheet.write_row(2, 0, ["C1", "P1", "Example Ann", "03/14/2026", "Aetna", 100, 0])
        sheet.write_row(3, 0, ["C2", "", "Example Ann", "03/14/2026", "Aetna", 100, 0])
        sheet.merge_range(2, 1, 3, 1, "P1")

    faults = office.faults(path, MAPPING)

    assert faults == [
        (
            "merged.xlsx, 2 rows (line 3, line 4): cells in this row are merged; unmerge them, because only one of "
            "them has a value"
        )
    ]


def test_formulas_are_read_by_their_stored_value_or_refused(office: OfficeFiles, tmp_path: Path) -> None:
    for name, stored in (("stored.xlsx", 100.1), ("bare.xlsx", "")):
        with xlsxwriter.Workbook(tmp_path / name) as book:
            sheet = book.add_worksheet("AR")
            sheet.write_row(0, 0, HEADER.split(","))
            sheet.write_row(1, 0, ["C1", "P1", "Example Ann", "03/14/2026", "Aetna", 0, 0])
            sheet.write_formula(1, 5, "=100+0.1", None, stored)

    done = office.load(tmp_path / "stored.xlsx", MAPPING)
    assert done.summary.insurance_balance_cents == 100_10
    assert office.faults(tmp_path / "bare.xlsx", MAPPING) == [
        "bare.xlsx, line 2: cell F2 has a formula without a stored value; open the workbook in Excel and save it again"
    ]


def test_a_sheet_that_would_fill_the_memory_is_refused(tmp_path: Path, office: OfficeFiles) -> None:
    path = tmp_path / "huge.xlsx"
    with xlsxwriter.Workbook(path) as book:
        sheet = book.add_worksheet("AR")
        sheet.write_row(0, 0, HEADER.split(","))
        sheet.write(1_000_000, 16_000, "x")

    assert "the sheet spans 1,000,001 rows and 16,001 columns" in office.faults(path, MAPPING)[0]


def test_a_bomb_is_refused_before_it_is_unpacked(
    tmp_path: Path, office: OfficeFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "bomb.xlsx"
    write_workbook(path, {"AR": [HEADER.split(","), *AMOUNTS]})
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("xl/media/image1.png", bytes(5_000_000))
    monkeypatch.setattr(workbook, "XML_BYTES_MAX", 5_000_000)

    assert "the workbook unpacks to more than 5 MB" in office.faults(path, MAPPING)[0]


def test_a_protected_or_old_workbook_says_how_to_save_it(tmp_path: Path, office: OfficeFiles) -> None:
    path = tmp_path / "old.xls"
    path.write_bytes(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(2_000))

    assert "old Excel workbook (XLS)" in office.faults(path, MAPPING)[0]


def test_excel_serials_and_long_numbers_in_a_workbook(office: OfficeFiles, tmp_path: Path) -> None:
    path = tmp_path / "serials.xlsx"
    write_workbook(path, {"AR": [HEADER.split(","), ["C1", "P1", "Example Ann", 46095, "Aetna", 100, 0]]})
    done = office.load(path)
    assert done.added["claims"] == 1

    long = [12345678901234567890, "P1", "Example Ann", 46095, "Aetna", 100, 0]
    write_workbook(path, {"AR": [HEADER.split(","), long]})
    assert "scientific notation, and digits are lost" in office.faults(path)[0]


def test_a_workbook_with_a_password_says_so(office: OfficeFiles) -> None:
    # Encrypted with the password "secret" as Excel does.
    path = Path(__file__).with_name("password.xlsx")
    assert office.faults(path, MAPPING) == [
        "password.xlsx, line 1: the workbook has a password; remove it in Excel and save it again"
    ]


def test_an_error_in_a_cell_is_never_read_as_zero(office: OfficeFiles, tmp_path: Path) -> None:
    path = tmp_path / "errors.xlsx"
    with xlsxwriter.Workbook(path) as book:
        sheet = book.add_worksheet("AR")
        sheet.write_row(1, 1, [*HEADER.split(","), "Notes"])
        for row in (2, 3):
            sheet.write_row(row, 1, [f"C{row}", "P1", "Example Ann", "03/14/2026", "Aetna", 0, 0])
            sheet.write_formula(row, 8, "=NA()", None, "#N/A")  # a column that is not imported
    assert office.load(path, MAPPING).added["claims"] == 2

    with xlsxwriter.Workbook(path) as book:
        sheet = book.add_worksheet("AR")
        sheet.write_row(1, 1, HEADER.split(","))
        sheet.write_row(2, 1, ["C9", "P1", "Example Ann", "03/14/2026", "Aetna", 0, 0])
        sheet.write_formula(2, 6, "=1/0", None, "#DIV/0!")
    assert office.faults(path, MAPPING) == [
        (
            'errors.xlsx, line 3, column Ins Bal, value "#DIV/0!": the spreadsheet shows an error here; correct it '
            "before export"
        )
    ]


def test_two_equal_headers_are_asked(office: OfficeFiles) -> None:
    path = office.csv(ROWS[0] + ",1.00", header=f"{HEADER},Ins Bal")

    assert office.questions(path) == ["two_columns", "no_balance"]


def test_notes_are_skipped_and_a_file_without_claims_is_refused(office: OfficeFiles) -> None:
    assert office.load(office.csv(*ROWS, "Page 1 of 1", "Printed by Ada,,,,,,")).added["claims"] == 2
    assert office.faults(office.csv(name="empty.csv"), MAPPING) == [
        "empty.csv, line 1: there are no claims below the column names"
    ]


def test_the_ids_of_one_payer_are_chosen_for_both_columns() -> None:
    more = {"Payer ID": "primary_payer_id", "Secondary": "secondary_payer"}
    with pytest.raises(BadMapping, match="Map the ID columns for both payers, or for neither"):
        changed(columns=COLUMNS | more).require_usable()
