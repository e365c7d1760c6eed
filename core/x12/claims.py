"""The records of an 837: a claim with its provider, its payers in order, its patient and its lines."""

import datetime as dt
from dataclasses import dataclass, field
from typing import Final

from core.x12.adjustments import Adjustment
from core.x12.parties import Party, Reference
from core.x12.problems import Fault

Period = tuple[dt.date, dt.date]  # the first and the last day
ORIGINAL: Final = "1"
REPLACEMENT: Final = "7"
VOID: Final = "8"
_PAYER_CLAIM_ID: Final = "F8"
_LINE_CONTROL: Final = "6R"
_PATIENT_PAID: Final = "F5"


@dataclass(slots=True)
class Coverage:
    """A payer of a claim, and its subscriber. `order` is P for primary, S for secondary, T for tertiary."""

    order: str
    relationship: str = ""  # of the patient to the subscriber; 18 if the patient is the subscriber
    filing: str = ""  # the kind of plan, such as MB for Medicare Part B
    subscriber: Party | None = None
    payer: Party | None = None
    adjustments: list[Adjustment] = field(default_factory=list)
    references: list[Reference] = field(default_factory=list)
    dates: dict[str, Period] = field(default_factory=dict)
    amounts: dict[str, int] = field(default_factory=dict)


@dataclass(slots=True)
class LinePayment:
    """What another payer paid for a line before: an SVD segment."""

    payer_id: str
    paid_cents: int
    adjustments: list[Adjustment] = field(default_factory=list)
    references: list[Reference] = field(default_factory=list)
    dates: dict[str, Period] = field(default_factory=dict)
    amounts: dict[str, int] = field(default_factory=dict)


@dataclass(slots=True)
class SentLine:
    """A service line: an SV1 or SV2 segment."""

    segment: int
    number: str  # LX01
    code: tuple[str, ...]  # qualifier, code and modifiers
    revenue_code: str
    charge_cents: int
    units: str
    payments: list[LinePayment] = field(default_factory=list)
    adjustments: list[Adjustment] = field(default_factory=list)
    references: list[Reference] = field(default_factory=list)
    dates: dict[str, Period] = field(default_factory=dict)
    amounts: dict[str, int] = field(default_factory=dict)

    @property
    def control_number(self) -> str:
        """Return the number that the payer must return with the line (REF*6R), or nothing."""
        return _find(self.references, _LINE_CONTROL)


@dataclass(slots=True)
class SentClaim:
    """A CLM segment and everything that belongs to the claim, including the loops above it."""

    segment: int
    claim_id: str  # CLM01
    charge_cents: int
    frequency: str  # 1 original, 7 replacement, 8 void
    provider: Party | None  # billing provider
    patient: Party | None  # if the patient is not the subscriber
    patient_relationship: str
    coverages: list[Coverage]  # the payer that this claim goes to, then the others
    lines: list[SentLine] = field(default_factory=list)
    parties: dict[str, Party] = field(default_factory=dict)
    adjustments: list[Adjustment] = field(default_factory=list)
    references: list[Reference] = field(default_factory=list)
    dates: dict[str, Period] = field(default_factory=dict)
    amounts: dict[str, int] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)

    @property
    def replaced_claim_id(self) -> str:
        """Return the payer's number of the claim that this one replaces or voids (REF*F8), or nothing."""
        return _find(self.references, _PAYER_CLAIM_ID)

    @property
    def patient_paid_cents(self) -> int:
        """Return what the patient has paid (AMT*F5)."""
        return self.amounts.get(_PATIENT_PAID, 0)


def _find(references: list[Reference], kind: str) -> str:
    return next((value for found, value in references if found == kind), "")
