"""The rules that decide when a claim is not written off: one ordered table. The first match wins.

The same rows give the feed's write-off check, the preview's verdict and the run's check.
"""

from collections.abc import Collection, Mapping
from typing import Any, Final

from sqlalchemy import and_

from core.enums.jobs import JobKind
from core.enums.ledger import WriteOffReason
from core.policy import facts
from core.policy.rule import (
    ALL_JOB_KINDS,
    EVERYWHERE,
    PREVIEW_AND_RUN,
    PREVIEW_ONLY,
    REVERSE_JOBS,
    RUN_ONLY,
    SETTLE_JOBS,
    STATUS_JOBS,
    Moment,
    Rule,
    RuleAction,
)  # fmt: skip

_BALANCE_FACTS: Final = ("insurance_due", "patient_due")
_DATE_FACTS: Final = ("service_date", "today")

RULES: Final = (
    Rule(
        "already_settled",
        "Already settled, with nothing left to write off under the Balance Writeoff setting",
        lambda f: and_(f.is_settled, f.nothing_to_write_off),
        shows=("billing_status", "insurance_due", "patient_due"),
    ),
    Rule(
        "already_in_status",
        "Already in this billing status",
        lambda f: f.has_target_status,
        at=PREVIEW_ONLY,
        kinds=STATUS_JOBS,
        shows=("billing_status",),
    ),
    Rule(
        "already_reversed",
        "Already reversed",
        lambda f: f.already_reversed,
        at=PREVIEW_ONLY,
        kinds=REVERSE_JOBS,
        shows=("reversed_by",),
    ),
    Rule(
        "late_payment",
        "Already fully reversed by payments after the write-off",
        lambda f: f.fully_reversed_by_late_payment,
        at=PREVIEW_ONLY,
        kinds=REVERSE_JOBS,
        shows=("last_payment_on", "insurance_due", "patient_due"),
    ),
    Rule(
        "touched_since",
        "Changed since the original job, other than by a payment on the written-off balance",
        lambda f: f.changed_since_settled,
        at=PREVIEW_ONLY,
        kinds=REVERSE_JOBS,
        shows=("version_after", "version", "billing_status", "insurance_due", "patient_due", "hold"),
        change="undo that change",
    ),
    Rule(
        "changed_since_preview",
        "Changed since the preview",
        lambda f: f.changed_since_preview,
        at=RUN_ONLY,
        kinds=ALL_JOB_KINDS,
        shows=("previewed_version", "version", "previewed_status", "billing_status", *_BALANCE_FACTS, "hold"),
        change="preview the claim in a new job",
    ),
    Rule(
        "balance_mismatch",
        "Balance doesn't match the ledger. Contact support",
        lambda f: f.balance_mismatch,
        at=EVERYWHERE,
        kinds=SETTLE_JOBS | REVERSE_JOBS,
        shows=("insurance_due", "patient_due"),
        change="contact support",
    ),
    Rule(
        "on_hold",
        "On hold, or excluded from write-offs",
        lambda f: f.on_hold,
        at=EVERYWHERE,  # a hold changes the claim's version; an exclusion does not, so the run checks again
        shows=("hold",),
        also_shows=("hold_until", "excluded"),
        change="release the hold or end the exclusion",
    ),
    Rule(
        "in_other_job",
        "Already in another unfinished job",
        lambda f: f.in_other_job,
        at=PREVIEW_ONLY,
        for_schedules=True,
        shows=("other_job",),
        change="wait until that job ends",
    ),
    Rule(
        "future_service",
        "The date of service is in the future",
        lambda f: f.in_future,
        shows=_DATE_FACTS,
        change="wait until the date of service",
    ),
    Rule(
        "later_posting",
        "Has a posting dated after the job's posting date. Choose a later posting date",
        lambda f: f.posted_later,
        at=PREVIEW_ONLY,
        kinds=SETTLE_JOBS | REVERSE_JOBS,
        shows=("posting_date", "last_posted_on"),
        change="choose a later posting date",
    ),
    Rule(
        "credit_insurance",
        "Insurance credit balance",
        lambda f: f.insurance_due < 0,
        shows=("insurance_due",),
        change="refund or transfer the credit",
    ),
    Rule(
        "credit_patient",
        "Patient credit balance",
        lambda f: f.patient_due < 0,
        shows=("patient_due",),
        change="refund or transfer the credit",
    ),
    Rule(
        "credit_line",
        "Credit balance on a service line",
        lambda f: f.has_credit_line,
        shows=_BALANCE_FACTS,
        change="refund or transfer the credit",
    ),
    Rule(
        "held_answer",
        "A payer's answer on the claim is held",
        lambda f: and_(~f.nothing_to_write_off, f.has_held_answer),
        shows=("held_in_remittance",),
        change="post or ignore the held answer",
    ),
    Rule(
        "in_process",
        "Claim is still in process at the clearinghouse or payer",
        lambda f: and_(f.is_with_payer, f.insurance_due > 0, f.settles_insurance),
        shows=("primary_status", "secondary_status", "insurance_due"),
        change="wait for the payer's answer",
    ),
    Rule(
        "rejected",
        "Rejected by the clearinghouse or a payer before adjudication",
        lambda f: and_(f.is_rejected, f.insurance_due > 0, f.settles_insurance),
        shows=("primary_status", "secondary_status", "insurance_due"),
        change="correct and resubmit the claim",
    ),
    Rule(
        "not_submitted",
        "Never submitted to insurance",
        lambda f: and_(f.is_not_submitted, f.insurance_due > 0, f.settles_insurance),
        shows=("billing_status", "primary_status", "insurance_due"),
        change="submit the claim",
    ),
    Rule(
        "secondary_pending",
        "Secondary insurance has not processed the claim",
        lambda f: and_(f.awaits_secondary_payer, f.insurance_due > 0, f.settles_insurance),
        shows=("secondary_status", "insurance_due"),
        change="wait for the secondary payer's answer",
    ),
    Rule(
        "in_appeal_window",
        "Denied, and still within the appeal window",
        lambda f: and_(f.in_appeal_window, f.insurance_due > 0, f.settles_insurance),
        shows=("denied_on", "appeal_window_days", "insurance_due"),
        also_shows=("denial_group", "denial_carc"),
        number="appeal_window_days",
        change="wait until the appeal window ends",
    ),
    Rule(
        "recent_payment",
        "Recent payment",
        lambda f: f.paid_recently,
        shows=("last_payment_on", "recent_payment_days"),
        number="recent_payment_days",
        change="wait until the recent-payment window ends",
    ),
    Rule(
        "too_few_statements",
        "Too few statements sent to the patient",
        lambda f: and_(f.has_too_few_statements, f.patient_due > 0, f.settles_patient),
        shows=("statements_sent", "statements_min", "patient_due"),
        number="statements_min",
        change="send another statement",
    ),
    Rule(
        "recent_statement",
        "Too soon after the last statement to the patient",
        lambda f: and_(f.had_statement_recently, f.patient_due > 0, f.settles_patient),
        shows=("last_statement_on", "statement_days", "patient_due"),
        number="statement_days",
        change="wait until enough days have passed",
    ),
    Rule(
        # Not overridable: the ledger, the files and the certificate would call a large write-off a small balance.
        "over_small_balance",
        "Over your practice's small-balance limit. Choose a different reason",
        lambda f: f.over_small_balance,
        at=PREVIEW_AND_RUN,
        shows=(*_BALANCE_FACTS, "small_balance_max_cents"),
        change="choose a different reason",
    ),
    Rule(
        # Not overridable: routinely waiving cost sharing can violate federal law.
        facts.COST_SHARE_RULE,
        "Medicare or Medicaid cost sharing. Use a Charity or Small balance reason, or Bad debt after "
        f"{facts.BAD_DEBT_STATEMENTS} statements",
        lambda f: and_(f.owes_medicare_cost_share, f.patient_due > 0, f.settles_patient),
        at=PREVIEW_ONLY,
        shows=("payer_class", "patient_due", "statements_sent"),
        change="use a different reason, or send statements first",
    ),
    Rule(
        "cost_share_note",
        "Medicare or Medicaid cost sharing: the schedule needs a note in your own words",
        lambda f: and_(f.lacks_cost_share_note, f.patient_due > 0, f.settles_patient),
        at=PREVIEW_ONLY,
        shows=("payer_class", "patient_due", "schedule_note"),
        for_schedules=True,
        change="add a note to the schedule",
    ),
    Rule(
        "write_off_off",
        "Status change only: the Balance Writeoff setting is Neither",
        lambda f: and_(~f.settles_insurance, ~f.settles_patient),
        action=RuleAction.SETTLE,
    ),
    Rule(
        "nothing_due",
        "Status change only: no balance to write off under the Balance Writeoff setting",
        lambda f: f.nothing_to_write_off,
        action=RuleAction.SETTLE,
    ),
)

RULES_BY_CODE: Final = {rule.code: rule for rule in RULES}
CAN_SETTLE: Final = "can_settle"  # the feed's code if no rule matches


def rules_at(moment: Moment, *, kind: JobKind, include: Collection[str] = ()) -> list[Rule]:
    """Return the rules that apply at `moment`, without those that the job overrides."""
    return [rule for rule in RULES if moment in rule.at and kind in rule.kinds and rule.code not in include]


def skip_rules_on_and_off(
    kind: JobKind, numbers: Mapping[str, Any], *, reason: WriteOffReason | None, scheduled: bool
) -> tuple[list[str], list[str]]:
    """Return the codes of the rules that can skip a claim of such a job, and of those that are off for it."""
    is_small = reason is WriteOffReason.SMALL_BALANCE and numbers.get("small_balance_max_cents") is not None
    by_reason = {
        "over_small_balance": is_small,
        facts.COST_SHARE_RULE: not is_small and reason is not WriteOffReason.CHARITY,
    }
    on: list[str] = []
    off: list[str] = []
    for rule in RULES:
        if rule.action is RuleAction.SKIP and kind in rule.kinds and (scheduled or not rule.for_schedules):
            is_on = by_reason.get(rule.code, rule.number is None or bool(numbers.get(rule.number)))
            (on if is_on else off).append(rule.code)
    return on, off


def skip_codes() -> list[str]:
    """Return the codes of rules that skip claims."""
    return [rule.code for rule in RULES if rule.action is RuleAction.SKIP]
