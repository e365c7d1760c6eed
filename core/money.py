"""Exact integer cents. No float anywhere; what was formatted for people is never parsed back."""

import re
from decimal import Decimal

from core.errors import BadInput

CENTS_MAX = 999_999_999_99  # a hundred times the largest claim ever; far inside bigint even when a million are added

UNLIMITED_WORD = "unlimited"
UNLIMITED = 2**63 - 1  # a limit is never empty: "unlimited" is a word that somebody chose, and this number keeps it

_PLAIN_AMOUNT = re.compile(r"-?\d{1,9}(\.\d{1,2})?", re.ASCII)


class BadAmount(BadInput):
    """An amount is written in dollars and cents, such as 1234.56: digits, at most two of them after the point."""

    code = "bad_amount"


class BadLimitAmount(BadInput):
    """Type an amount, or the word unlimited."""

    code = "bad_limit_amount"


def format_cents(cents: int) -> str:
    """Format for people: 123456 → "$1,234.56", -1500 → "-$15.00"."""
    sign = "-" if cents < 0 else ""
    dollars, rest = divmod(abs(cents), 100)
    return f"{sign}${dollars:,}.{rest:02d}"


def plain_cents(cents: int) -> str:
    """Format for files: 123456 → "1234.56", -5 → "-0.05"."""
    sign = "-" if cents < 0 else ""
    dollars, rest = divmod(abs(cents), 100)
    return f"{sign}{dollars}.{rest:02d}"


def parse_amount(text: str) -> int:
    """Read dollars as people type them into a field; give cents.

    A leading "$" and thousands commas in their right places are what people paste, so both are read.
    Raises `BadAmount` for anything else: a third decimal, NaN, exponents, blanks inside.
    """
    bare = text.strip().replace("$", "", 1)
    if re.fullmatch(r"-?\d{1,3}(,\d{3})+(\.\d{1,2})?", bare):
        bare = bare.replace(",", "")
    return parse_plain_amount(bare)


def parse_plain_amount(text: str) -> int:
    """Read an amount of a file, "1234.56" or "-0.05", strictly; give cents. Raises `BadAmount`."""
    if not _PLAIN_AMOUNT.fullmatch(text):
        raise BadAmount
    return int(Decimal(text).scaleb(2))


def parse_limit(text: str) -> int:
    """Read a limit as people type it: dollars, or the word; give cents, or `UNLIMITED`.

    Raises `BadLimitAmount` for an empty field too: unlimited is never what nobody said.
    """
    if text.strip().lower() == UNLIMITED_WORD:
        return UNLIMITED
    try:
        return checked_limit(parse_amount(text))
    except BadAmount:
        raise BadLimitAmount from None


def checked_limit(cents: int) -> int:
    """`cents` where they can be a limit; raises `BadLimitAmount`."""
    if cents != UNLIMITED and not 0 <= cents <= CENTS_MAX:
        raise BadLimitAmount
    return cents


def format_limit(cents: int) -> str:
    """Format a limit for people: 123456 → "$1,234.56", or "unlimited"."""
    return UNLIMITED_WORD if cents >= UNLIMITED else format_cents(cents)


def plain_limit(cents: int) -> int | str:
    """A limit for programs: cents, or "unlimited"."""
    return UNLIMITED_WORD if cents >= UNLIMITED else cents
