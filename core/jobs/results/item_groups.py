"""A list of a job's claims may show only one payer's or one provider's, such as those behind a number of its totals."""

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from sqlalchemy import ColumnElement, and_, exists, select
from sqlalchemy.orm import Session

from core.enums.practices import SELF_PAY
from core.models.claims import Claim
from core.models.job_items import JobItem
from core.models.practices import Payer, Provider
from core.practices import names

_TABLES: Final[Mapping[str, tuple[Any, Any]]] = {
    "payer": (Payer, Claim.primary_payer_id),
    "provider": (Provider, Claim.billing_provider_id),
}
_NONE: Final = {"payer": SELF_PAY, "provider": "No provider"}


class ItemGroup(NamedTuple):
    """The claims of one payer or provider. Without one, all claims."""

    args: dict[str, str]  # of a query
    words: str
    where: ColumnElement[bool] | None


ALL_CLAIMS: Final = ItemGroup({}, "", None)


def of_query(db: Session, practice_id: int, query: Mapping[str, str]) -> ItemGroup:
    """Return the group in a query: `payer` or `provider` with the practice's own id, or empty for claims without."""
    for kind, (table, column) in _TABLES.items():
        if kind in query:
            external_id = query[kind]
            of_item = and_(Claim.practice_id == JobItem.practice_id, Claim.id == JobItem.claim_id)
            this = (table.practice_id == practice_id, table.external_id == external_id)
            wanted = column.in_(select(table.id).where(*this)) if external_id else column.is_(None)
            named = select(names.display_name(db, practice_id, table)).where(*this)
            words = (db.scalar(named) or external_id) if external_id else _NONE[kind]
            return ItemGroup({kind: external_id}, words, exists().where(of_item, wanted))
    return ALL_CLAIMS
