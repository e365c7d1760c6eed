"""Damage by spreadsheets and copied text is named for what it is; harmless empty cells are accepted."""

import pytest

from tests.core.intake.conftest import FilesOfPractice

SAVED = "format the column as text in the spreadsheet before export"
DATE = f"{SAVED}, and write the date as YYYY-MM-DD, such as 2025-01-31"
ID = "Excel turned the ID into a number in scientific notation, and digits are lost"
DOCUMENT = "see docs/import-format.md for the columns"


def test_dates_rewritten_by_a_spreadsheet_are_one_fault_and_come_first(files: FilesOfPractice) -> None:
    for day in ("2025-03-04", "2025-03-05", "2025-03-06", "2025-03-20"):
        text = (files.path / "claims.csv").read_text(encoding="utf-8")
        _, month, date = day.split("-")
        files.write("claims.csv", text.replace(day, f"{int(month)}/{int(date)}/2025").encode())
    files.replace("claims.csv", "09:15", "9:15:00 AM")
    files.replace("claims.csv", "110.00", "110.-")

    assert files.faults() == [
        (
            "claims.csv, columns service_date, first_edi_date and last_edi_date, 6 values "
            f'(line 2 "3/4/2025", line 2 "3/5/2025", line 2 "3/5/2025", …): {DATE}'
        ),
        (
            f'claims.csv, line 2, column service_time, value "9:15:00 AM": {SAVED}, and write the time as HH:MM, '
            "such as 14:30"
        ),
        (
            'claims.csv, line 2, column allowed, value "110.-": put the minus sign first and write the amount '
            "as -1234.56, without $, commas or parentheses"
        ),
    ]


@pytest.mark.parametrize(
    "day",
    [
        "3/4/2025", "3/4/25", "03-04-2025", "4.3.2025", "2025/03/04", "2025-3-4", "2025-03-04 00:00:00",
        "3/4/2025 0:00", "4-Mar-25", '"March 4, 2025"', '"Tuesday, March 4, 2025"', "45720", "########",
    ],
)  # fmt: skip
def test_a_date_in_a_spreadsheets_format_is_recognized(files: FilesOfPractice, day: str) -> None:
    files.replace("postings.csv", "2025-04-02", day)

    (fault,) = files.faults()

    assert DATE in fault or "the spreadsheet shows an error here" in fault


def test_a_date_with_day_and_month_swapped_is_recognized(files: FilesOfPractice) -> None:
    files.replace("postings.csv", "2025-03-20", "2025-20-03")

    assert files.faults() == [
        (
            'postings.csv, line 2, column posting_date, value "2025-20-03": the day and month are swapped; '
            "write YYYY-MM-DD, such as 2025-01-31"
        )
    ]


@pytest.mark.parametrize(
    ("damaged", "expected"),
    [
        ("1.84146E+17", ID),
        ("1.84146e+17", ID),
        ("1E+10", ID),
        ('"1,84E+17"', ID),
        ("184146026.0", 'the ID was turned into a number with ".0"'),
        ("26-Mar", "the ID was turned into a date"),
        ("#REF!", "the spreadsheet shows an error here"),
        ("1841\u00a046026", "remove the hidden character U+00A0 (NO-BREAK SPACE)"),
        ("\uff11\uff18", "the ID contains full-width characters; write plain letters and digits"),
    ],
)
def test_an_id_damaged_by_a_spreadsheet_is_refused_in_every_file(
    files: FilesOfPractice, damaged: str, expected: str
) -> None:
    for file in ("claims.csv", "line_items.csv", "postings.csv"):
        text = (files.path / file).read_text(encoding="utf-8")
        files.write(file, text.replace("184146026", damaged).encode())

    faults = files.faults()

    assert [fault.partition(",")[0] for fault in faults] == ["claims.csv", "line_items.csv", "postings.csv"]
    assert all(expected in fault for fault in faults)


def test_unusual_ids_of_the_practices_own_are_imported(files: FilesOfPractice) -> None:
    for number, own in enumerate(["12E4", "A-1.0", "007", "Mar-2025-1", "1-2", "Zo\u00eb 1"]):
        files.append("patients.csv", own, f"Sample, {number}", "")

    assert files.load().added["patients"] == 8


def test_rows_of_commas_and_blanks_are_skipped(files: FilesOfPractice) -> None:
    files.write("postings.csv", (files.path / "postings.csv").read_bytes() + b",,,,,,,,,\n\n , ,,,,,,,,\n,,,\n\n")
    files.write("offices.csv", b"\n,\n" + (files.path / "offices.csv").read_bytes() + b'"",""\n')

    done = files.load()

    assert done.rows_read["postings.csv"] == (5, 5, False)  # read, empty, totals row
    assert done.rows_read["offices.csv"] == (1, 3, False)


def test_empty_columns_without_a_name_are_ignored(files: FilesOfPractice) -> None:
    files.write("offices.csv", b"office_id,,name,,\nMAIN,,Main,,\nEAST, ,East\nWEST,,West,,,,\n")

    assert files.load().added["offices"] == 3


def test_a_value_in_a_column_without_a_name_is_a_fault_that_does_not_show_the_value(files: FilesOfPractice) -> None:
    files.write("patients.csv", b"patient_id,name,birth_date,\nP-1,Petra,1980-02-28,999-17-5017\nP-2,Otis,,\n")

    assert files.faults() == [
        (
            "patients.csv, line 2: a value is in a column without a name; name the column in the first line, or "
            "clear the value (4 fields, but the header has 3)"
        )
    ]


@pytest.mark.parametrize(
    ("amount", "expected"),
    [
        ("\u221288.00", 'the minus sign is a special character, U+2212 (MINUS SIGN); use the plain minus "-"'),
        ("\u201388.00", 'the minus sign is a special character, U+2013 (EN DASH); use the plain minus "-"'),
        ("\u201488.00", 'the minus sign is a special character, U+2014 (EM DASH); use the plain minus "-"'),
        (
            "\uff0d88.00",
            'the minus sign is a special character, U+FF0D (FULLWIDTH HYPHEN-MINUS); use the plain minus "-"',
        ),
        ("-\u00a088.00", "remove the hidden character U+00A0 (NO-BREAK SPACE)"),
        ("-88\u200b.00", "remove the hidden character U+200B (ZERO WIDTH SPACE)"),
        ("-\uff18\uff18.00", "the digits are special characters, such as U+FF18 (FULLWIDTH DIGIT EIGHT)"),
        ("(88.00)", "put the minus sign first and write the amount as -1234.56"),
        ("88.00-", "put the minus sign first and write the amount as -1234.56"),
        ("-$88.00", "put the minus sign first and write the amount as -1234.56"),
        ("-88.0000001", "the amount has more than two decimals"),
    ],
)
def test_the_fault_explains_what_is_wrong_with_an_amount_that_looks_right(
    files: FilesOfPractice, amount: str, expected: str
) -> None:
    files.replace("postings.csv", "-88.00", amount)

    (fault,) = files.faults()

    assert fault.startswith("postings.csv, line 3, column amount, value ")
    assert expected in fault


@pytest.mark.parametrize(
    ("hidden", "name"),
    [
        ("\u200b", "U+200B (ZERO WIDTH SPACE)"),
        ("\ufeff", "U+FEFF (ZERO WIDTH NO-BREAK SPACE)"),
        ("\u00ad", "U+00AD (SOFT HYPHEN)"),
        ("\u202e", "U+202E (RIGHT-TO-LEFT OVERRIDE)"),
        ("\u2066", "U+2066 (LEFT-TO-RIGHT ISOLATE)"),
        ("\ufe0f", "U+FE0F (VARIATION SELECTOR-16)"),
    ],
)
def test_a_hidden_character_in_an_id_or_column_name_is_shown(files: FilesOfPractice, hidden: str, name: str) -> None:
    files.append("payers.csv", f"10001{hidden}1", "Plan", "commercial")
    assert files.faults() == [
        (
            f'payers.csv, line 4, column payer_id, value "10001<U+{ord(hidden):04X}>1": remove the hidden character '
            f"{name}"
        )
    ]

    files.replace("payers.csv", "payer_id", f"payer{hidden}_id")

    assert files.faults() == [
        f"payers.csv, line 1, column payer_id: remove the hidden character {name} from the column's name"
    ]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Zo\u00eb", "Zoe\u0308"),  # composed, decomposed
        ("PLAN-A", "PLAN-\u0410"),  # Cyrillic A
        ("A-1", "A\u20131"),  # en dash
    ],
)
def test_ids_that_look_alike_are_refused_within_a_file_and_against_the_practices_data(
    files: FilesOfPractice, one: str, other: str
) -> None:
    files.append("payers.csv", one, "Plan", "commercial")
    files.append("payers.csv", other, "Plan", "commercial")
    (fault,) = files.faults()
    assert "it looks like another ID but has different characters; type both the same way (line " in fault

    for first, second in ((one, other), (other, one)):
        files.write("payers.csv", f"payer_id,name,payer_class\n{first},Plan,commercial\n".encode())
        files.write("claims.csv", (files.path / "claims.csv").read_bytes().splitlines(keepends=True)[0])
        files.write("line_items.csv", (files.path / "line_items.csv").read_bytes().splitlines(keepends=True)[0])
        files.write("postings.csv", (files.path / "postings.csv").read_bytes().splitlines(keepends=True)[0])
        files.load(f"Practice of {first}")
        assert files.load(f"Practice of {first}").nothing_new
        files.replace("payers.csv", first, second)
        assert "it looks like another ID but has different characters" in files.faults_in(f"Practice of {first}")[0]


def test_a_reference_to_a_nearly_matching_id_explains_the_difference(files: FilesOfPractice) -> None:
    files.replace("payers.csv", "10001", "0010001")
    files.replace("patients.csv", "P-1", "p-1")
    files.replace("offices.csv", "MAIN", "\u041cAIN")

    assert [fault.partition(": ")[2].partition("; ")[2] for fault in files.faults()] == [
        "it exists with different capitalization; write both the same way",
        "it exists with different characters that look the same; type both the same way",
        *["it exists with different leading zeros; spreadsheets drop them, so format the column as text before export"]
        * 2,
    ]


def test_unknown_columns_get_a_suggestion_only_when_it_is_certain(files: FilesOfPractice) -> None:
    files.write(
        "claims.csv",
        b"id,patient_name,encounter_id,status,paid_amount,billed_amount\n30001,Sample Petra,E1,Denied,10.5,100.0\n",
    )

    faults = files.faults()

    assert faults[:3] == [
        "claims.csv, line 1, column id: not a column of this file; did you mean claim_id?",
        (f"claims.csv, line 1, columns patient_name, encounter_id and status: not a column of this file; {DOCUMENT}"),
        (
            "claims.csv, line 1, columns paid_amount and billed_amount: not a column of this file; amounts go in "
            f"line_items.csv and postings.csv; {DOCUMENT}"
        ),
    ]
    assert len(faults) == 4
    assert faults[3].startswith("claims.csv, line 1, columns patient_id, office_id, billing_provider_id, ")
    assert faults[3].endswith(" and last_edi_date: missing; add it to the first line")


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("ClaimID", "did you mean claim_id?"),
        ("Claim Number", "did you mean claim_id?"),
        ("claim_no", "did you mean claim_id?"),
        ("clam_id", "did you mean claim_id?"),
        ("\u0441laim_id", "did you mean claim_id?"),  # a Cyrillic letter
        ("encounter_id", DOCUMENT),
        ("balance", "amounts go in line_items.csv and postings.csv"),
    ],
)
def test_a_column_with_another_name_gets_a_suggestion_or_a_pointer_to_the_document(
    files: FilesOfPractice, written: str, expected: str
) -> None:
    files.replace("claims.csv", "claim_id", written)

    faults = files.faults()

    assert expected in faults[0]
    assert len(faults) == (1 if expected.startswith("did you mean") else 2)
    assert "remove" not in "".join(faults)


def test_column_names_are_read_in_any_letter_case(files: FilesOfPractice) -> None:
    for file in files.path.iterdir():
        header, _, rows = file.read_text(encoding="utf-8").partition("\n")
        file.write_text(f"{header.upper()}\n{rows}", encoding="utf-8")

    assert files.load().added["claims"] == 2
