"""Summarize an X12 file: its transactions with their totals, and its faults. No summary contains a patient's data."""

import datetime as dt
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from core.x12.acknowledgment import ClaimStatus
from core.x12.claims import VOID, SentClaim
from core.x12.envelope_records import Closed, Kind, Opened
from core.x12.parties import plain
from core.x12.problems import Fault, FileRefused, Problem, Reach
from core.x12.read import Event, read
from core.x12.remittance import PaidClaim, Payment, ProviderAdjustment

PLACES_MAX: Final = 10  # of one problem


@dataclass(slots=True)
class FoundProblem:
    """Equal faults: their count and their first places."""

    count: int = 0
    places: list[Fault] = field(default_factory=list)

    @property
    def problem(self) -> Problem:
        """Return what is wrong."""
        return self.places[0].problem


@dataclass(slots=True)
class Found:
    """The faults of a file or a transaction by problem, so that a million equal ones hide no others."""

    problems: dict[Problem, FoundProblem] = field(default_factory=dict)
    left_out: int = 0

    def add(self, faults: Iterable[Fault]) -> None:
        """Add faults."""
        for fault in faults:
            found = self.problems.setdefault(fault.problem, FoundProblem())
            found.count += 1
            if len(found.places) < PLACES_MAX:
                found.places.append(fault)

    @property
    def worst_first(self) -> list[FoundProblem]:
        """Return the problems, those that affect most first."""
        return sorted(self.problems.values(), key=lambda found: -found.problem.reach)

    @property
    def reach(self) -> Reach | None:
        """Return the worst consequence."""
        return max((problem.reach for problem in self.problems), default=None)


@dataclass(slots=True)
class Summary:
    """The totals of one transaction. Cents that its kind does not have stay 0."""

    opened: Opened
    found: Found = field(default_factory=Found)
    payment: Payment | None = None
    segments: int = 0
    claims: int = 0
    claims_held: int = 0
    lines: int = 0
    charge_cents: int = 0
    void_cents: int = 0  # of the charges, those of an 837's voids
    line_charge_cents: int = 0
    adjusted_cents: int = 0
    paid_cents: int = 0
    patient_cents: int = 0
    provider_cents: int = 0
    rejected: int = 0
    frequencies: Counter[str] = field(default_factory=Counter)  # of an 837: original, replacement, void
    digest: str = ""

    @property
    def kind(self) -> Kind:
        """Return what the transaction is."""
        return self.opened.kind

    @property
    def day(self) -> dt.date | None:
        """Return the date of the payment, or of the interchange."""
        return self.payment.paid_on if self.payment else self.opened.interchange.date

    @property
    def balances(self) -> bool | None:
        """Return whether the payment equals its claims less the provider adjustments. None if it cannot be known."""
        if (
            self.payment is None
            or {Problem.TRUNCATED, Problem.BAD_TOTAL, Problem.NO_PAYMENT} & self.found.problems.keys()
        ):
            return None
        return Problem.OUT_OF_BALANCE not in self.found.problems

    @property
    def is_refused(self) -> bool:
        """Return whether the transaction cannot be trusted."""
        return self.found.reach is not None and self.found.reach >= Reach.REFUSED

    def add(self, record: Event) -> None:
        """Count one record."""
        if isinstance(record, PaidClaim):
            self._add_paid(record)
        elif isinstance(record, SentClaim):
            self._add_sent(record)
        elif isinstance(record, ClaimStatus):
            self.claims += record.is_claim
            self.rejected += record.is_claim and record.is_rejected
            self._add_faults(record.faults)
        elif isinstance(record, ProviderAdjustment):
            self.provider_cents += record.cents
        elif isinstance(record, Payment):
            self.payment = record

    def leave_out(self, fault: Fault) -> None:
        """Count a claim in which the reader finds no fault, but the import does."""
        self._add_faults([fault])

    def close(self, closed: Closed) -> None:
        """Take what only the end of the transaction shows."""
        self.segments, self.digest = closed.segments, closed.digest
        self.found.add(closed.faults)
        self.found.left_out += closed.faults_left_out

    def _add_paid(self, claim: PaidClaim) -> None:
        self.claims += 1
        self.lines += len(claim.lines)
        self.charge_cents += claim.charge_cents
        self.line_charge_cents += sum(line.charge_cents for line in claim.lines)
        self.adjusted_cents += claim.adjusted_cents + sum(line.adjusted_cents for line in claim.lines)
        self.paid_cents += claim.paid_cents
        self.patient_cents += claim.patient_cents
        self._add_faults(faults_of(claim))

    def _add_sent(self, claim: SentClaim) -> None:
        self.claims += 1
        self.lines += len(claim.lines)
        self.charge_cents += claim.charge_cents
        self.line_charge_cents += sum(line.charge_cents for line in claim.lines)
        self.patient_cents += claim.patient_paid_cents
        self.void_cents += claim.charge_cents if claim.frequency == VOID else 0
        self.frequencies[claim.frequency] += 1
        self._add_faults(faults_of(claim))

    def _add_faults(self, faults: list[Fault]) -> None:
        if faults:
            self.claims_held += any(fault.problem.reach is Reach.CLAIM for fault in faults)
            self.found.add(faults)


@dataclass(slots=True)
class CheckedFile:
    """The transactions of a file in order. If the file is `refused`, they are not to be used."""

    file: str
    transactions: list[Summary] = field(default_factory=list)
    found: Found = field(default_factory=Found)
    refused: Fault | None = None

    @property
    def all_found(self) -> list[Found]:
        """Return the faults outside of transactions, then those of each."""
        return [self.found, *(one.found for one in self.transactions)]

    @property
    def is_usable(self) -> bool:
        """Return whether neither the file nor any of its transactions is refused."""
        return self.refused is None and not any(one.is_refused for one in self.transactions)


def faults_of(claim: PaidClaim | SentClaim) -> list[Fault]:
    """Return the faults of a claim with its number."""
    return [replace(fault, claim=plain(claim.claim_id)) for fault in claim.faults]


def list_faults(path: Path) -> Iterator[Fault]:
    """Yield every fault of a file that `check_file` read to its end. Those of a claim have its number."""
    with path.open("rb") as binary:
        for event in read(binary, path.name):
            if isinstance(event, Fault):
                yield event
            elif isinstance(event, PaidClaim | SentClaim):
                yield from faults_of(event)
            elif isinstance(event, Closed | ClaimStatus):
                yield from event.faults


def check_file(path: Path) -> CheckedFile:
    """Read a file to its end and summarize it."""
    checked = CheckedFile(path.name)
    try:
        with path.open("rb") as binary:
            for event in read(binary, path.name):
                if isinstance(event, Opened):
                    checked.transactions.append(Summary(event))
                elif isinstance(event, Fault):
                    checked.found.add([event])
                elif isinstance(event, Closed):
                    checked.transactions[-1].close(event)
                else:
                    checked.transactions[-1].add(event)
    except FileRefused as refused:
        checked.refused = refused.fault
    return checked
