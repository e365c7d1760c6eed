"""A payer's answer on one claim, as it is decided and stored. Its printed form has no name of a person."""

import datetime as dt
from dataclasses import dataclass, field
from typing import Final

from core.intake.remittances.reasons import Finding
from core.x12.adjustments import Adjustment
from core.x12.parties import full_name
from core.x12.remittance import PaidClaim, PaidLine

_CLAIM_DATES: Final = ("232", "233")  # of service; 050 is the date of receipt
_LINE_START, _LINE_DATES = ("472", "150"), ("472", "150", "151")
_MODIFIERS: Final = slice(2, 6)


@dataclass(slots=True)
class GivenAdjustment:
    """One reason of a CAS segment, and what was done with it."""

    group: str
    reason: str
    cents: int  # positive lowers the payment
    action: str = ""
    is_unreadable: bool = False  # the amount is not known, and counts as 0
    held_because: str = ""  # the code of why it holds the answer; `action` is what a user accepts

    @property
    def known_cents(self) -> int | None:
        """Return the amount, or None if it cannot be read."""
        return None if self.is_unreadable else self.cents


@dataclass(slots=True)
class AnswerLine:
    """A service line of an answer, or its claim level (ordinal 0)."""

    ordinal: int
    code: str = ""
    modifiers: tuple[str, ...] = ()
    submitted_code: str = ""
    submitted_modifiers: tuple[str, ...] = ()
    charge_cents: int = 0
    paid_cents: int = 0
    control_number: str = ""
    service_on: dt.date | None = None
    adjustments: list[GivenAdjustment] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    line: int | None = None  # the practice's line
    unreadable: list[str] = field(default_factory=list)  # elements with an amount that cannot be read

    @property
    def billed_code(self) -> str:
        """Return the code that was billed."""
        return self.submitted_code or self.code

    @property
    def billed_modifiers(self) -> tuple[str, ...]:
        """Return the modifiers that were billed."""
        return self.submitted_modifiers if self.submitted_code else self.modifiers

    @property
    def is_empty(self) -> bool:
        """Return whether no amount is on the line."""
        return not (self.charge_cents or self.paid_cents or any(one.cents for one in self.adjustments))


@dataclass(slots=True)
class Answer:
    """A CLP segment with everything that decides money."""

    ordinal: int  # in the remittance, from 1
    claim_number: str
    status: str
    payer_claim_id: str
    patient_name: str = field(repr=False)
    member_id: str
    charge_cents: int
    paid_cents: int
    patient_cents: int
    first_on: dt.date | None
    last_on: dt.date | None
    has_next_payer: bool
    faults: list[Finding]  # what the reader found wrong
    whole: AnswerLine  # the claim level
    lines: list[AnswerLine]
    unreadable: list[str] = field(default_factory=list)  # elements of CLP with an amount that cannot be read

    @property
    def adjustments(self) -> list[GivenAdjustment]:
        """Return all adjustments that are not zero, of the claim level and the lines."""
        return [one for line in (self.whole, *self.lines) for one in line.adjustments if one.cents]

    @property
    def problems(self) -> list[str]:
        """Return the codes of what the reader found wrong."""
        return list(dict.fromkeys(one.code for one in self.faults))

    @property
    def is_reversal(self) -> bool:
        """Return whether it reverses an earlier answer. Some payers do this without status 22."""
        return self.status == "22" or self.charge_cents < 0 or self.paid_cents < 0


def of_paid_claim(ordinal: int, claim: PaidClaim) -> Answer:
    """Return the answer that a reader's record contains."""
    dates = [day for kind, day in claim.dates.items() if kind in _CLAIM_DATES]
    dates += [day for line in claim.lines for kind, day in line.dates.items() if kind in _LINE_DATES]
    people = [claim.parties[role] for role in ("QC", "IL") if role in claim.parties]
    return Answer(
        ordinal, claim.claim_id, claim.status, claim.payer_claim_id,
        next((full_name(one) for one in people if one.name), ""), next((one.id for one in people if one.id), ""),
        claim.charge_cents, claim.paid_cents, claim.patient_cents, min(dates, default=None), max(dates, default=None),
        "TT" in claim.parties, list(map(Finding.of, claim.faults)),
        AnswerLine(0, adjustments=_given(claim.adjustments), remarks=claim.remarks),
        [_line(place, line, _elements(claim, line.segment)) for place, line in enumerate(claim.lines, 1)],
        _elements(claim, claim.segment),
    )  # fmt: skip


def _elements(claim: PaidClaim, segment: int) -> list[str]:
    return [fault.element for fault in claim.unreadable if fault.segment == segment]


def _line(ordinal: int, line: PaidLine, unreadable: list[str]) -> AnswerLine:
    code, modifiers = _code(line.code)
    submitted = _code(line.submitted_code)
    return AnswerLine(
        ordinal, code, modifiers, *submitted, line.charge_cents, line.paid_cents, line.control_number,
        next((line.dates[kind] for kind in _LINE_START if kind in line.dates), None), _given(line.adjustments),
        line.remarks, unreadable=unreadable,
    )  # fmt: skip


def _code(composite: tuple[str, ...]) -> tuple[str, tuple[str, ...]]:
    """Return the code and its modifiers. Any qualifier before the code is accepted."""
    if len(composite) < 2:  # noqa: PLR2004  no separator, so it is the code alone
        return composite[0] if composite else "", ()
    return composite[1], tuple(filter(None, composite[_MODIFIERS]))


def _given(adjustments: list[Adjustment]) -> list[GivenAdjustment]:
    return [GivenAdjustment(one.group, one.reason, one.cents, is_unreadable=one.is_unreadable) for one in adjustments]
