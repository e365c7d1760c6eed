"""The facts that rules use, by name. Rules name no tables, because a second table would multiply the feed's rows."""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    ARRAY,
    BigInteger,
    ColumnElement,
    FromClause,
    and_,
    any_,
    case,
    exists,
    false,
    func,
    literal,
    null,
    or_,
    select,
    type_coerce,
)

from core.enums.claims import NOT_SUBMITTED_WORDS, SETTLED, ClaimStatus, Hold
from core.enums.ledger import WriteOffReason
from core.enums.practices import PayerClass, WriteOffSetting
from core.models.claims import Claim
from core.models.ledger import Posting
from core.models.practices import Payer, Provider
from core.policy.held_answers import has_held_answer, held_in_remittance
from core.policy.terms import Terms
from core.practices.exclusions import ActiveExclusions

Condition = ColumnElement[bool]

_AT_PAYER_STATUSES = (
    ClaimStatus.AT_CLEARINGHOUSE,
    ClaimStatus.AT_PAYER,
    ClaimStatus.ACKNOWLEDGED,
)
_ADJUDICATED_STATUSES = (ClaimStatus.ERA_RECEIVED, ClaimStatus.ERA_DENIED)
# The rules allow write-offs of cost sharing for patients of these payers only for certain reasons.
COST_SHARE_CLASSES = (PayerClass.MEDICARE, PayerClass.MEDICAID, PayerClass.DUAL)
COST_SHARE_REASONS = (WriteOffReason.CHARITY, WriteOffReason.SMALL_BALANCE, WriteOffReason.BAD_DEBT)
COST_SHARE_RULE = "medicare_cost_share"
# The law accepts bad debt after reasonable collection efforts (42 U.S.C. 1320a-7a(i)(6)(A)). It names no number.
BAD_DEBT_STATEMENTS = 3

PROVIDER: FromClause = Provider.__table__.alias("billing_provider")
PAYER: FromClause = Payer.__table__.alias("primary_payer")


@dataclass(frozen=True)
class Facts:
    """One claim as the rules see it. Every field is an SQL expression over `claims_with_payers()`."""

    settles_insurance: Condition
    settles_patient: Condition
    is_settled: Condition
    has_target_status: Condition
    insurance_due: ColumnElement[int]
    patient_due: ColumnElement[int]
    nothing_to_write_off: Condition  # in the responsibilities that the setting writes off
    has_credit_line: Condition
    on_hold: Condition  # a hold, or an excluded patient or payer
    in_other_job: Condition
    in_future: Condition
    posted_later: Condition  # a posting dated after the job's posting date
    has_held_answer: Condition  # of a payer, in a remittance
    is_with_payer: Condition
    is_rejected: Condition
    is_not_submitted: Condition
    awaits_secondary_payer: Condition
    in_appeal_window: Condition
    paid_recently: Condition
    has_too_few_statements: Condition
    had_statement_recently: Condition
    over_small_balance: Condition
    owes_medicare_cost_share: Condition
    lacks_cost_share_note: Condition  # cost sharing, and the schedule has no note that gives a reason
    changed_since_preview: Condition
    changed_since_settled: Condition
    already_reversed: Condition
    fully_reversed_by_late_payment: Condition
    balance_mismatch: Condition
    values: Mapping[str, ColumnElement[Any]]  # shown as the reason, by name; amounts in cents


def claims_with_payers() -> FromClause:
    """Return `claim` joined to its billing provider and primary payer, which `facts_for_claim` reads."""
    claim = Claim.__table__
    return claim.join(
        PROVIDER,
        and_(
            PROVIDER.c.practice_id == claim.c.practice_id,
            PROVIDER.c.id == claim.c.billing_provider_id,
        ),
    ).outerjoin(
        PAYER,
        and_(
            PAYER.c.practice_id == claim.c.practice_id,
            PAYER.c.id == claim.c.primary_payer_id,
        ),
    )


def written_off_responsibilities(setting: WriteOffSetting) -> tuple[Condition, Condition]:
    """Return whether insurance and patient balances are written off.

    The provider's own setting overrides the practice's.
    """
    effective = func.coalesce(PROVIDER.c.write_off, literal(setting.value))
    return (
        effective.in_([WriteOffSetting.INSURANCE.value, WriteOffSetting.BOTH.value]),
        effective.in_([WriteOffSetting.PATIENT.value, WriteOffSetting.BOTH.value]),
    )


def facts_for_claim(terms: Terms) -> Facts:
    """Return the facts of each claim in `claims_with_payers()` for a job on `terms`."""
    settles_insurance, settles_patient = written_off_responsibilities(terms.setting)
    return Facts(
        settles_insurance=settles_insurance,
        settles_patient=settles_patient,
        is_settled=Claim.billing_status == SETTLED,
        has_target_status=Claim.billing_status == terms.target_status,
        insurance_due=Claim.insurance_due.expression,
        patient_due=Claim.patient_due.expression,
        nothing_to_write_off=and_(
            or_(~settles_insurance, Claim.insurance_due == 0),
            or_(~settles_patient, Claim.patient_due == 0),
        ),
        has_credit_line=Claim.has_credit_line.expression,
        on_hold=on_hold(terms.as_of, terms.excluded),
        in_other_job=false(),  # used for schedules only; users see a warning instead
        in_future=Claim.service_date > terms.as_of,
        posted_later=_posted_later(terms),
        has_held_answer=has_held_answer(),
        is_with_payer=_has_status(*_AT_PAYER_STATUSES),
        is_rejected=_has_status(ClaimStatus.REJECTED),
        is_not_submitted=and_(
            Claim.primary_status == ClaimStatus.NONE,
            Claim.first_edi_on.is_(None),
            Claim.last_edi_on.is_(None),
            func.lower(Claim.billing_status).in_(NOT_SUBMITTED_WORDS),  # a practice may have its own word
        ),
        awaits_secondary_payer=and_(
            Claim.secondary_payer_id.is_not(None),
            Claim.secondary_status.not_in(_ADJUDICATED_STATUSES),
        ),
        in_appeal_window=_is_within(Claim.denied_on, terms.appeal_window_days, terms),
        paid_recently=_is_within(Claim.last_payment_on, terms.recent_payment_days, terms),
        # An unknown number of statements counts as zero.
        has_too_few_statements=func.coalesce(Claim.statements_sent, 0) < terms.statements_min,
        had_statement_recently=_is_after(Claim.last_statement_on, terms.statement_days, terms),
        over_small_balance=over_small_balance(
            terms, settles_insurance=settles_insurance, settles_patient=settles_patient
        ),
        owes_medicare_cost_share=_cost_share(terms),
        lacks_cost_share_note=false(),  # used for schedules only
        changed_since_preview=false(),  # nothing was promised yet
        changed_since_settled=false(),  # used for reversals only, like the next two
        already_reversed=false(),
        fully_reversed_by_late_payment=false(),
        balance_mismatch=Claim.balance_mismatch.expression,
        values=_values(terms),
    )


def on_hold(today: dt.date, excluded: ActiveExclusions) -> Condition:
    """Return, as SQL, whether a hold is current on the day, or that the claim's patient or payer is excluded."""
    return or_(is_held(today), is_excluded(excluded))


def is_held(today: dt.date) -> Condition:
    """Return, as SQL, whether the claim has a hold that has not ended. No job needs to clear a hold that has."""
    return and_(Claim.hold.is_not(None), or_(Claim.hold_until.is_(None), Claim.hold_until >= today))


def is_excluded(excluded: ActiveExclusions) -> Condition:
    """Return, as SQL, whether the claim's patient or one of its payers is excluded."""
    return or_(_patient_excluded(excluded), _payer_excluded(excluded))


def hold_kind(today: dt.date, excluded: ActiveExclusions) -> ColumnElement[str | None]:
    """Return the kind of hold on the claim, including "excluded", or NULL."""
    kind = case((is_held(today), Claim.hold), (is_excluded(excluded), Hold.EXCLUDED.value), else_=null())
    return type_coerce(kind, Claim.hold.type)


def _patient_excluded(excluded: ActiveExclusions) -> Condition:
    return _is_one_of(Claim.patient_id.expression, excluded.patient_ids)


def _payer_excluded(excluded: ActiveExclusions) -> Condition:
    payers = (Claim.primary_payer_id.expression, Claim.secondary_payer_id.expression)
    # A claim without secondary insurance would give NULL. Use False instead, because the negation is used too.
    return or_(*(func.coalesce(_is_one_of(payer, excluded.payer_ids), False) for payer in payers))


def _is_one_of(column: ColumnElement[Any], ids: tuple[int, ...]) -> Condition:
    # Use values instead of a subselect: PostgreSQL can then estimate how many rows match, and without exclusions it
    # compares nothing.
    return column == any_(literal(list(ids), ARRAY(BigInteger))) if ids else false()


def _values(terms: Terms) -> dict[str, ColumnElement[Any]]:
    return {
        "billing_status": Claim.billing_status.expression,
        "hold": hold_kind(terms.as_of, terms.excluded),
        "hold_until": case((is_held(terms.as_of), Claim.hold_until)),
        "excluded": case(
            (_patient_excluded(terms.excluded), "patient"), (_payer_excluded(terms.excluded), "payer"), else_=null()
        ),
        "other_job": null(),
        "service_date": Claim.service_date.expression,
        "today": literal(terms.as_of),
        "posting_date": literal(terms.posting_date) if terms.posting_date else null(),
        "last_posted_on": select(func.max(Posting.posted_on)).where(*_of_claim()).correlate(Claim).scalar_subquery(),
        "held_in_remittance": held_in_remittance(),
        "insurance_due": Claim.insurance_due.expression,
        "patient_due": Claim.patient_due.expression,
        "primary_status": Claim.primary_status.expression,
        "secondary_status": Claim.secondary_status.expression,
        "denied_on": Claim.denied_on.expression,
        "denial_group": Claim.denial_group.expression,
        "denial_carc": Claim.denial_carc.expression,
        "appeal_window_days": literal(terms.appeal_window_days),
        "statements_sent": Claim.statements_sent.expression,
        "statements_min": literal(terms.statements_min),
        "last_statement_on": Claim.last_statement_on.expression,
        "statement_days": literal(terms.statement_days),
        "last_payment_on": Claim.last_payment_on.expression,
        "recent_payment_days": literal(terms.recent_payment_days),
        "small_balance_max_cents": literal(terms.small_balance_max_cents, BigInteger),
        "payer_class": PAYER.c.payer_class,
        "schedule_note": null(),  # set if a schedule lacks the note that it needs
        "version": Claim.version.expression,
    }


def _of_claim() -> tuple[Condition, Condition]:
    return Posting.practice_id == Claim.practice_id, Posting.claim_id == Claim.id


def _posted_later(terms: Terms) -> Condition:
    # No posting is dated after today, unless today's month is closed. Then no job is dated today either.
    if terms.posting_date is None or terms.posting_date >= terms.as_of:
        return false()
    return exists().where(*_of_claim(), Posting.posted_on > terms.posting_date).correlate(Claim)


def _has_status(*statuses: ClaimStatus) -> Condition:
    """Return, as SQL, whether one of the claim's payers gave it one of these statuses."""
    second = and_(Claim.secondary_payer_id.is_not(None), Claim.secondary_status.in_(statuses))
    return or_(Claim.primary_status.in_(statuses), second)


def _is_within(day: Any, days: int, terms: Terms) -> Condition:
    """Return, as SQL, whether a day is at most `days` ago. 0 turns the rule off."""
    return _is_after(day, days + 1, terms) if days else false()


def _is_after(day: Any, days: int, terms: Terms) -> Condition:
    """Return, as SQL, whether a day is less than `days` ago. 0 turns the rule off."""
    if days == 0:
        return false()
    return func.coalesce(day > terms.as_of - dt.timedelta(days=days), False)


def over_small_balance(terms: Terms, *, settles_insurance: Condition, settles_patient: Condition) -> Condition:
    """Return, as SQL, whether an amount to write off is too large for a small-balance reason."""
    most = terms.small_balance_max_cents
    if terms.reason is not WriteOffReason.SMALL_BALANCE or most is None:
        return false()
    return or_(and_(settles_insurance, Claim.insurance_due > most), and_(settles_patient, Claim.patient_due > most))


def _cost_share(terms: Terms) -> Condition:
    # The rule depends on the write-off reason. The feed has none, so it skips the rule.
    if terms.reason is None or terms.reason is WriteOffReason.CHARITY:
        return false()
    # Without a limit, which an earlier version did not freeze, no balance counts as small.
    has_limit = terms.small_balance_max_cents is not None
    if terms.reason is WriteOffReason.SMALL_BALANCE and has_limit:
        return false()
    if terms.reason is WriteOffReason.BAD_DEBT:
        return and_(is_cost_share(), func.coalesce(Claim.statements_sent, 0) < BAD_DEBT_STATEMENTS)
    return is_cost_share()


def is_cost_share() -> Condition:
    """Return, as SQL, whether the patient's balance is Medicare or Medicaid cost sharing, whatever the reason."""
    return func.coalesce(PAYER.c.payer_class.in_([kind.value for kind in COST_SHARE_CLASSES]), False)
