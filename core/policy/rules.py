"""The rules that decide when a claim is not written off: one ordered table. The first match wins.

The same rows give the feed's write-off check, the preview's verdict and the run's check.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from sqlalchemy import ColumnElement, and_, case, func, literal, null

from core.models.jobs import JobKind
from core.models.ledger import WriteOffReason
from core.policy.facts import Condition, Facts


class Moment(StrEnum):
    """When a rule is checked."""

    FEED = "feed"
    PREVIEW = "preview"
    RUN = "run"


class RuleAction(StrEnum):
    """What happens to a claim that matches a rule."""

    SKIP = "skip"
    SETTLE = "settle"  # the status changes, and nothing is written off


FEED_AND_PREVIEW: Final = frozenset({Moment.FEED, Moment.PREVIEW})
PREVIEW_ONLY: Final = frozenset({Moment.PREVIEW})
EVERYWHERE: Final = frozenset(Moment)
PREVIEW_AND_RUN: Final = frozenset({Moment.PREVIEW, Moment.RUN})
RUN_ONLY: Final = frozenset({Moment.RUN})
SETTLE_JOBS: Final = frozenset({JobKind.SETTLE})
STATUS_JOBS: Final = frozenset({JobKind.STATUS})
REVERSE_JOBS: Final = frozenset({JobKind.REVERSE})
ALL_JOB_KINDS: Final = frozenset(JobKind)


@dataclass(frozen=True)
class Rule:
    """One row. `sentence` is for users, `code` is stable, `when` reads facts."""

    code: str
    sentence: str
    when: Callable[[Facts], Condition]
    action: RuleAction = RuleAction.SKIP
    at: frozenset[Moment] = FEED_AND_PREVIEW
    kinds: frozenset[JobKind] = SETTLE_JOBS
    shows: tuple[str, ...] = ()  # facts shown as the reason
    also_shows: tuple[str, ...] = ()  # more facts, shown if present
    is_overridable: bool = False  # a job may override it, if the user has the right
    number: str | None = None  # the practice's number for the rule; 0 turns it off


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
    ),
    Rule(
        "changed_since_preview",
        "Changed since the preview",
        lambda f: f.changed_since_preview,
        at=RUN_ONLY,
        kinds=ALL_JOB_KINDS,
        shows=("previewed_version", "version", "previewed_status", "billing_status", *_BALANCE_FACTS, "hold"),
    ),
    Rule(
        "balance_mismatch",
        "Balance doesn't match the ledger. Contact support",
        lambda f: f.balance_mismatch,
        at=EVERYWHERE,
        kinds=SETTLE_JOBS | REVERSE_JOBS,
        shows=("insurance_due", "patient_due"),
    ),
    Rule(
        "on_hold",
        "On hold, or excluded from write-offs",
        lambda f: f.on_hold,
        at=EVERYWHERE,  # a hold changes the claim's version; an exclusion does not, so the run checks again
        shows=("hold",),
        also_shows=("hold_until", "excluded"),
    ),
    Rule(
        "in_other_job",
        "Already in another unfinished job",
        lambda f: f.in_other_job,
        at=PREVIEW_ONLY,
        shows=("other_job",),
    ),
    Rule("future_service", "The date of service is in the future", lambda f: f.in_future, shows=_DATE_FACTS),
    Rule(
        "later_posting",
        "Has a posting dated after the job's posting date. Choose a later posting date",
        lambda f: f.posted_later,
        at=PREVIEW_ONLY,
        kinds=SETTLE_JOBS | REVERSE_JOBS,
        shows=("posting_date", "last_posted_on"),
    ),
    Rule("credit_insurance", "Insurance credit balance", lambda f: f.insurance_due < 0, shows=("insurance_due",)),
    Rule("credit_patient", "Patient credit balance", lambda f: f.patient_due < 0, shows=("patient_due",)),
    Rule("credit_line", "Credit balance on a service line", lambda f: f.has_credit_line, shows=_BALANCE_FACTS),
    Rule(
        "in_process",
        "Claim is still in process at the clearinghouse or payer",
        lambda f: and_(f.is_with_payer, f.insurance_due > 0, f.settles_insurance),
        shows=("primary_status", "secondary_status", "insurance_due"),
        is_overridable=True,
    ),
    Rule(
        "rejected",
        "Rejected by the clearinghouse or a payer before adjudication",
        lambda f: and_(f.is_rejected, f.insurance_due > 0, f.settles_insurance),
        shows=("primary_status", "secondary_status", "insurance_due"),
        is_overridable=True,
    ),
    Rule(
        "not_submitted",
        "Never submitted to insurance",
        lambda f: and_(f.is_not_submitted, f.insurance_due > 0, f.settles_insurance),
        shows=("billing_status", "primary_status", "insurance_due"),
        is_overridable=True,
    ),
    Rule(
        "secondary_pending",
        "Secondary insurance has not processed the claim",
        lambda f: and_(f.awaits_secondary_payer, f.insurance_due > 0, f.settles_insurance),
        shows=("secondary_status", "insurance_due"),
        is_overridable=True,
    ),
    Rule(
        "in_appeal_window",
        "Denied, and still within the appeal window",
        lambda f: and_(f.in_appeal_window, f.insurance_due > 0, f.settles_insurance),
        shows=("denied_on", "appeal_window_days", "insurance_due"),
        also_shows=("denial_group", "denial_carc"),
        is_overridable=True,
        number="appeal_window_days",
    ),
    Rule(
        "recent_payment",
        "Recent payment",
        lambda f: f.paid_recently,
        shows=("last_payment_on", "recent_payment_days"),
        is_overridable=True,
        number="recent_payment_days",
    ),
    Rule(
        "too_few_statements",
        "Too few statements sent to the patient",
        lambda f: and_(f.has_too_few_statements, f.patient_due > 0, f.settles_patient),
        shows=("statements_sent", "statements_min", "patient_due"),
        is_overridable=True,
        number="statements_min",
    ),
    Rule(
        "recent_statement",
        "Too soon after the last statement to the patient",
        lambda f: and_(f.had_statement_recently, f.patient_due > 0, f.settles_patient),
        shows=("last_statement_on", "statement_days", "patient_due"),
        is_overridable=True,
        number="statement_days",
    ),
    Rule(
        # Not overridable: the ledger, the files and the certificate would call a large write-off a small balance.
        "over_small_balance",
        "Over your practice's small-balance limit. Choose a different reason",
        lambda f: f.over_small_balance,
        at=PREVIEW_AND_RUN,
        shows=(*_BALANCE_FACTS, "small_balance_max_cents"),
    ),
    Rule(
        # Not overridable: routinely waiving cost sharing can violate federal law.
        "medicare_cost_share",
        "Medicare or Medicaid cost sharing: use a Charity or Small balance reason. A schedule also needs a note in "
        "your own words",
        lambda f: and_(f.owes_medicare_cost_share, f.patient_due > 0, f.settles_patient),
        at=PREVIEW_ONLY,
        shows=("payer_class", "patient_due"),
        also_shows=("schedule_note",),
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

_SMALL_BALANCE_RULE: Final = "over_small_balance"
RULES_BY_CODE: Final = {rule.code: rule for rule in RULES}
OVERRIDABLE_CODES: Final = tuple(rule.code for rule in RULES if rule.is_overridable)
CAN_SETTLE: Final = "can_settle"  # the feed's code if no rule matches


def rules_at(moment: Moment, *, kind: JobKind, include: Collection[str] = ()) -> list[Rule]:
    """Return the rules that apply at `moment`, without those that the job overrides."""
    return [rule for rule in RULES if moment in rule.at and kind in rule.kinds and rule.code not in include]


def overridable(codes: Collection[str]) -> list[str]:
    """Return the codes that a job may override. A job of an earlier version may have overridden more."""
    return [code for code in codes if code in OVERRIDABLE_CODES]


def rules_on_and_off(
    kind: JobKind, numbers: Mapping[str, Any], *, reason: WriteOffReason | None
) -> tuple[list[str], list[str]]:
    """Return the codes of the rules that are on for a job with these numbers and this reason, and of those off."""
    of_kind = [rule for rule in RULES if kind in rule.kinds]
    has_limit = reason is WriteOffReason.SMALL_BALANCE and numbers.get("small_balance_max_cents") is not None

    def is_on(rule: Rule) -> bool:
        if rule.code == _SMALL_BALANCE_RULE:
            return has_limit
        return rule.number is None or bool(numbers.get(rule.number))

    return [rule.code for rule in of_kind if is_on(rule)], [rule.code for rule in of_kind if not is_on(rule)]


def first_match(facts: Facts, rules: list[Rule]) -> ColumnElement[str | None]:
    """Return the code of the first rule that matches, or NULL."""
    return case(*((rule.when(facts), rule.code) for rule in rules), else_=null())


def rule_values(facts: Facts, rules: list[Rule]) -> ColumnElement[dict[str, Any] | None]:
    """Return the facts of the first matching rule as JSON by name, if it skips the claim, else NULL."""
    shown = [(rule.when(facts), _shown_facts(facts, rule)) for rule in rules]
    return case(*shown, else_=null())


def _shown_facts(facts: Facts, rule: Rule) -> ColumnElement[Any]:
    if rule.action is not RuleAction.SKIP:
        return null()
    always = func.jsonb_build_object(*_names_and_values(facts, rule.shows))
    if not rule.also_shows:
        return always
    return always.op("||")(func.jsonb_strip_nulls(func.jsonb_build_object(*_names_and_values(facts, rule.also_shows))))


def _names_and_values(facts: Facts, names: tuple[str, ...]) -> list[ColumnElement[Any]]:
    return [part for name in names for part in (literal(name), facts.values[name])]


def skip_codes() -> list[str]:
    """Return the codes of rules that skip claims."""
    return [rule.code for rule in RULES if rule.action is RuleAction.SKIP]
