"""Amounts and dates in X12 elements. Values repeat, so each distinct text is read once."""

import datetime as dt
import re
from typing import Final

_REMEMBERED_MAX: Final = 16_384  # texts; then the table starts again, so memory does not grow with the file
_AMOUNT: Final = re.compile(r"(-?)(?=\.?[0-9])([0-9]*)\.?([0-9]{0,2})", re.ASCII)
# Money as people write it. The guide leaves out all zeros that change nothing, but hardly any payer does.
_USUAL: Final = re.compile(r"-?(?:0|[1-9][0-9]*)?(?:\.(?:[0-9]{2}|[1-9]))?", re.ASCII)
_DIGITS_MAX: Final = 10  # dollars and cents together
_DAY: Final = re.compile(r"[0-9]{8}", re.ASCII)


class NotAnAmount(Exception):
    """The text is not dollars and cents. It is never repaired: no plus sign, comma, exponent or third decimal."""


class NotADate(Exception):
    """The text is not a date CCYYMMDD."""


class _Cents(dict[str, int]):
    """Cents by the text of an amount: "80", "80.", ".5", "-12.34"."""

    def __init__(self) -> None:
        self.unusual: set[str] = set()  # texts of the table in another form, such as "080.0" or "-0"

    def __missing__(self, text: str) -> int:
        found = _AMOUNT.fullmatch(text)
        if found is None or len(found[2]) + 2 > _DIGITS_MAX:
            raise NotAnAmount
        cents = int(found[1] + (found[2] or "0") + found[3].ljust(2, "0"))
        if len(self) >= _REMEMBERED_MAX:
            self.clear()
            self.unusual.clear()
        self[text] = cents
        if not _USUAL.fullmatch(text) or (not cents and found[1]):
            self.unusual.add(text)
        return cents


class _Days(dict[str, dt.date]):
    """Dates by their text CCYYMMDD."""

    def __missing__(self, text: str) -> dt.date:
        if not _DAY.fullmatch(text):
            raise NotADate
        try:
            day = dt.date(int(text[:4]), int(text[4:6]), int(text[6:]))
        except ValueError:
            raise NotADate from None
        if len(self) >= _REMEMBERED_MAX:
            self.clear()
        self[text] = day
        return day


CENTS: Final = _Cents()
DAYS: Final = _Days()


def period(form: str, text: str) -> tuple[dt.date, dt.date]:
    """Read a DTP period: D8 is a day, RD8 is a range, DT has a time after the day. Raise `NotADate`."""
    if form == "RD8":
        first, _, last = text.partition("-")
        return DAYS[first], DAYS[last]
    day = DAYS[text[:8]] if form == "DT" else DAYS[text]
    return day, day
