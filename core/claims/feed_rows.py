"""The rows of the feed: one claim each, with the names and the write-off check that a row shows."""

import datetime as dt
from dataclasses import dataclass, fields
from typing import Any, Final

from sqlalchemy import Select, and_, case, func, literal, select
from sqlalchemy.orm import Session, aliased

from core.claims import age_buckets, answers
from core.claims.feed_conditions import eligibility
from core.claims.feed_order import Sort
from core.claims.feed_totals import Amounts
from core.claims.sort_keys import SECONDARY, SUPERVISING, SortBy
from core.enums.claims import ClaimStatus, ClaimType, Hold
from core.models.claims import Claim, LineItem
from core.models.people import User
from core.models.practices import Office, Patient, Payer, Provider
from core.policy import facts
from core.policy.facts import PAYER, PROVIDER
from core.policy.rules import CAN_SETTLE
from core.policy.terms import Terms
from core.practices import names

_HOLDER: Final = aliased(User)


@dataclass(frozen=True)
class FeedRow(Amounts):
    """One claim in the feed. Amounts in cents, dates in the practice's time zone."""

    claim_id: str  # the practice's own number
    version: int
    patient_name: str
    service_date: dt.date
    service_time: dt.time | None
    age_bucket: str  # an `AgeBucket`
    age_days: int  # below zero for a future date
    claim_type: ClaimType
    office: str
    supervising_provider: str | None
    billing_provider: str
    billed: int
    allowed: int | None
    adjustment: int
    primary_paid: int
    secondary_paid: int
    patient_paid: int
    insurance_due: int
    patient_due: int
    total_due: int
    expected: int | None
    primary_payer: str | None
    primary_status: ClaimStatus
    secondary_payer: str | None
    secondary_status: ClaimStatus
    first_edi_on: dt.date | None
    last_edi_on: dt.date | None
    statements_sent: int | None  # None: unknown; the same for the next four
    last_statement_on: dt.date | None
    denied_on: dt.date | None
    denial_group: str | None
    denial_carc: str | None
    last_answer_on: dt.date | None  # of a payer, from a remittance; None: no answer was posted
    last_answer_status: str | None  # CLP02
    payer_claim_number: str | None  # CLP07
    no_answer_days: int | None  # None: the claim does not wait for an answer
    service_codes: str  # the codes of its lines in order, for example "99213, 87880"
    billing_status: str
    hold: Hold | None  # what blocks the claim today: a current hold, or "excluded"
    hold_until: dt.date | None  # last day of the hold; None: no end date
    hold_reason: str | None
    hold_by: str | None  # the user who set the hold; None also for an import
    eligibility: str  # "can_settle", or the code of the first rule that matches


def rows_query(session: Session, practice_id: int, ids: Select[int], sort: Sort, terms: Terms) -> Select[Any]:
    """Return the feed's columns for the claims `ids`. Names are joined for these only."""
    chosen = ids.subquery("chosen")
    codes = (
        select(func.string_agg(LineItem.procedure_code, ", ").aggregate_order_by(LineItem.number))
        .where(LineItem.practice_id == Claim.practice_id, LineItem.claim_id == Claim.id)
        .correlate(Claim)
        .scalar_subquery()
    )
    shown = names.shown_names(session, practice_id, Office, Provider, Payer)
    elsewhere = {
        "claim_id": Claim.external_id,
        "age_bucket": age_buckets.bucket_of(terms.as_of, terms.age_basis),
        "age_days": literal(terms.as_of) - age_buckets.age_date(terms.age_basis),
        "patient_name": Patient.name,
        "office": shown.of(Office),
        "billing_provider": shown.of(Provider, PROVIDER.c),
        "supervising_provider": shown.of(Provider, SUPERVISING),
        "primary_payer": shown.of(Payer, PAYER.c),
        "secondary_payer": shown.of(Payer, SECONDARY),
        "total_due": Claim.insurance_due + Claim.patient_due,
        "service_codes": func.coalesce(codes, ""),
        "no_answer_days": answers.days_without(terms.as_of),
        "hold": facts.hold_kind(terms.as_of, terms.excluded),
        "hold_until": case((facts.is_held(terms.as_of), Claim.hold_until)),
        "hold_reason": case((facts.is_held(terms.as_of), Claim.hold_reason)),
        "hold_by": _HOLDER.name,
        "eligibility": func.coalesce(eligibility(terms), literal(CAN_SETTLE)),
    }
    # Columns are in the order of the row's fields, so that a result row is a feed row.
    columns: list[Any] = [elsewhere.get(f.name, getattr(Claim, f.name, None)).label(f.name) for f in fields(FeedRow)]  # type: ignore[union-attr]
    source = (
        facts.claims_with_payers()
        .join(chosen, chosen.c.id == Claim.id)
        .join(Patient, and_(Patient.practice_id == Claim.practice_id, Patient.id == Claim.patient_id))
        .join(Office, and_(Office.practice_id == Claim.practice_id, Office.id == Claim.office_id))
        .outerjoin(
            SUPERVISING,
            and_(SUPERVISING.practice_id == Claim.practice_id, SUPERVISING.id == Claim.supervising_provider_id),
        )
        .outerjoin(
            SECONDARY, and_(SECONDARY.practice_id == Claim.practice_id, SECONDARY.id == Claim.secondary_payer_id)
        )
        .outerjoin(_HOLDER, and_(_HOLDER.id == Claim.hold_by, facts.is_held(terms.as_of)))
    )
    query = select(*columns).select_from(source).where(Claim.practice_id == practice_id)
    if sort.by is SortBy.SERVICE:
        query = sort.joined(query)
    return query.order_by(*sort.whole_order(terms))
