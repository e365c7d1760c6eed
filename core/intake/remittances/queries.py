"""Read remittances for pages, the API and commands: the list, one remittance, a list of answers, a claim's answers."""

import datetime as dt
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any, Final

from sqlalchemy import Select, and_, case, func, select
from sqlalchemy.orm import Session

from core import paging
from core.db.sums import sum_cents
from core.enums.ledger import PaidBy
from core.enums.remittances import Outcome
from core.errors import NotFound
from core.intake.remittances import reasons
from core.intake.remittances.answers import AnswerLine
from core.intake.remittances.reasons import Finding, Why
from core.intake.remittances.stored import line_of
from core.models.claims import Claim
from core.models.people import User
from core.models.remittances import ProviderAdjustment, Remittance, RemittanceClaim, RemittanceLine

PAGE_ROWS: Final = 100
_READABLE: Final = {
    name: case((~RemittanceClaim.unreadable.contains([element]), getattr(RemittanceClaim, name)))
    for name, element in (("charge_cents", "CLP03"), ("paid_cents", "CLP04"), ("patient_cents", "CLP05"))
}
_UNMATCHED: Final = frozenset({"line_unmatched", "unsent_line_paid"})


@dataclass(frozen=True)
class RemittanceRow:
    """A remittance with how many of its answers have each outcome."""

    remittance: Remittance
    outcomes: dict[Outcome, int]

    @property
    def why(self) -> list[Why]:
        """Return what is wrong with the whole remittance, what holds it first."""
        found = [Finding(*one) for one in self.remittance.faults]
        explain = reasons.explain if self.is_held else reasons.explain_decided
        return explain([*reasons.of_whole(found), *reasons.warnings(found)], found)

    @property
    def is_held(self) -> bool:
        """Return whether the remittance as a whole was held, and an answer still is."""
        return bool(self.remittance.held_because and self.outcomes.get(Outcome.HELD))


@dataclass(frozen=True)
class AnswerRow:
    """A payer's answer on a claim, with the payer, trace number and payment date of its remittance."""

    remittance_id: int
    ordinal: int
    claim_number: str  # as the payer returned it
    claim: str | None  # the practice's claim
    patient_name: str = field(repr=False)  # as the payer wrote it, like the next ones
    member_id: str
    status: str
    payer_claim_id: str
    role: PaidBy | None
    charge_cents: int | None  # None: unreadable
    paid_cents: int | None
    patient_cents: int | None
    first_on: dt.date | None
    last_on: dt.date | None
    outcome: Outcome
    reasons: list[str]
    posted_at: dt.datetime | None
    decided_by: str | None  # the person's name
    note: str | None
    unreadable: list[str]  # elements such as CLP04
    payer: str
    trace: str
    paid_on: dt.date | None

    @property
    def has_unmatched_line(self) -> bool:
        """Return whether the lines were compared with the claim's, and one was not found."""
        return not _UNMATCHED.isdisjoint(self.reasons)


@dataclass(frozen=True)
class AnswersPage:
    """Some answers of a remittance. The next page begins after one place, and the previous page ends before one."""

    rows: list[AnswerRow]
    before: int | None
    after: int | None


@dataclass(frozen=True)
class ClaimAnswer:
    """An answer on one claim, with its lines. Ordinal 0 is the claim level."""

    answer: AnswerRow
    lines: list[AnswerLine]


def list_remittances(
    session: Session, practice_id: int, *, before: int | None = None, limit: int = PAGE_ROWS
) -> tuple[list[RemittanceRow], int | None]:
    """Return a page of remittances, newest first, and the id to continue before, or None."""
    found = select(Remittance).where(Remittance.practice_id == practice_id)
    found = found if before is None else found.where(Remittance.id < before)
    rows, last = paging.cut(session.scalars(found.order_by(Remittance.id.desc()).limit(limit + 1)).all(), limit)
    counts = _outcomes(session, practice_id, [row.id for row in rows])
    return [RemittanceRow(row, counts.get(row.id, {})) for row in rows], last.id if last else None


def find_remittance(session: Session, practice_id: int, remittance_id: int) -> RemittanceRow:
    """Return one remittance. Raise `NotFound`."""
    row = session.get(Remittance, (practice_id, remittance_id))
    if row is None:
        raise NotFound(f"There is no remittance {remittance_id} in this practice.")
    return RemittanceRow(row, _outcomes(session, practice_id, [row.id]).get(row.id, {}))


def list_provider_adjustments(session: Session, practice_id: int, remittance_id: int) -> list[ProviderAdjustment]:
    """Return the provider adjustments of a remittance. Positive cents lower the payment."""
    of_remittance = (
        ProviderAdjustment.practice_id == practice_id, ProviderAdjustment.remittance_id == remittance_id
    )  # fmt: skip
    return list(session.scalars(select(ProviderAdjustment).where(*of_remittance).order_by(ProviderAdjustment.ordinal)))


def list_answers(
    session: Session,
    practice_id: int,
    *,
    outcomes: Collection[Outcome] = tuple(Outcome),
    remittance_id: int | None = None,
    after: tuple[int, int] | None = None,
    limit: int = PAGE_ROWS,
) -> tuple[list[AnswerRow], tuple[int, int] | None]:
    """Return a page of answers with these outcomes, newest remittance first, and where to continue."""
    found = _answers(practice_id).where(RemittanceClaim.outcome.in_(outcomes))
    if remittance_id is not None:
        found = found.where(RemittanceClaim.remittance_id == remittance_id)
    if after is not None:
        later = and_(RemittanceClaim.remittance_id == after[0], RemittanceClaim.ordinal > after[1])
        found = found.where((RemittanceClaim.remittance_id < after[0]) | later)
    ordered = found.order_by(RemittanceClaim.remittance_id.desc(), RemittanceClaim.ordinal).limit(limit + 1)
    rows, last = paging.cut([AnswerRow(*row) for row in session.execute(ordered)], limit)
    return rows, (last.remittance_id, last.ordinal) if last else None


def sum_held(session: Session, practice_id: int) -> tuple[int, int]:
    """Return the number of all held answers, and the sum of their readable payments (CLP04) in cents."""
    held = (RemittanceClaim.practice_id == practice_id, RemittanceClaim.outcome == Outcome.HELD)
    count, cents = session.execute(select(func.count(), sum_cents(_READABLE["paid_cents"])).where(*held)).one()
    return count, cents


def page_of_answers(
    session: Session,
    practice_id: int,
    remittance_id: int,
    outcome: Outcome,
    *,
    after: int | None = None,
    before: int | None = None,
    limit: int = PAGE_ROWS,
) -> AnswersPage:
    """Return the answers of a remittance with this outcome after or before one, by their places."""
    if before is None:
        start = (remittance_id, after) if after else None
        rows, last = list_answers(
            session, practice_id, outcomes=[outcome], remittance_id=remittance_id, after=start, limit=limit
        )
        return AnswersPage(rows, rows[0].ordinal if after and rows else None, last[1] if last else None)
    earlier = _answers(practice_id).where(
        RemittanceClaim.remittance_id == remittance_id, RemittanceClaim.outcome == outcome,
        RemittanceClaim.ordinal < before,
    )  # fmt: skip
    ordered = earlier.order_by(RemittanceClaim.ordinal.desc()).limit(limit + 1)
    rows, last_row = paging.cut([AnswerRow(*row) for row in session.execute(ordered)], limit)
    rows.reverse()
    return AnswersPage(rows, last_row.ordinal if last_row else None, rows[-1].ordinal if rows else None)


def find_answer(session: Session, practice_id: int, remittance_id: int, ordinal: int) -> AnswerRow:
    """Return one answer. Raise `NotFound`."""
    of_answer = (RemittanceClaim.remittance_id == remittance_id, RemittanceClaim.ordinal == ordinal)
    row = session.execute(_answers(practice_id).where(*of_answer)).one_or_none()
    if row is None:
        raise NotFound(f"Remittance {remittance_id} has no claim {ordinal}.")
    return AnswerRow(*row)


def list_lines(session: Session, practice_id: int, remittance_id: int, ordinal: int) -> list[AnswerLine]:
    """Return the lines of one answer. Ordinal 0 is the claim level."""
    of_answer = (
        RemittanceLine.practice_id == practice_id, RemittanceLine.remittance_id == remittance_id,
        RemittanceLine.claim_ordinal == ordinal,
    )  # fmt: skip
    return list(
        map(line_of, session.scalars(select(RemittanceLine).where(*of_answer).order_by(RemittanceLine.ordinal)))
    )


def list_answers_on_claim(session: Session, practice_id: int, claim_id: int) -> list[ClaimAnswer]:
    """Return the answers on a claim (internal id) in the order in which they came, line by line."""
    found = _answers(practice_id).where(RemittanceClaim.claim_id == claim_id)
    rows = session.execute(found.order_by(RemittanceClaim.remittance_id, RemittanceClaim.ordinal)).all()
    answers = [AnswerRow(*row) for row in rows]
    return [ClaimAnswer(one, list_lines(session, practice_id, one.remittance_id, one.ordinal)) for one in answers]


def _outcomes(session: Session, practice_id: int, remittance_ids: Collection[int]) -> dict[int, dict[Outcome, int]]:
    key = (RemittanceClaim.remittance_id, RemittanceClaim.outcome)
    counted = select(*key, func.count()).where(
        RemittanceClaim.practice_id == practice_id, RemittanceClaim.remittance_id.in_(remittance_ids)
    )
    found: dict[int, dict[Outcome, int]] = {}
    for remittance_id, outcome, count in session.execute(counted.group_by(*key)):
        found.setdefault(remittance_id, {})[outcome] = count
    return found


def _answers(practice_id: int) -> Select[*tuple[Any, ...]]:
    of_claim = and_(Claim.practice_id == RemittanceClaim.practice_id, Claim.id == RemittanceClaim.claim_id)
    of_remittance = and_(
        Remittance.practice_id == RemittanceClaim.practice_id, Remittance.id == RemittanceClaim.remittance_id
    )
    by = and_(User.practice_id == RemittanceClaim.practice_id, User.id == RemittanceClaim.decided_by)
    return (
        select(
            RemittanceClaim.remittance_id, RemittanceClaim.ordinal, RemittanceClaim.claim_number, Claim.external_id,
            RemittanceClaim.patient_name, RemittanceClaim.member_id, RemittanceClaim.status,
            RemittanceClaim.payer_claim_id, RemittanceClaim.payer_role,
            *_READABLE.values(),
            RemittanceClaim.first_on, RemittanceClaim.last_on, RemittanceClaim.outcome, RemittanceClaim.reasons,
            RemittanceClaim.posted_at, User.name, RemittanceClaim.note, RemittanceClaim.unreadable,
            Remittance.payer_name, Remittance.trace, Remittance.paid_on,
        )
        .select_from(RemittanceClaim)
        .join(Remittance, of_remittance)
        .outerjoin(Claim, of_claim)
        .outerjoin(User, by)
        .where(RemittanceClaim.practice_id == practice_id)
    )  # fmt: skip
