"""Statements and denials of the sample's claims. They use no random numbers, so each seed gives the same claims."""

import datetime as dt
from typing import Final

from core.enums.claims import BALANCE_DUE, ClaimStatus

# Group and CARC: no authorization, timely filing, not covered, information missing.
_DENIALS: Final = (("CO", "197"), ("CO", "29"), ("PR", "96"), ("CO", "16"))


def statements(today: dt.date, index: int, served: dt.date, status: str) -> tuple[int, dt.date] | tuple[None, None]:
    """Return how many statements the patient got, one a month from the second month on, and when the last was sent."""
    months = min((today - served).days // 30 - 1, 1 + index % 4)
    if status != BALANCE_DUE or months < 1:
        return None, None
    return months, served + dt.timedelta(30 * (months + 1))


def denial(
    today: dt.date, index: int, served: dt.date, primary_status: str
) -> tuple[dt.date, str, str] | tuple[None, None, None]:
    """Return when and why the payer denied the claim, if it did."""
    if primary_status != ClaimStatus.ERA_DENIED.value:
        return None, None, None
    return (min(served + dt.timedelta(30), today), *_DENIALS[index % len(_DENIALS)])
