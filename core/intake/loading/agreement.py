"""Compare the balances of claims after an import with those of its files, so that the office sees what to look into."""

from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from sqlalchemy import Select, and_, exists, func, insert, select
from sqlalchemy.orm import Session

from core.db.sums import sum_cents
from core.intake.loading import stages
from core.intake.loading.balance_reasons import Reason, find_reasons
from core.models.claims import Claim

FIRST_DIFFERENT: Final = 10
_FILE, _SUMS = stages.FILE_BALANCE, stages.LINE_SUM


class DifferentBalance(NamedTuple):
    """A claim whose balance after the import differs from that of the files, in cents."""

    claim_id: str
    file_cents: int
    cents: int
    reasons: tuple[Reason, ...] = ()

    def facts(self) -> dict[str, Any]:
        """Return it as JSON."""
        return {**self._asdict(), "reasons": [one.facts() for one in self.reasons]}


@dataclass(frozen=True)
class Agreement:
    """The A/R of the imported claims, in the files and in Batch Settle, and the claims that differ most."""

    file_cents: int
    cents: int
    different: int  # number of claims
    first: list[DifferentBalance]

    def facts(self) -> dict[str, Any]:
        """Return it as JSON."""
        return {**vars(self), "first": [one.facts() for one in self.first]}


def keep_file_balances(session: Session, practice_id: int) -> None:
    """Keep the files' balances of existing claims. Call it after `sum_lines`, before known rows are deleted.

    A new claim has the balance of its postings, so it can't differ. A claim without postings has a balance of zero. The
    balances of claims that an 837 charged are kept before.
    """
    staged = stages.CLAIM.c.external_id
    sums = (
        select(Claim.id, func.coalesce(func.sum(_SUMS.c.insurance_due + _SUMS.c.patient_due), 0))
        .join_from(stages.CLAIM, Claim, and_(Claim.practice_id == practice_id, Claim.external_id == staged))
        .outerjoin(_SUMS, _SUMS.c.claim_id == staged)
        .where(~exists().where(_FILE.c.claim_id == Claim.id))
        .group_by(Claim.id)
    )
    session.execute(insert(_FILE).from_select(["claim_id", "cents"], sums))


def compare_balances(
    session: Session, practice_id: int, source: str, *, file_cents: int, gives_totals: bool
) -> Agreement:
    """Compare the balances after the import with those of the files, whose A/R total is `file_cents`."""
    here = Claim.insurance_due + Claim.patient_due

    def of_existing(*columns: Any) -> Select[Any]:
        both = select(*columns).select_from(_FILE).join(Claim, Claim.id == _FILE.c.claim_id)
        return both.where(Claim.practice_id == practice_id, here != _FILE.c.cents)

    different, surplus = session.execute(of_existing(func.count(), sum_cents(here - _FILE.c.cents))).one()
    if not different:
        return Agreement(file_cents, file_cents + surplus, 0, [])
    rows = of_existing(Claim.external_id, _FILE.c.cents, here, _FILE.c.reason)
    first = session.execute(rows.order_by(func.abs(here - _FILE.c.cents).desc(), Claim.id).limit(FIRST_DIFFERENT)).all()
    differences = {number: (cents_here - of_file, reason) for number, of_file, cents_here, reason in first}
    reasons = find_reasons(session, practice_id, source, differences, gives_totals=gives_totals)
    listed = [
        DifferentBalance(number, of_file, cents_here, tuple(reasons[number]))
        for number, of_file, cents_here, _ in first
    ]
    return Agreement(file_cents, file_cents + surplus, different, listed)
