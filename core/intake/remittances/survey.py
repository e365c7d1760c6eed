"""Read files once before anything is stored, so that nothing is posted from a transaction that turns out to be bad."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from sqlalchemy import Column, Integer, MetaData, Table, Text, func, select
from sqlalchemy.orm import Session

from core.intake.loading import stages
from core.intake.remittances import reasons
from core.x12.envelope_records import Closed, Kind, Opened
from core.x12.problems import Fault, Problem, Reach
from core.x12.read import Event, read
from core.x12.remittance import PaidClaim, Payment, ProviderAdjustment

# The claim numbers of the files, each with a digest of its patient.
ANSWERED: Final = Table(
    "answered_claim", MetaData(), Column("transaction", Integer), Column("number", Text), Column("patient", Text),
    prefixes=["TEMPORARY"], postgresql_on_commit="DROP",
)  # fmt: skip
_OF_GROUP: Final = (Problem.GROUP_COUNT, Problem.GROUP_CONTROL, Problem.NO_GROUP_END)
_OF_INTERCHANGE: Final = (Problem.INTERCHANGE_COUNT, Problem.INTERCHANGE_CONTROL, Problem.NO_INTERCHANGE_END)


@dataclass
class Transaction:
    """One 835 of a file: its head, its sums and everything that is wrong with it as a whole."""

    path: Path
    ordinal: int  # in the file, from 1
    opened: Opened
    payment: Payment = field(default_factory=Payment)
    claims: int = 0
    claims_cents: int = 0
    provider_cents: int = 0
    digest: str = ""
    is_refused: bool = False
    faults: list[Fault] = field(default_factory=list)

    def codes(self, reach: Reach) -> list[str]:
        """Return the codes of its faults with this reach."""
        found = (fault.problem for fault in self.faults if fault.problem.reach is reach)
        return list(dict.fromkeys(map(reasons.code_of, found)))


def survey(session: Session, files: Sequence[Path]) -> list[Transaction]:
    """Return the 835 transactions of the files, in order. Keep their claim numbers in `ANSWERED`.

    Raise `FileRefused`.
    """
    ANSWERED.drop(session.connection(), checkfirst=True)
    ANSWERED.create(session.connection())
    found: list[Transaction] = []

    def numbers() -> Iterator[tuple[int, str, str]]:
        for path in files:
            yield from _survey(path, found)

    stages.copy_rows(session, ANSWERED, numbers())
    stages.analyze(session, ANSWERED.name)
    return found


def shared_numbers(session: Session, transaction: int) -> set[str]:
    """Return the claim numbers that several patients of one transaction (by its place in the survey) have."""
    number = ANSWERED.c.number
    rows = select(number).where(ANSWERED.c.transaction == transaction).group_by(number)
    patients = func.nullif(ANSWERED.c.patient, "").distinct()  # an answer without a patient contradicts no other
    return set(session.scalars(rows.having(func.count(patients) > 1)))


def _survey(path: Path, found: list[Transaction]) -> Iterator[tuple[int, str, str]]:
    of_file: list[Transaction] = []
    with path.open("rb") as binary:
        for event in read(binary, path.name):
            _take(event, path, of_file)
            if isinstance(event, PaidClaim):
                yield len(found) + len(of_file) - 1, event.claim_id, _patient(event)
    found += of_file


def _take(event: Event, path: Path, of_file: list[Transaction]) -> None:
    match event:
        case Opened(kind=Kind.REMITTANCE):
            of_file.append(Transaction(path, len(of_file) + 1, event))
        case Payment():
            of_file[-1].payment = event
        case PaidClaim():
            of_file[-1].claims += 1
            of_file[-1].claims_cents += event.paid_cents
        case ProviderAdjustment():
            of_file[-1].provider_cents += event.cents
        case Closed(opened=Opened(kind=Kind.REMITTANCE)):
            last = of_file[-1]
            last.digest, last.is_refused = event.digest, event.is_refused
            last.faults += event.faults
        case Fault():
            for transaction in _concerned(event, of_file):
                transaction.faults.append(event)


def _concerned(fault: Fault, of_file: list[Transaction]) -> list[Transaction]:
    """Return the transactions that a fault of the envelope concerns. Text outside of it concerns those before it."""
    last = of_file[-1].opened if of_file else None
    if fault.problem in _OF_GROUP:
        return [one for one in of_file if last and one.opened.group is last.group]
    if fault.problem in _OF_INTERCHANGE:
        return [one for one in of_file if last and one.opened.interchange is last.interchange]
    return of_file


def _patient(claim: PaidClaim) -> str:
    """Return a digest of the patient's id and name, which is never stored, or nothing if no person is named."""
    person = claim.parties.get("QC") or claim.parties.get("IL")
    if person is None:
        return ""
    text = f"{person.id}|{person.name}|{person.first}"
    return hashlib.sha256(text.upper().encode()).hexdigest()[:16]
