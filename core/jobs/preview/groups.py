"""What a job writes off for each payer and each billing provider, in one read of its items."""

from collections.abc import Iterable, Sequence
from typing import Any, Final, NamedTuple

from pydantic import BaseModel
from sqlalchemy import ColumnElement, Row, and_, func, select, tuple_
from sqlalchemy.orm import Session

from core.enums.practices import SELF_PAY
from core.jobs.keys import JobKey
from core.jobs.preview import open_balances
from core.models.claims import Claim
from core.models.job_items import JobItem
from core.models.practices import Payer, Provider
from core.practices import names

GROUPS_SHOWN_MAX: Final = 200  # payers or providers shown, by dollars; the others are one group


class Group(BaseModel):
    """What will be written off for one payer or provider."""

    key: str
    name: str
    claims: int
    insurance_cents: int
    patient_cents: int


class GroupRows(NamedTuple):
    """A row for each payer, and one for each provider, by dollars.

    A row has `external_id`, `name`, `payer_class` (None for a provider), the sums of `Group`, the number of
    `patient_claims` with patient cents, and the sums of `open_balances`.
    """

    payers: Sequence[Row[Any]]
    providers: Sequence[Row[Any]]

    def by_payer(self) -> list[Group]:
        """Return the payers to show."""
        return _groups(self.payers)

    def by_provider(self) -> list[Group]:
        """Return the providers to show."""
        return _groups(self.providers)


def group_rows(session: Session, key: JobKey, picked: ColumnElement[bool]) -> GroupRows:
    """Add up the selected items of the job."""
    payer, provider = Claim.primary_payer_id, Claim.billing_provider_id
    of_item = and_(Claim.practice_id == JobItem.practice_id, Claim.id == JobItem.claim_id)
    summed = (
        select(
            payer.label("payer_id"),
            provider.label("provider_id"),
            (func.grouping(payer) == 1).label("is_of_provider"),
            func.count().label("claims"),
            func.sum(JobItem.insurance_cents).label("insurance_cents"),
            func.sum(JobItem.patient_cents).label("patient_cents"),
            func.count().filter(JobItem.patient_cents > 0).label("patient_claims"),
            *open_balances.columns(),
        )
        .where(*key.of(JobItem), picked, of_item)
        .group_by(func.grouping_sets(tuple_(payer), tuple_(provider)))
        .subquery()
    )
    shown = names.shown_names(session, key.practice_id, Payer, Provider)
    name = func.coalesce(shown.of(Payer), shown.of(Provider))
    rows = session.execute(
        select(
            func.coalesce(Payer.external_id, Provider.external_id).label("external_id"),
            name.label("name"),
            Payer.payer_class,
            summed,
        )
        .select_from(summed)
        .outerjoin(Payer, and_(Payer.practice_id == key.practice_id, Payer.id == summed.c.payer_id))
        .outerjoin(Provider, and_(Provider.practice_id == key.practice_id, Provider.id == summed.c.provider_id))
        .order_by((summed.c.insurance_cents + summed.c.patient_cents).desc(), name)
    ).all()
    return GroupRows(
        payers=[row for row in rows if not row.is_of_provider], providers=[row for row in rows if row.is_of_provider]
    )


def _groups(rows: Iterable[Row[Any]]) -> list[Group]:
    found = [
        Group(
            key=row.external_id or "",
            name=row.name or SELF_PAY,
            claims=row.claims,
            insurance_cents=row.insurance_cents,
            patient_cents=row.patient_cents,
        )
        for row in rows
    ]
    shown, rest = found[:GROUPS_SHOWN_MAX], found[GROUPS_SHOWN_MAX:]
    if rest:
        shown.append(
            Group(
                key="",
                name=f"{len(rest)} others",
                claims=sum(group.claims for group in rest),
                insurance_cents=sum(group.insurance_cents for group in rest),
                patient_cents=sum(group.patient_cents for group in rest),
            )
        )
    return shown
