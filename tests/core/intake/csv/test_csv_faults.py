"""Bad input: each fault names file, line, column, value and remedy. All are reported, and nothing is loaded."""

import pytest

from core.intake.parsing.faults import ImportRefused
from tests.core.intake.conftest import FilesOfPractice

PLAIN = "write dollars and cents as 1234.56: at most two decimals, no $ or commas"
SAME = "remove the duplicate row: every imported column is the same"
BY_SPREADSHEET = "format the column as text in the spreadsheet before export"
DOCUMENT = "see docs/import-format.md for the columns"


@pytest.mark.parametrize(
    ("file", "old", "new", "fault"),
    [
        ("postings.csv", "-88.00", '"-1,234.56"', f'line 3, column amount, value "-1,234.56": {PLAIN}'),
        (
            "postings.csv",
            "-88.00",
            "-12.345",
            'line 3, column amount, value "-12.345": the amount has more than two decimals; round it to whole cents',
        ),
        ("postings.csv", "-88.00", "NaN", f'line 3, column amount, value "NaN": {PLAIN}'),
        (
            "postings.csv",
            "-88.00",
            "-8.8e1",
            (
                'line 3, column amount, value "-8.8e1": the amount is in scientific notation, and cents may be lost; '
                f"{BY_SPREADSHEET}"
            ),
        ),
        (
            "postings.csv",
            "-88.00",
            "−88.00",
            (
                'line 3, column amount, value "−88.00": the minus sign is a special character, U+2212 (MINUS SIGN); '
                'use the plain minus "-"'
            ),
        ),
        (
            "postings.csv",
            "-88.00",
            "-٨٨.00",
            (
                'line 3, column amount, value "-٨٨.00": the digits are special characters, such as '
                "U+0668 (ARABIC-INDIC DIGIT EIGHT); use plain digits 0 to 9"
            ),
        ),
        ("postings.csv", "-88.00", "", "line 3, column amount: must not be empty"),
        (
            "postings.csv",
            "-88.00",
            "0.00",
            "line 3, column amount: a posting of 0.00 changes nothing; remove the row",
        ),
        (
            "postings.csv",
            "-88.00",
            "88.00",
            (
                "line 3, column amount: a payment lowers the balance; use a minus sign, "
                "or use kind refund for money returned"
            ),
        ),
        (
            "postings.csv",
            "payment,-88.00,primary",
            "payment,-88.00,",
            "line 3, column paid_by: enter who paid or got the money: primary, secondary or patient",
        ),
        (
            "postings.csv",
            "payment,-88.00,primary,,",
            "payment,-88.00,primary,CO,",
            "line 3, column group_code: group and reason codes are only for adjustments; leave them empty",
        ),
        (
            "postings.csv",
            "transfer,22.00",
            "transfer,21.00",
            (
                'line 4, column amount, value "184146026 / 1": the transfers on a line must add up to 0.00, because '
                "one balance gains what the other loses"
            ),
        ),
        (
            "postings.csv",
            "payment",
            "charge",
            'line 3, column kind, value "charge": write one of: payment, refund, adjustment, transfer',
        ),
        (
            "postings.csv",
            "2025-03-20",
            "03/20/2025",
            (
                f'line 2, column posting_date, value "03/20/2025": {BY_SPREADSHEET}, and write the date as YYYY-MM-DD, '
                "such as 2025-01-31"
            ),
        ),
        (
            "postings.csv",
            "2025-03-20",
            "2025-02-30",
            (
                'line 2, column posting_date, value "2025-02-30": this date does not exist; '
                "write YYYY-MM-DD, such as 2025-01-31"
            ),
        ),
        (
            "postings.csv",
            "2025-03-20",
            "0205-03-20",
            'line 2, column posting_date, value "0205-03-20": the year must be between 1900 and 2199',
        ),
        (
            "postings.csv",
            "3,184146026",
            "2,184146026",
            (
                'line 4, column posting_id, value "2": another posting has the same ID; give each posting its own ID '
                "(also in line 3)"
            ),
        ),
        (  # the id of a line's charge
            "postings.csv",
            "3,184146026",
            "charge:184146026:1,184146026",
            (
                'line 4, column posting_id, value "charge:184146026:1": another posting has the same ID; give each '
                "posting its own ID (also in line 2)"
            ),
        ),
        (
            "postings.csv",
            "1,184146026,1,",
            "1,184146026,9,",
            'line 2, column line, value "184146026 / 9": this posting\'s line is missing; add it to line_items.csv',
        ),
        ("line_items.csv", "150.00", "-150.00", 'line 2, column charge, value "-150.00": must not be negative'),
        ("line_items.csv", "150.00", "", "line 2, column charge: must not be empty"),
        (
            "line_items.csv",
            "184146027",
            "184146099",
            'line 4, column claim_id, value "184146099": this line\'s claim is missing; add it to claims.csv',
        ),
        (
            "line_items.csv",
            "184146026,2",
            "184146026,1",
            (
                'line 3, column line, value "184146026 / 1": another line on the claim has the same number; '
                "give each line its own number (also in line 2)"
            ),
        ),
        (
            "line_items.csv",
            "184146026,2",
            "184146026,0",
            'line 3, column line, value "0": number the claim\'s lines 1, 2, 3 … up to 999',
        ),
        (
            "claims.csv",
            "184146027",
            "184146026",
            (
                'line 3, column claim_id, value "184146026": another claim has the same ID, so rows that refer to it '
                "are ambiguous; give each claim its own ID (also in line 2)"
            ),
        ),
        (
            "claims.csv",
            "P-1",
            "P-9",
            (
                'line 2, column patient_id, value "P-9": this patient is in neither the practice nor patients.csv; '
                "add the patient to patients.csv"
            ),
        ),
        (
            "claims.csv",
            "10001,ERA",
            "10009,ERA",
            (
                'line 2, column primary_payer_id, value "10009": this payer is in neither the practice nor payers.csv; '
                "add the payer to payers.csv"
            ),
        ),
        (
            "claims.csv",
            "Balance Due",
            "Balance due",
            (
                'line 2, column billing_status, value "Balance due": the practice does not have this billing status; '
                "it exists with different capitalization; write both the same way"
            ),
        ),
        (
            "claims.csv",
            "09:15",
            "9 am",
            'line 2, column service_time, value "9 am": write the time as HH:MM, such as 14:30',
        ),
        ("claims.csv", "110.00", "-110.00", 'line 2, column allowed, value "-110.00": must not be negative'),
        (
            "claims.csv",
            "billing_status",
            "biling_status",
            "line 1, column biling_status: not a column of this file; did you mean billing_status?",
        ),
        ("claims.csv", ",hold,", ",hold_kind,", "line 1, column hold: missing; add it to the first line"),
        (
            "payers.csv",
            "name,payer_class",
            "name;payer_class",
            "line 1: separate the columns with commas, not semicolons",
        ),
        (
            "payers.csv",
            "payer_class\n",
            "payer_class,payer_class\n",
            "line 1, column payer_class: this column name is repeated; use it only once",
        ),
        (
            "payers.csv",
            "payer_id,name,payer_class",
            "payer_id;name;payer_class",
            "line 1: separate the columns with commas, not semicolons",
        ),
        (
            "payers.csv",
            "commercial",
            "hmo",
            (
                'line 2, column payer_class, value "hmo": write one of: commercial, medicare, medicaid, dual, tricare, '
                "workers_comp, auto, self_pay, other"
            ),
        ),
        (
            "payers.csv",
            "Medicare,",
            "Medicare, Part B,",
            (
                "line 3: the row has too many fields; put quotes around a value with a comma "
                "(4 fields, but the header has 3)"
            ),
        ),
        (
            "payers.csv",
            "Medicare",
            "Medi\x00care",
            "line 3: the line contains a NUL byte; the file is damaged or is not text",
        ),
        ("payers.csv", "Medicare", "M" * 201, "shorten it to 200 characters"),
        ("payers.csv", "Medicare", 'M "B"', ""),
        (
            "payers.csv",
            "Medicare",
            '"M" B',
            "line 3: put quotes around a value that contains a quote, and double the inner quote",
        ),
        (
            "payers.csv",
            "Medicare",
            '"Medicare',
            "line 3: a quote opens here and does not close on this line",
        ),
    ],
)
def test_a_fault_names_file_line_column_value_and_remedy(
    files: FilesOfPractice, file: str, old: str, new: str, fault: str
) -> None:
    files.replace(file, old, new)
    if not fault:
        assert files.load().added["claims"] == 2
        return

    faults = files.faults()

    assert any(found.startswith(file) and fault in found for found in faults), faults


def test_names_and_birth_dates_never_appear_in_faults(files: FilesOfPractice) -> None:
    files.replace("patients.csv", "1980-02-28", "1981-02-29")
    files.replace("patients.csv", "Sample, Petra", "Sample\tPetra")

    faults = files.faults()

    assert faults == [
        "patients.csv, line 2, column name, value (hidden): remove the line break, tab or other control character",
        (
            "patients.csv, line 2, column birth_date, value (hidden): this date does not exist; "
            "write YYYY-MM-DD, such as 2025-01-31"
        ),
    ]


def test_a_birth_date_in_the_future_is_a_fault(files: FilesOfPractice) -> None:
    files.replace("patients.csv", "1980-02-28", "2080-02-28")

    (fault,) = files.faults()

    assert fault.startswith(
        "patients.csv, line 2, column birth_date, value (hidden): the date of birth is in the future"
    )


def test_faults_of_all_files_are_reported_at_once_without_follow_up_faults(files: FilesOfPractice) -> None:
    files.replace("payers.csv", "20001,Medicare,medicare", "20001,Medicare,medicar")
    files.replace("patients.csv", "1980-02-28", "29.2.1980")
    files.replace("claims.csv", "2025-03-04", "4.3.2025")
    files.replace("line_items.csv", "150.00", "150.-")
    files.replace("postings.csv", "-88.00", "-88,00")  # one comma too many

    places = [fault.partition(":")[0].partition(", value")[0] for fault in files.faults()]

    assert places == [
        "postings.csv, line 3",  # unreadable rows come first, then damage by a spreadsheet, then values
        "claims.csv, line 2, column service_date",
        "patients.csv, line 2, column birth_date",
        "line_items.csv, line 2, column charge",
        "payers.csv, line 3, column payer_class",
    ]


def test_five_thousand_equal_faults_are_one_line_and_hide_no_other_fault(files: FilesOfPractice) -> None:
    for number in range(5_000):
        files.append("payers.csv", f"X-{number}", "Plan", "none")
    files.replace("claims.csv", "P-1", "P-9")

    with pytest.raises(ImportRefused) as refused:
        files.load()

    assert [str(fault) for fault in refused.value.faults] == [
        (
            'payers.csv, column payer_class, 5,000 rows (line 4 "none", line 5 "none", line 6 "none", …): write one '
            "of: commercial, medicare, medicaid, dual, tricare, workers_comp, auto, self_pay, other"
        ),
        (
            'claims.csv, line 2, column patient_id, value "P-9": this patient is in neither the practice nor '
            "patients.csv; add the patient to patients.csv"
        ),
    ]
    assert refused.value.message == "Nothing was imported: 2 errors in 5,001 locations."
