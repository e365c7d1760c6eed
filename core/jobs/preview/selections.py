"""The claims that a request selects, as SQL and in words, and a refusal for claims that do not exist."""

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import ColumnElement, Select, Text, and_, cast, func, select, true
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Session

from core.claims import feed
from core.claims.claim_filter import ClaimFilter
from core.counting import counted
from core.errors import BadInput
from core.jobs.preview.job_request import Chosen, Listed, Matching, Selection
from core.models.claims import Claim
from core.models.jobs import SettleJob
from core.policy.terms import Terms

NAMED_MAX = 5
ORIGIN: Final = "origin"  # a key of a job's selection
NOT_SETTLED_BY: Final = "not_settled_by"  # a key of an origin: the job whose skipped or failed claims these are
NO_NUMBER_FOUND: Final = "None of these claim numbers was found in this practice."


class UnknownClaim(BadInput):
    """A selected claim does not exist in this practice."""


class NothingSelected(BadInput):
    """No claim matches. Change the filter or the selection."""


def condition(practice_id: int, selection: Selection, *, terms: Terms) -> ColumnElement[bool]:
    """Return the condition on `claim` that selects the requested claims."""
    if isinstance(selection, Chosen | Listed):
        named = selection.claim_ids if isinstance(selection, Chosen) else selection.claim_numbers
        return and_(Claim.practice_id == practice_id, Claim.external_id.in_(_listed(named)))
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
    """Raise `UnknownClaim` with the first ids that are not in the practice, or `BadFilter` for a bad status.

    The numbers of a list may be unknown.
    """
    if isinstance(selection, Listed):
        return
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


def origin(job: SettleJob) -> dict[str, Any]:
    """Return the selection of the first preview. A preview of the same claims again selects them by their IDs."""
    first: dict[str, Any] = job.selection.get(ORIGIN, job.selection)
    return first


def describe(job: SettleJob) -> str:
    """Say what the job's request selected, such as "97 claim numbers from a list, 3 not found"."""
    given = origin(job)
    numbers, claims, filtered = (given.get(key) for key in ("claim_numbers", "claim_ids", "filter"))
    if numbers is not None:
        words = f"{counted(_size(numbers), 'claim number')} from a list"
        missing = _size(numbers) - job.claims_total if job.claims_total is not None else 0
        return f"{words}, {missing:,} not found" if missing else words
    if NOT_SETTLED_BY in given and claims is not None:
        return f"{counted(_size(claims), 'claim')} that job {given[NOT_SETTLED_BY]:,} skipped or failed to change"
    if claims is not None:
        return f"{counted(_size(claims), 'claim')}, selected by hand"
    if job.reverses_job_id:
        return f"all claims that job {job.reverses_job_id:,} changed"
    words = "all of the practice\u2019s claims"
    if filtered is not None:
        words = f"claims that match {counted(len(filtered), 'filter')}"
    excluded = _size(given.get("excluded_claim_ids") or 0)
    return f"{words}, except {counted(excluded, 'unchecked claim')}" if excluded else words


def _size(ids: int | list[str]) -> int:
    """Return the number of ids. The selection contains the ids until the items are frozen, then their number."""
    return len(ids) if isinstance(ids, list) else ids


def _array(external_ids: Sequence[str]) -> Any:
    return cast(list(external_ids), ARRAY(Text))


def _listed(external_ids: Sequence[str]) -> Select[tuple[str]]:
    """Return the ids as a relation, so that 200,000 of them are one parameter and one hash."""
    listed = func.unnest(_array(external_ids)).table_valued("external_id").render_derived()
    return select(listed.c.external_id)
