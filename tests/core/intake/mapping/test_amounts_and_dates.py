"""Amounts and dates in the forms of US practice-management systems: read exactly, or refused."""

import datetime as dt

import pytest
from hypothesis import given, strategies as st

from core.intake.mapping.amounts import number_text, read_amount
from core.intake.mapping.date_formats import DateFormat, date_reader, parse_date, possible_formats
from core.intake.parsing.fields import BadField
from tests.factories import TODAY

CENTS = st.integers(min_value=-99_999_999_999, max_value=99_999_999_999)
DAYS = st.dates(min_value=dt.date(1927, 1, 1), max_value=dt.date(2026, 11, 23))


def plain(cents: int, *, commas: bool) -> str:
    dollars, rest = divmod(abs(cents), 100)
    return f"{dollars:,}.{rest:02d}" if commas else f"{dollars}.{rest:02d}"


def forms(cents: int, *, commas: bool, dollar: str) -> list[str]:
    number = plain(cents, commas=commas)
    if cents >= 0:
        return [f"{dollar}{number}", f"+{dollar}{number}", f" {dollar} {number} ", f"{dollar}{number} DR"]
    return [
        f"-{dollar}{number}", f"{dollar}-{number}", f"({dollar}{number})", f"{dollar}({number})", f"{dollar}{number}-",
        f"- {dollar}{number}", f"{dollar}{number} CR", f"{dollar}{number}cr",
    ]  # fmt: skip


@given(cents=CENTS, commas=st.booleans(), dollar=st.sampled_from(["", "$"]))
def test_any_cents_through_any_written_form_come_back_equal(cents: int, commas: bool, dollar: str) -> None:
    for form in forms(cents, commas=commas, dollar=dollar):
        assert read_amount(form, credit_words=True) == cents, form


@given(cents=CENTS)
def test_any_cents_through_the_number_of_a_workbook_come_back_equal(cents: int) -> None:
    assert read_amount(number_text(cents / 100)) == cents


@pytest.mark.parametrize(("value", "text"), [
    (0.1 + 0.2, "0.3"), (2.8421709430404007e-14, "0"), (12.345, "12.345"), (184146026.0, "184146026"), (1e20, "1e+20"),
    (45720.0, "45720"), (-5e-324, "0"), (0.001, "0.001"), (123456789012345.0, "123456789012345"),
])  # fmt: skip
def test_a_number_of_a_workbook_loses_only_its_binary_residue(value: float, text: str) -> None:
    assert number_text(value).removeprefix("-0") in (text, text.removeprefix("0"))


@pytest.mark.parametrize(("field", "cure"), [
    ("12.345", "never rounds"), ("1.234,56", "write dollars and cents"), ("1,23.00", "write dollars and cents"),
    ("--5.00", "two signs"), ("(5.00", "write dollars and cents"), ("-(5.00)", "two signs"),
    ("1.0E+3", "scientific notation"), ("5.00 CR", "credit_words"), ("\u22125.00", "special character"),
    ("1 000.00", "write dollars and cents"), ("-", "write dollars and cents"), ("n/a", "write dollars and cents"),
    ("1,234,567,890.00", "nine digits"), ("٣.00", "special characters"), ("12.", "write dollars and cents"),
])  # fmt: skip
def test_an_amount_that_is_not_certain_is_refused_with_the_cure(field: str, cure: str) -> None:
    with pytest.raises(BadField, match=cure):
        read_amount(field)


@given(day=DAYS)
def test_any_date_through_any_format_comes_back_equal(day: dt.date) -> None:
    written = {
        DateFormat.MDY: f"{day:%m/%d/%Y}", DateFormat.DMY: f"{day.day}-{day.month}-{day.year}",
        DateFormat.MDY_2: f"{day:%m/%d/%y}", DateFormat.YMD: f"{day} 00:00:00", DateFormat.YMD_DIGITS: f"{day:%Y%m%d}",
        DateFormat.MDY_DIGITS: f"{day:%m%d%Y}", DateFormat.DAY_MONTH_NAME: f"{day:%d-%b-%Y}",
        DateFormat.MONTH_NAME: f"{day:%B %d, %Y}", DateFormat.DMY_2: f"{day:%d.%m.%y} 12:00 AM",
        DateFormat.EXCEL_SERIAL: str((day - dt.date(1899, 12, 30)).days),
    }  # fmt: skip
    for form, text in written.items():
        if form is DateFormat.EXCEL_SERIAL and len(text) < 5:
            continue  # before May 1927, a serial number has four digits
        assert parse_date(text, form, today=TODAY) == day, form
        assert form in possible_formats([text], today=TODAY)


def test_a_date_without_a_day_above_12_has_two_formats() -> None:
    assert possible_formats(["03/04/2026", "1/2/2026"], today=TODAY) == [DateFormat.MDY, DateFormat.DMY]
    assert possible_formats(["03/04/2026", "1/13/2026"], today=TODAY) == [DateFormat.MDY]


def test_a_birth_date_with_a_two_digit_year_is_in_the_past() -> None:
    born_on = date_reader(DateFormat.MDY_2, today=TODAY, is_past=True)

    days = [dt.date(1926, 11, 24), dt.date(2026, 11, 23), dt.date(1930, 2, 28)]
    assert [born_on(field) for field in ("11/24/26", "11/23/26", "02/28/30")] == days


def test_a_date_of_another_format_is_refused() -> None:
    read = date_reader(DateFormat.MDY, today=TODAY)
    assert read("2026-02-03") == dt.date(2026, 2, 3), "this has one meaning only"
    for field in ("13/02/2026", "02/30/2026", "45720", "02/03/26", "soon", "02/03/1026"):
        with pytest.raises(BadField, match="MM/DD/YYYY"):
            read(field)
