"""Read amounts as practice-management systems write them: $1,234.56, (12.34), 12.34-, 12.34 CR."""

import re
from collections.abc import Iterable
from decimal import Decimal
from typing import Final

from core.intake.parsing import spreadsheet
from core.intake.parsing.characters import explain_unplain_character
from core.intake.parsing.fields import BadField, SpreadsheetDamage
from core.intake.parsing.spreadsheet import SAVED_BY_SPREADSHEET

_NUMBER: Final = r"(?P<number>(\d{1,3}(,\d{3})+|\d{1,9})(\.\d+)?|\.\d+)"
_AMOUNT: Final = re.compile(
    rf"(?P<first>[-+])?\s*\$?\s*(?P<second>[-+])?\s*(?P<open>\()?\s*\$?\s*{_NUMBER}\s*(?P<close>\))?\s*(?P<last>-|CR|DR)?",
    re.ASCII | re.IGNORECASE,
)
_PLAIN: Final = re.compile(r"-?\d{1,9}\.\d\d", re.ASCII)  # most amounts, read faster
_ACCOUNTING_ZERO: Final = re.compile(r"\$\s*-")  # as Excel's Accounting format shows 0.00
_DIGITS_MAX: Final = 9  # before the decimal point
_DECIMALS_MAX: Final = 2
# A workbook stores 1234.56 as a binary fraction. A remainder smaller than this is a rounding error, never money.
_BINARY_RESIDUE: Final = Decimal("0.00000001")
_CENT: Final = Decimal("0.01")


def read_amount(field: str, *, credit_words: bool = False) -> int:
    """Read an amount in any of these forms. Return signed cents. Raise `BadField` with the fix.

    `credit_words` allows CR (negative) and DR (positive) after the amount.
    """
    if _PLAIN.fullmatch(field):
        return int(field.replace(".", ""))
    text = field.replace("\u00a0", " ").strip()
    if _ACCOUNTING_ZERO.fullmatch(text):
        return 0
    found = _AMOUNT.fullmatch(text)
    if found is None or (found["open"] is None) != (found["close"] is None):
        raise _explain(text)
    signs = [sign for sign in (found["first"], found["second"], found["open"], found["last"]) if sign]
    if len(signs) > 1:
        raise BadField("the amount has two signs; write only one")
    sign = signs[0].upper() if signs else "+"
    if sign in ("CR", "DR") and not credit_words:
        raise BadField(
            f'the mapping does not say what {sign} means; check "CR after an amount marks a credit" in the mapping '
            f"(credit_words in a mapping file), or remove {sign} from the file"
        )
    whole, _, decimals = found["number"].replace(",", "").partition(".")
    if len(decimals) > _DECIMALS_MAX:
        raise BadField("the amount has more than two decimals, and an import never rounds; write two decimals")
    if len(whole) > _DIGITS_MAX:
        raise BadField("the amount has more than nine digits before the decimal point")
    cents = int(whole or 0) * 100 + int(decimals.ljust(_DECIMALS_MAX, "0"))
    return -cents if sign in ("-", "(", "CR") else cents


def cents_or_none(value: str) -> int | None:
    """Return the cents of an amount in any of these forms, or None."""
    try:
        return read_amount(value, credit_words=True)
    except BadField:
        return None


def surplus_below_zero(values: Iterable[str]) -> int:
    """Return how many more of the amounts are below zero than above."""
    return sum((cents < 0) - (cents > 0) for cents in map(cents_or_none, values) if cents)


def _explain(text: str) -> BadField:
    if spreadsheet.is_scientific(text):
        return SpreadsheetDamage(f"the amount is in scientific notation, and cents may be lost; {SAVED_BY_SPREADSHEET}")
    return BadField(
        explain_unplain_character(text) or "write dollars and cents, such as 1234.56, $1,234.56, (12.34) or 12.34-"
    )


def number_text(value: object) -> str:
    """Return a number in a workbook as text: the 15 digits that Excel keeps, without a binary rounding error."""
    number = Decimal(f"{value:.15g}")
    rounded = number.quantize(_CENT) if abs(number) < Decimal(10) ** 15 else number
    exact = rounded if abs(number - rounded) < _BINARY_RESIDUE else number
    return format(exact.normalize(), "f") if abs(exact) < Decimal(10) ** 15 else f"{value:.15g}"
