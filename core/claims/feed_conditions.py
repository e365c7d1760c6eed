"""The condition of a filter, including the keys that need more than the claim: write-off check, holds and open jobs."""

from collections.abc import Collection, Iterable
from typing import Any, Final

from sqlalchemy import (
    ARRAY,
    ColumnElement,
    Select,
    Text,
    and_,
    any_,
    exists,
    literal,
    literal_column,
    not_,
    or_,
    select,
    text,
)
from sqlalchemy.orm import Session

from core.claims import filters
from core.claims.claim_filter import QUOTED_CHARACTERS_MAX, BadFilter, ClaimFilter
from core.enums.claims import SETTLED
from core.enums.jobs import JobKind
from core.models.claims import Claim
from core.models.job_items import JobItem, is_reserved
from core.models.jobs import SettleJob, is_open
from core.models.practices import BillingStatus
from core.policy import facts
from core.policy.rule import Moment
from core.policy.rule_sql import first_match, rule_values
from core.policy.rules import CAN_SETTLE, RULES_BY_CODE, rules_at
from core.policy.terms import Terms

FEED_RULES: Final = rules_at(Moment.FEED, kind=JobKind.SETTLE)
ELIGIBILITY: Final = (CAN_SETTLE, *(rule.code for rule in FEED_RULES))


def check_known_values(session: Session, practice_id: int, f: ClaimFilter) -> None:
    """Raise `BadFilter` for an unknown billing status or write-off check."""
    _check_known("eligibility", f.eligibility, ELIGIBILITY)
    if f.billing_status:
        there = select(BillingStatus.name).where(BillingStatus.practice_id == practice_id)
        _check_known("billing_status", f.billing_status, session.scalars(there.order_by(BillingStatus.position)).all())


def matching_ids(practice_id: int, f: ClaimFilter, terms: Terms, *, with_payers: bool = False) -> Select[int]:
    """Return a SELECT of the internal ids of all claims that match `f`, if asked from `facts.claims_with_payers()`."""
    ids = select(Claim.id).where(*conditions(practice_id, f, terms)).correlate(None)
    return ids.select_from(facts.claims_with_payers()) if f.eligibility or with_payers else ids


def conditions(practice_id: int, f: ClaimFilter, terms: Terms) -> Iterable[ColumnElement[bool]]:
    """Return the WHERE of `f`. With a write-off check, select from `facts.claims_with_payers()`, else from claim."""
    yield filters.where(practice_id, f, today=terms.as_of)
    if f.billing_status and SETTLED not in f.billing_status:
        # A literal, so that PostgreSQL can use the index of open claims.
        yield Claim.billing_status != literal_column(f"'{SETTLED}'")
    if f.on_hold is not None:
        on_hold = facts.on_hold(terms.as_of, terms.excluded)
        yield on_hold if f.on_hold else not_(on_hold)
    if f.eligibility:
        yield has_eligibility(f.eligibility, terms)
    if f.in_job is not None:
        reserved = _is_reserved_by_job(practice_id)
        yield reserved if f.in_job else not_(reserved)


def eligibility(terms: Terms) -> ColumnElement[str | None]:
    """Return the code of the first rule that would block an ordinary write-off, or NULL."""
    return first_match(facts.facts_for_claim(terms), FEED_RULES)


def rule_values_as_json(terms: Terms) -> ColumnElement[Any]:
    """Return the facts that the rule in `eligibility` used, as JSON by name, or NULL."""
    return rule_values(facts.facts_for_claim(terms), FEED_RULES)


def has_number_in(external_ids: Collection[str]) -> ColumnElement[bool]:
    """Return, as SQL, whether the claim's number is one of these, passed as one parameter."""
    return Claim.external_id == any_(literal(list(external_ids), ARRAY(Text)))


def use_custom_plans(session: Session) -> None:
    """Plan this transaction's queries for their actual values, without JIT compilation.

    A generic plan walks the whole index for a narrow filter, and compiling costs more than it saves.
    """
    session.execute(text("SET LOCAL plan_cache_mode = force_custom_plan"))
    session.execute(text("SET LOCAL jit = off"))


def has_eligibility(codes: Collection[str], terms: Terms) -> ColumnElement[bool]:
    """Return, as SQL, whether the claim's write-off check is one of `codes`. Raise `BadFilter` for an unknown code."""
    _check_known("eligibility", codes, ELIGIBILITY)
    claim = facts.facts_for_claim(terms)
    verdict = first_match(claim, FEED_RULES)
    wanted: list[ColumnElement[bool]] = [verdict.is_(None)] if CAN_SETTLE in codes else []
    # Repeat the rule's condition, so that PostgreSQL can estimate from its statistics how many claims match.
    wanted += [and_(RULES_BY_CODE[code].when(claim), verdict == code) for code in codes if code != CAN_SETTLE]
    return or_(*wanted)


def _check_known(key: str, given: Collection[str], known: Collection[str]) -> None:
    unknown = [value for value in given if value not in known]
    if unknown:
        shown = unknown[0][:QUOTED_CHARACTERS_MAX]
        raise BadFilter(f"{key}: unknown {shown!r}; it must be one of {', '.join(known)}")


def _is_reserved_by_job(practice_id: int) -> ColumnElement[bool]:
    # Not NOT IN: PostgreSQL would read a list that exceeds its memory from the start for each claim.
    return exists().where(
        JobItem.practice_id == practice_id, JobItem.claim_id == Claim.id, SettleJob.practice_id == practice_id,
        SettleJob.id == JobItem.job_id, is_open(), is_reserved(),
    ).correlate(Claim)  # fmt: skip
