"""The Live Claims Feed: keyset pages of claims in each order, with totals and counts of the same filter."""

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Final

from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from core.claims.claim_filter import ClaimFilter
from core.claims.feed_conditions import (
    ELIGIBILITY,
    check_known_values,
    matching_ids,
    rule_values_as_json,
    use_custom_plans,
)
from core.claims.feed_order import DEFAULT_SORT, Cursor, Sort, cursor_value, narrowed
from core.claims.feed_rows import FeedRow, rows_query
from core.claims.feed_totals import (
    FeedTotals,
    counts_by_billing_status,
    totals,
    totals_by_age,
    totals_of_claim_ids,
)
from core.claims.sort_keys import SortBy
from core.errors import NotFound
from core.models.claims import Claim
from core.models.practices import BillingStatus, Office, Provider
from core.policy import facts
from core.policy.rules import CAN_SETTLE
from core.policy.terms import Terms, numbers_of
from core.practices import exclusions, names, practice_days, practice_queries

__all__ = [
    "CAN_SETTLE",
    "DEFAULT_SORT",
    "ELIGIBILITY",
    "PAGE_CLAIMS_MAX",
    "FeedChoices",
    "FeedPage",
    "FeedRow",
    "FeedTotals",
    "Sort",
    "SortBy",
    "Terms",
    "check_known_values",
    "counts_by_billing_status",
    "filter_choices",
    "matching_ids",
    "page",
    "stream_rows",
    "terms_for",
    "totals",
    "totals_by_age",
    "totals_of_claim_ids",
]  # fmt: skip

PAGE_CLAIMS_MAX: Final = 200  # more than a page needs
ROWS_READ_AT_ONCE: Final = 250  # other threads wait while rows are read


@dataclass(frozen=True)
class FeedChoices:
    """The choices for filter fields, in screen order: names, or the practice's own ids with names."""

    billing_statuses: list[str]
    offices: list[tuple[str, str]]
    providers: list[tuple[str, str]]


@dataclass(frozen=True)
class FeedPage:
    """A page of claims, and the cursors of the pages before and after (None at the end of the list)."""

    rows: list[FeedRow]
    next_cursor: str | None
    previous_cursor: str | None
    first_place: int  # number of claims before the first row, as counted when the earlier pages were read


def terms_for(session: Session, practice_id: int, *, now: dt.datetime) -> Terms:
    """Return the terms for the write-off check: the practice's settings, and today in its time zone."""
    practice = practice_queries.find(session, practice_id)
    today = practice_days.today(practice, now=now)
    return Terms(
        setting=practice.write_off,
        as_of=today,
        **numbers_of(practice),
        excluded=exclusions.active_exclusions(session, practice_id, on=today),
    )


def page(
    session: Session,
    practice_id: int,
    f: ClaimFilter,
    *,
    sort: Sort = DEFAULT_SORT,
    cursor: str | None,
    limit: int,
    terms: Terms,
) -> FeedPage:
    """Return a page of at most `limit` claims. Page 10,000 is as fast as the first.

    Raise `BadFilter` for a cursor from a different practice or sort order, and for an unknown billing status.
    """
    assert 1 <= limit <= PAGE_CLAIMS_MAX
    check_known_values(session, practice_id, f)
    use_custom_plans(session)
    terms = replace(terms, age_basis=f.age_from)
    here = Cursor.of(cursor, practice_id=practice_id, sort=sort) if cursor else None
    backwards = here is not None and here.backwards
    at = here.where(session, practice_id, terms) if here is not None else None
    segments = sort.segments(terms)
    nearest = len(segments) - 1 if backwards else 0
    nearest = nearest if at is None else sort.segment_of(at[0], terms)
    ids = sort.joined(matching_ids(practice_id, f, terms, with_payers=sort.key.reads_payers))
    ids = ids.order_by(*sort.order(terms, backwards=backwards))
    rows: list[FeedRow] = []
    for number in range(nearest, -1, -1) if backwards else range(nearest, len(segments)):
        few = ids.where(segments[number])
        if here is not None and at is not None and number == nearest:
            few = few.where(here.beyond(*at, terms))
        found = _read(session, practice_id, few, sort, at, terms, limit + 1 - len(rows), backwards=backwards)
        rows = [*found, *rows] if backwards else [*rows, *found]
        if len(rows) > limit:
            break
    more = len(rows) > limit
    rows = (rows[1:] if backwards else rows[:limit]) if more else rows
    return _page(rows, here, sort, practice_id, more=more)


def stream_rows(session: Session, practice_id: int, f: ClaimFilter, *, sort: Sort, terms: Terms) -> Iterator[FeedRow]:
    """Yield all matching claims in order, from one snapshot, a few hundred in memory at a time."""
    check_known_values(session, practice_id, f)
    use_custom_plans(session)
    terms = replace(terms, age_basis=f.age_from)
    query = rows_query(session, practice_id, matching_ids(practice_id, f, terms), sort, terms)
    rows = session.execute(query, execution_options={"yield_per": ROWS_READ_AT_ONCE})
    return (FeedRow(*row) for row in rows)


def filter_choices(session: Session, practice_id: int) -> FeedChoices:
    """Return the choices for the practice's filter fields."""
    statuses = select(BillingStatus.name).where(BillingStatus.practice_id == practice_id)
    return FeedChoices(
        billing_statuses=list(session.scalars(statuses.order_by(BillingStatus.position, BillingStatus.name))),
        offices=names.numbers_and_names(session, practice_id, Office),
        providers=names.numbers_and_names(session, practice_id, Provider),
    )


def find_row(session: Session, practice_id: int, claim_id: str, *, terms: Terms) -> FeedRow:
    """Return the claim with that number as the feed shows it. Raise `NotFound` if it is not in this practice."""
    this = select(Claim.id).where(Claim.practice_id == practice_id, Claim.external_id == claim_id)
    row = session.execute(rows_query(session, practice_id, this, DEFAULT_SORT, terms)).one_or_none()
    if row is None:
        raise NotFound(f"There is no claim {claim_id[:60]} in this practice.")
    return FeedRow(*row)


def blocking_rule_values(session: Session, practice_id: int, claim_id: str, *, terms: Terms) -> dict[str, Any] | None:
    """Return the facts, by name, that block the claim's write-off, or None if no rule blocks it."""
    this = select(rule_values_as_json(terms)).select_from(facts.claims_with_payers())
    values: dict[str, Any] | None = session.scalars(
        this.where(Claim.practice_id == practice_id, Claim.external_id == claim_id)
    ).one_or_none()
    return values


def _read(
    session: Session,
    practice_id: int,
    ids: Select[int],
    sort: Sort,
    at: tuple[Any, int] | None,
    terms: Terms,
    limit: int,
    *,
    backwards: bool,
) -> list[FeedRow]:
    """Return the first `limit` claims of `ids`, in the order of the feed."""

    def read(few: Select[int]) -> list[FeedRow]:
        return [
            FeedRow(*row) for row in session.execute(rows_query(session, practice_id, few.limit(limit), sort, terms))
        ]

    few = narrowed(session, practice_id, sort, at, ids, terms, backwards=backwards)
    rows = [] if few is None else read(few)
    return rows if len(rows) == limit else read(ids)


def _page(rows: list[FeedRow], here: Cursor | None, sort: Sort, practice_id: int, *, more: bool) -> FeedPage:
    backwards = here is not None and here.backwards
    first = 0 if here is None else here.place
    if backwards:
        first = max(first - len(rows), 0) if more else 0
    if not rows:
        return FeedPage([], None, None, first)

    def beside(row: FeedRow, place: int, *, before: bool) -> str:
        return Cursor(sort, before, row.claim_id, cursor_value(sort, row), place).text(practice_id)

    has_next = more or backwards  # a user who paged back came from a later page
    has_previous = more if backwards else here is not None
    return FeedPage(
        rows,
        next_cursor=beside(rows[-1], first + len(rows), before=False) if has_next else None,
        previous_cursor=beside(rows[0], first, before=True) if has_previous else None,
        first_place=first,
    )
