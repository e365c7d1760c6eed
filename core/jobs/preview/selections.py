"""The claims that a request selects, as SQL, and a refusal for claims that do not exist."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, Select, Text, and_, cast, func, select, true
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Session

from core.claims import feed
from core.claims.filters import ClaimFilter
from core.errors import BadInput
from core.jobs.preview.job_request import Chosen, Matching, Selection
from core.models.claims import Claim
from core.policy.terms import Terms

NAMED_MAX = 5


class UnknownClaim(BadInput):
    """A selected claim does not exist in this practice."""

    code = "unknown_claim"


class NothingSelected(BadInput):
    """No claim matches. Change the filter or the selection."""

    code = "nothing_selected"


def condition(practice_id: int, selection: Selection, *, terms: Terms) -> ColumnElement[bool]:
    """Return the condition on `claim` that selects the requested claims."""
    if isinstance(selection, Chosen):
        return and_(
            Claim.practice_id == practice_id,
            Claim.external_id.in_(_listed(selection.claim_ids)),
        )
    excluded: ColumnElement[bool] = true()
    if selection.excluded_claim_ids:
        excluded = Claim.external_id.not_in(_listed(selection.excluded_claim_ids))
    if not isinstance(selection, Matching):
        return and_(Claim.practice_id == practice_id, excluded)
    matching = feed.matching_ids(practice_id, ClaimFilter.of(selection.filter), terms=terms)
    return and_(Claim.practice_id == practice_id, Claim.id.in_(matching), excluded)


def count(
    session: Session,
    practice_id: int,
    selection: Selection,
    *,
    terms: Terms,
    at_most: int | None = None,
) -> int:
    """Count the selected claims. With `at_most`, stop counting at one more."""
    picked = select(Claim.id).where(condition(practice_id, selection, terms=terms))
    if at_most is not None:
        picked = picked.limit(at_most + 1)
    return session.scalars(select(func.count()).select_from(picked.subquery())).one()


def check_claim_ids(session: Session, practice_id: int, selection: Selection) -> None:
    """Raise `UnknownClaim` with the first ids that are not in the practice, or `BadFilter` for a bad status."""
    if isinstance(selection, Matching):
        feed.check_known_values(session, practice_id, ClaimFilter.of(selection.filter))
    named = selection.claim_ids if isinstance(selection, Chosen) else selection.excluded_claim_ids
    if not named:
        return
    listed = func.unnest(_array(named)).table_valued("external_id").render_derived()
    known = select(Claim.id).where(Claim.practice_id == practice_id, Claim.external_id == listed.c.external_id)
    unknown = session.scalars(select(listed.c.external_id).where(~known.exists()).limit(NAMED_MAX)).all()
    if unknown:
        raise UnknownClaim(
            f"{'Claim' if len(unknown) == 1 else 'Claims'} not found in this practice: {', '.join(unknown)}",
            claim_ids=list(unknown),
        )


def _array(external_ids: Sequence[str]) -> Any:
    return cast(list(external_ids), ARRAY(Text))


def _listed(external_ids: Sequence[str]) -> Select[tuple[str]]:
    """Return the ids as a relation, so that 200,000 of them are one parameter and one hash."""
    listed = func.unnest(_array(external_ids)).table_valued("external_id").render_derived()
    return select(listed.c.external_id)
