"""What a file gives when it is read."""

import io
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from core.x12.acknowledgment import ClaimStatus
from core.x12.claims import SentClaim
from core.x12.envelope_records import Closed, Opened
from core.x12.problems import Fault, FileRefused, Problem
from core.x12.read import read
from core.x12.remittance import PaidClaim, Payment, ProviderAdjustment


@dataclass
class Seen:
    """The events of a file, by type."""

    opened: list[Opened] = field(default_factory=list)
    closed: list[Closed] = field(default_factory=list)
    payments: list[Payment] = field(default_factory=list)
    paid: list[PaidClaim] = field(default_factory=list)
    provider: list[ProviderAdjustment] = field(default_factory=list)
    sent: list[SentClaim] = field(default_factory=list)
    statuses: list[ClaimStatus] = field(default_factory=list)
    outside: list[Fault] = field(default_factory=list)
    refused: Fault | None = None

    @property
    def faults(self) -> list[Fault]:
        """Every fault of the file."""
        of_claims = [fault for claim in (*self.paid, *self.sent, *self.statuses) for fault in claim.faults]
        of_transactions = [fault for one in self.closed for fault in one.faults]
        return [*self.outside, *of_transactions, *of_claims, *([self.refused] if self.refused else [])]

    @property
    def problems(self) -> list[Problem]:
        """What is wrong, in the order of `faults`."""
        return [fault.problem for fault in self.faults]

    @property
    def used(self) -> list[Closed]:
        """The transactions that are not refused."""
        return [one for one in self.closed if not one.is_refused]


def see(binary: BinaryIO, file: str = "era.835") -> Seen:
    """Read a file to its end, or to where it is refused."""
    seen = Seen()
    lists = {
        Opened: seen.opened, Closed: seen.closed, Payment: seen.payments, PaidClaim: seen.paid, SentClaim: seen.sent,
        ProviderAdjustment: seen.provider, ClaimStatus: seen.statuses, Fault: seen.outside,
    }  # fmt: skip
    try:
        for event in read(binary, file):
            lists[type(event)].append(event)  # type: ignore[attr-defined]
    except FileRefused as refused:
        seen.refused = refused.fault
    return seen


def see_text(text: str) -> Seen:
    """Read a text as a file."""
    return see(io.BytesIO(text.encode("latin-1")))


def see_path(path: Path) -> Seen:
    """Read a file."""
    with path.open("rb") as binary:
        return see(binary, path.name)
