"""The records of a 277CA: whether a clearinghouse or a payer took a claim. A rejected claim never gets an 835."""

import datetime as dt
from dataclasses import dataclass, field
from typing import Final

from core.x12.parties import Party, Reference
from core.x12.problems import Fault

_REJECTED: Final = frozenset(("A3", "A6", "A7", "A8"))
_PAYER_CLAIM_ID: Final = "1K"
_CLAIM_LEVEL: Final = "22"


@dataclass(slots=True)
class Status:
    """One STC segment. `codes` has up to three triples of category, status and entity."""

    codes: list[tuple[str, ...]]
    day: dt.date | None
    action: str  # WQ accepted, U rejected
    charge_cents: int


@dataclass(slots=True)
class ClaimStatus:
    """The status of one claim, or at a higher `level`, of everything that one provider or sender sent."""

    segment: int
    level: str  # HL03: 20 source, 21 receiver, 19 provider, 22 claim
    trace: str = ""  # TRN02; at the claim level, our claim number
    statuses: list[Status] = field(default_factory=list)
    parties: dict[str, Party] = field(default_factory=dict)
    references: list[Reference] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)

    @property
    def is_claim(self) -> bool:
        """Return whether this is one claim."""
        return self.level == _CLAIM_LEVEL

    @property
    def is_rejected(self) -> bool:
        """Return whether any status rejects it."""
        return any(code[0] in _REJECTED for status in self.statuses for code in status.codes)

    @property
    def payer_claim_id(self) -> str:
        """Return the payer's number (REF*1K), or nothing."""
        return next((value for kind, value in self.references if kind == _PAYER_CLAIM_ID), "")
