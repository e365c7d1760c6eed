"""Amounts are exact cents and are never repaired; dates are real days."""

import datetime as dt

import pytest

from core.x12.values import _REMEMBERED_MAX, CENTS, DAYS, NotADate, NotAnAmount, period


@pytest.mark.parametrize(
    ("text", "cents"),
    [
        ("100", 10000), ("145.00", 14500), (".5", 50), ("80.", 8000), ("-9.00", -900), ("-.05", -5), ("0", 0),
        ("-0", 0), ("0.1", 10), ("007", 700), ("99999999.99", 9_999_999_999),
    ],
)  # fmt: skip
def test_an_amount_is_exact_cents(text: str, cents: int) -> None:
    assert CENTS[text] == cents
    assert (text in CENTS.unusual) == (text in {"80.", "-0", "007"})


@pytest.mark.parametrize(
    "text",
    [
        "+80", "1,000", "2E1", "1e3", "1.234", "0.001", "", ".", "-", "-.", "--5", "5-", "$5", " 5", "5 ", "1 0",
        "1.2.3", "(5)", "0x10", "1_000", "١٢", "NaN", "100000000", "5\n",
    ],
)  # fmt: skip
def test_anything_else_is_no_amount(text: str) -> None:
    with pytest.raises(NotAnAmount):
        CENTS[text]


@pytest.mark.parametrize("text", ["20002316", "20260229", "260105", "2026-01-05", "00000000", "", "2026010५"])
def test_only_days_of_the_calendar_are_dates(text: str) -> None:
    with pytest.raises(NotADate):
        DAYS[text]


def test_a_period_is_one_day_or_two_and_may_have_a_time() -> None:
    first, last = dt.date(2026, 5, 20), dt.date(2026, 5, 25)

    assert period("D8", "20260520") == (first, first)
    assert period("RD8", "20260520-20260525") == (first, last)
    assert period("DT", "202605251000") == (last, last)
    for form, text in (("RD8", "20260520"), ("D8", "20260520-20260525"), ("", "")):
        with pytest.raises(NotADate):
            period(form, text)


def test_the_tables_of_values_stay_small() -> None:
    for cents in range(_REMEMBERED_MAX + 10):
        assert CENTS[f"{cents // 100}.{cents % 100:02}"] == cents

    assert len(CENTS) <= _REMEMBERED_MAX
