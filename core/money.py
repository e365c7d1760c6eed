"""Exact integer cents. No floats. Text that was formatted for people is never parsed."""

import re

from core.errors import BadInput

CENTS_MAX = 999_999_999_99  # a hundred times the largest claim ever seen; a million of them still fit in bigint

UNLIMITED_WORD = "unlimited"
UNLIMITED = 2**63 - 1  # stands for the word "unlimited"; a limit is never empty

_PLAIN_AMOUNT = re.compile(r"-?\d{1,9}(\.\d{1,2})?", re.ASCII)


class BadAmount(BadInput):
    """Enter an amount in dollars and cents, such as 1234.56, with at most two digits after the decimal point."""


class BadLimitAmount(BadInput):
    """Enter an amount in dollars and cents, such as 1234.56, or “unlimited”."""


def format_cents(cents: int) -> str:
    """Format for people: 123456 → "$1,234.56", -1500 → "-$15.00"."""
    sign = "-" if cents < 0 else ""
    dollars, rest = divmod(abs(cents), 100)
    return f"{sign}${dollars:,}.{rest:02d}"


def format_plain_amount(cents: int) -> str:
    """Format for files: 123456 → "1234.56", -5 → "-0.05"."""
    sign = "-" if cents < 0 else ""
    dollars, rest = divmod(abs(cents), 100)
    return f"{sign}{dollars}.{rest:02d}"


def parse_amount(text: str) -> int:
    """Read dollars as typed into a field. Return cents.

    A leading "$" and thousands commas in the right places are accepted, because people paste them. Raise `BadAmount`
    for anything else: a third decimal, NaN, exponents, spaces inside.
    """
    bare = text.strip().replace("$", "", 1)
    if re.fullmatch(r"-?\d{1,3}(,\d{3})+(\.\d{1,2})?", bare):
        bare = bare.replace(",", "")
    return parse_plain_amount(bare)


def parse_plain_amount(text: str) -> int:
    """Read an amount from a file, "1234.56" or "-0.05", strictly. Return cents. Raise `BadAmount`."""
    if not _PLAIN_AMOUNT.fullmatch(text):
        raise BadAmount
    whole, _, part = text.partition(".")
    return int(whole + part.ljust(2, "0"))


def parse_limit(text: str) -> int:
    """Read a limit as typed: dollars, or the word "unlimited". Return cents or `UNLIMITED`.

    Raise `BadLimitAmount` for an empty field too, because unlimited must be an explicit choice.
    """
    if text.strip().lower() == UNLIMITED_WORD:
        return UNLIMITED
    try:
        return checked_limit(parse_amount(text))
    except BadAmount:
        raise BadLimitAmount from None


def checked_limit(cents: int) -> int:
    """Return `cents` if it is a valid limit. Raise `BadLimitAmount`."""
    if cents != UNLIMITED and not 0 <= cents <= CENTS_MAX:
        raise BadLimitAmount
    return cents


def format_limit(cents: int) -> str:
    """Format a limit for people: 123456 → "$1,234.56", or "unlimited"."""
    return UNLIMITED_WORD if cents >= UNLIMITED else format_cents(cents)


def limit_as_json(cents: int) -> int | str:
    """Return a limit for programs: cents, or "unlimited"."""
    return UNLIMITED_WORD if cents >= UNLIMITED else cents


def limit_from_json(limit: int | str) -> int:
    """Return in cents what `limit_as_json` made."""
    return UNLIMITED if limit == UNLIMITED_WORD else int(limit)


def format_rate(net_cents: int, charges_cents: int | None) -> str:
    """Return the net as a percentage of the charges with one decimal, or a dash without charges."""
    # Not from the basis points, because rounding twice would show 0.1496% as 0.2%.
    if charges_cents is None or charges_cents <= 0:
        return "–"
    tenths = round_quotient(net_cents * 1_000, charges_cents)
    return f"{'-' if tenths < 0 else ''}{abs(tenths) // 10}.{abs(tenths) % 10}%"


def round_quotient(number: int, by: int) -> int:
    """Return the quotient, exactly, rounded half away from zero."""
    rounded = (2 * abs(number) + by) // (2 * by)
    return -rounded if number < 0 else rounded
