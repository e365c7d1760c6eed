"""What an import would do to the A/R, and which claims would then differ from the files and why."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from sqlalchemy import Select, and_, exists, func, insert, select, union_all
from sqlalchemy.orm import Session

from core.db.sums import sum_cents
from core.enums.ledger import PostingKind
from core.intake.loading import stages
from core.intake.loading.agreement import FIRST_DIFFERENT, DifferentBalance
from core.intake.loading.balance_reasons import reasons_before
from core.intake.loading.totals import ControlTotals
from core.ledger.late_forecast import reversals_by
from core.models.claims import Claim
from core.models.ledger import Posting

_FILE: Final = stages.FILE_BALANCE
_MOVED: Final = stages.WRITE_OFF_MOVE


@dataclass(frozen=True)
class Forecast:
    """What an import would do to the A/R, in cents."""

    before_cents: int  # of the existing claims in the files
    new_cents: int  # of new claims and postings
    to_post_cents: int  # of new payments on totals and of corrections, which are posted on request
    file_cents: int
    others_cents: int  # of the practice's claims that are not in the files
    # Write-offs that late postings reverse, less those that others restore. An earlier version did not count them.
    reversed_cents: int = 0
    to_post_reversed_cents: int = 0  # what `to_post_cents` adds to `reversed_cents`
    different: int = 0  # number of claims that would differ from the files, with the corrections
    first: list[DifferentBalance] = field(default_factory=list)  # of these, the largest differences

    @property
    def after_cents(self) -> int:
        """Return the A/R of the claims in the files after the import, with the corrections."""
        posted = self.to_post_cents + self.to_post_reversed_cents
        return self.before_cents + self.new_cents + self.reversed_cents + posted

    def facts(self) -> dict[str, Any]:
        """Return it as JSON."""
        return {**vars(self), "first": [one.facts() for one in self.first]}


def forecast(
    session: Session,
    practice_id: int,
    source: str,
    in_file: ControlTotals,
    new: ControlTotals,
    *,
    to_post_cents: int,
    gives_totals: bool,
) -> Forecast:
    """Return what the checked import would do to the A/R. Call it after `keep_file_balances`."""
    cents, of_practice = Claim.insurance_due + Claim.patient_due, Claim.practice_id == practice_id
    total = session.scalars(select(sum_cents(cents)).where(of_practice)).one()
    in_files = select(func.count(), sum_cents(cents)).join_from(
        _FILE, Claim, and_(of_practice, Claim.id == _FILE.c.claim_id)
    )
    existing, before = session.execute(in_files).one()
    amounts = (before, new.total_cents, to_post_cents, in_file.total_cents, total - before)
    if not existing:
        return Forecast(*amounts)
    stages.analyze(session, stages.POSTING.name, stages.TO_POST.name)  # most rows were deleted, because they are known
    late = _stage_moves(session, practice_id)
    moved = session.scalars(select(sum_cents(_MOVED.c.cents))).one()
    different, first = _different(session, practice_id, source, gives_totals=gives_totals)
    return Forecast(*amounts, late, moved - late, different, first)


def moved_write_off_cents(report: Mapping[str, Any]) -> int:
    """Return the cents of write-offs that a reported import reverses, less those that it restores."""
    done, found = report.get("write_offs") or {}, report.get("forecast") or {}
    forecast_cents = found.get("reversed_cents", 0) + found.get("to_post_reversed_cents", 0)
    return int(forecast_cents or done.get("reversed_cents", 0) - done.get("restored_cents", 0))


def _stage_moves(session: Session, practice_id: int) -> int:
    """Stage the write-offs that the import reverses with the corrections. Return the cents without them."""
    written_off = exists().where(Posting.practice_id == practice_id, Posting.kind == PostingKind.WRITE_OFF)
    if not session.scalar(select(written_off)):
        return 0
    new, more = select(stages.POSTING), select(stages.TO_POST)
    both = union_all(new, more)
    moves = reversals_by(practice_id, both.cte("rows")).subquery("moves")
    rows = select(moves.c.claim, moves.c.cents).where(moves.c.cents != 0)
    session.execute(insert(_MOVED).from_select(["claim", "cents"], rows))
    if not session.scalar(select(exists(more))):
        return session.scalars(select(sum_cents(_MOVED.c.cents))).one()
    alone = reversals_by(practice_id, new.cte("rows")).subquery("alone")
    return session.scalars(select(sum_cents(alone.c.cents))).one()


def _different(
    session: Session, practice_id: int, source: str, *, gives_totals: bool
) -> tuple[int, list[DifferentBalance]]:
    """Return how many claims would differ from the files, and the first of them with the reasons known before."""
    amounts = union_all(
        select(stages.POSTING.c.claim, stages.POSTING.c.amount_cents.label("cents")),
        select(stages.TO_POST.c.claim, stages.TO_POST.c.amount_cents),
        select(_MOVED.c.claim, _MOVED.c.cents),
    ).subquery("amounts")
    change, moved = _by_claim(amounts).cte("change"), _by_claim(_MOVED).cte("moved")
    here = Claim.insurance_due + Claim.patient_due + func.coalesce(change.c.cents, 0)
    reversed_here = func.coalesce(moved.c.cents, 0)
    rows = session.execute(
        select(func.count().over(), Claim.external_id, _FILE.c.cents, here, reversed_here, _FILE.c.reason)
        .join_from(_FILE, Claim, and_(Claim.practice_id == practice_id, Claim.id == _FILE.c.claim_id))
        .outerjoin(change, change.c.claim == Claim.external_id)
        .outerjoin(moved, moved.c.claim == Claim.external_id)
        .where(here != _FILE.c.cents)
        .order_by(func.abs(here - _FILE.c.cents).desc(), Claim.id)
        .limit(FIRST_DIFFERENT)
    ).all()
    if not rows:
        return 0, []
    differences = {row[1]: (row[3] - row[2], row[4], row[5]) for row in rows}
    reasons = reasons_before(session, practice_id, source, differences, gives_totals=gives_totals)
    first = [DifferentBalance(number, of_file, cents, reasons[number]) for _, number, of_file, cents, _, _ in rows]
    return rows[0][0], first


def _by_claim(amounts: Any) -> Select[Any]:
    return select(amounts.c.claim, sum_cents(amounts.c.cents).label("cents")).group_by(amounts.c.claim)
